"""Podman in a container of Podman's: traced as one session, and, where the inner one calls spoor and sees spoord's
socket, as two."""

import json
import shutil

import pytest

from harness import BIN, ROOTFUL, finished_trail

# The machine's own programs in both, as docs/guide.md has it.
HOST = "-v /usr:/usr:ro -v /etc:/etc:ro --tmpfs /tmp --tmpfs /var/lib -e XDG_RUNTIME_DIR= -e HOME=/root".split()
# The outer volume makes room at /run/spoor for what the inner spoor has there.
ASKED = ["--annotation", "io.spoor.mount=/run/outer", "-v", "/run/spoor/spoord.sock:/run/spoor/spoord.sock",
         "-v", f"{BIN}:{BIN}:ro"]
LIMITS = "--ulimit nofile=1024:4096 --ulimit nproc=1024:1024" if ROOTFUL else ""
OUTER = """
    export PATH=/usr/bin:/usr/sbin
    mkdir -p /tmp/storage /tmp/run
    podman --log-level=error --root /tmp/storage --runroot /tmp/run --storage-driver vfs --cgroup-manager=cgroupfs \
        --events-backend=file --runtime {runtime} run --rm --network=host --ipc=host --uts=host {limits} {options} \
        --security-opt seccomp=unconfined --rootfs /inner sh -c '/bin/cat /data > /dev/null; echo nested > /said'
    cat /inner/after > /dev/null
"""


@pytest.fixture
def nest(podman, tmp_path, volume):
    """Runs the inner container as `options` say, by `runtime`, in an outer one that spoor runs."""
    outer, inner = tmp_path / "outer", tmp_path / "inner"
    for name in "usr etc dev proc sys run tmp var/tmp var/lib home root opt".split():
        (outer / name).mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (outer / name).symlink_to("usr/" + name)
    for name in "bin proc dev sys etc run tmp".split():
        (inner / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", inner / "bin")
    for applet in ("sh", "cat"):
        (inner / "bin" / applet).symlink_to("busybox")
    for name in ("data", "after"):
        (inner / name).write_text("x\n")

    # Without a network of the host's, so that /sys, and the cgroups in it, are the outer container's own.
    def run(runtime, options, *outer_options):
        root = outer if ROOTFUL else f"{outer}:O"  # the overlay is for rootless Podman only
        done = podman.run("spoor", "--privileged", *HOST, *outer_options, "-v", f"{inner}:/inner", "--rootfs", root,
                          "sh", "-c", OUTER.format(runtime=runtime, options=options, limits=LIMITS), volume=volume)
        # In a file: what the inner podman is told may be lost (harness.py, Podman.run).
        assert done.code == 0 and (inner / "said").read_text() == "nested\n", done
        return finished_trail(volume)

    return run


def cats(trail):
    return [line for line in trail.processes if line["argv"] == ["/bin/cat", "/data"]]


@pytest.mark.parametrize("cgroups", ["disabled", "enabled"])
def test_a_container_in_a_container_is_of_the_same_session(nest, footprint, cgroups):
    """Names are as the inner container sees them, and pids as the outer one does."""
    trail = nest("/usr/bin/crun", f"--cgroups={cgroups}")
    assert {"/data", "/inner/after"} <= trail.paths("read")
    assert len(cats(trail)) == 1
    assert [line for line in trail.processes if line["exe"] == "/usr/bin/crun"]
    footprint.is_clean()


def test_a_container_in_a_container_with_a_session_of_its_own(nest, tmp_path, footprint):
    own = tmp_path / "own"
    own.mkdir()
    outer = nest(BIN / "spoor", "-v /own:/run/spoor", *ASKED, "-v", f"{own}:/own")
    inner = finished_trail(own)
    assert inner.session["containerId"] != outer.session["containerId"]
    # The same process, by each container's own numbers.
    (as_outer,), (as_inner,) = cats(outer), cats(inner)
    assert as_outer["start"] == as_inner["start"] and as_outer["pid"] > as_inner["pid"]
    assert {"/data", "/inner/after"} <= outer.paths("read")
    # What the inner container did, and nothing of what is around it.
    assert "/data" in inner.paths("read") and "/inner/after" not in inner.paths("read")
    assert {line["exe"] for line in inner.processes} == {"/bin/busybox"}, inner.processes
    assert json.loads(inner.report_file.read_text())["taskId"] == "-"
    footprint.is_clean()
