"""One containerd for all tests, in the environment of `./dev shell --root`."""

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "e2e"))

from harness import BIN, PATIENCE, PROGRAMS, execute, processes, until  # noqa: E402

SOCKET = "/run/containerd/containerd.sock"
IMAGE = "localhost/twin:1"
# As packaging/containerd/spoor.toml; crun beside it for the comparison.
RUNTIME = """
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.{name}]
  runtime_type = "io.containerd.runc.v2"
  pod_annotations = ["io.spoor.*"]
  container_annotations = ["io.spoor.*"]
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.{name}.options]
    BinaryName = "{program}"
    SystemdCgroup = {systemd}
"""
# systemd makes the cgroups, where there is one: in the virtual machines of tests/vm.
SYSTEMD = Path("/run/systemd/system").is_dir()
PROGRAM = {"crun": "/usr/bin/crun", "spoor": str(BIN / "spoor")}


def settings(directory):
    return f"""
version = 2
root = "{directory}/root"
state = "/run/containerd"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{IMAGE}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
    default_runtime_name = "crun"
""" + "".join(RUNTIME.format(name=name, program=program, systemd=str(SYSTEMD).lower()) for name, program in PROGRAM.items())


def make_image(directory):
    root = directory / "image"
    (root / "bin").mkdir(parents=True)
    (root / "run").mkdir()
    for program in ("/bin/busybox", PROGRAMS / "probe"):
        shutil.copy(program, root / "bin")
    for applet in ("sh", "cat", "echo", "sleep", "true"):
        (root / "bin" / applet).symlink_to("busybox")
    subprocess.run(["tar", "-C", root, "-cf", directory / "image.tar", "."], check=True)
    subprocess.run(["podman", "import", "-q", "--change", 'CMD ["/bin/sleep", "1000"]', directory / "image.tar", IMAGE],
                   check=True, capture_output=True)
    subprocess.run(["podman", "save", "-q", "--format=oci-archive", "-o", directory / "archive.tar", IMAGE], check=True)
    return directory / "archive.tar"


@pytest.fixture(scope="session")
def ctr(tmp_path_factory):
    """Calls ctr; containerd runs meanwhile, with the image "twin"."""
    directory = tmp_path_factory.mktemp("containerd")
    (directory / "config.toml").write_text(settings(directory))
    (directory / "spoor.yaml").write_text(f"setup_deadline: {60 * PATIENCE:.0f}s\n")  # not the machine's speed is tested
    with open(directory / "log", "wb") as log:
        daemon = subprocess.Popen(["containerd", "--config", directory / "config.toml"], stdout=log, stderr=log,
                                  env={**os.environ, "SPOOR_CONFIG": str(directory / "spoor.yaml")})
    try:
        until(lambda: daemon.poll() is None and execute(["ctr", "version"]).code == 0,
              lambda: (directory / "log").read_text()[-3000:])

        def call(*arguments, **options):
            return execute(["ctr", "--namespace", "k8s.io", *arguments], **options)

        done = call("image", "import", make_image(directory))
        assert done.code == 0, done
        yield call
        # They stay for a second or two after their container.
        until(lambda: not processes("containerd-shim"), lambda: f"no shim is left: {processes('containerd-shim')}")
    finally:
        daemon.terminate()
        daemon.wait(20)
        # For the report of a failed test.
        print("".join(line for line in open(directory / "log") if "level=err" in line or "level=warn" in line)[-6000:])


@pytest.fixture(scope="session")
def cri(ctr, tmp_path_factory):
    """Calls one method of the runtime service: cri("RunPodSandbox", request, answer's type)."""
    generated = tmp_path_factory.mktemp("cri")
    here = Path(__file__).resolve().parent
    if not (here / "cri_pb2.py").exists():  # a guest comes without a compiler, but with its work
        subprocess.run(["protoc", f"--proto_path={here}", f"--python_out={generated}", here / "cri.proto"], check=True)
        sys.path.insert(0, str(generated))
    messages = importlib.import_module("cri_pb2")
    channel = grpc.insecure_channel(f"unix://{SOCKET}")

    class Cri:
        types = messages

        def __call__(self, method, request, answer=messages.Nothing):
            call = channel.unary_unary(f"/runtime.v1.RuntimeService/{method}",
                                       request_serializer=lambda message: message.SerializeToString(),
                                       response_deserializer=answer.FromString)
            return call(request, timeout=60 * PATIENCE)

    yield Cri()
    channel.close()


@pytest.fixture
def volume(tmp_path):
    directory = tmp_path / "volume"
    directory.mkdir()
    return directory
