"""containerd through io.containerd.runc.v2 with BinaryName: by ctr and by the CRI API, with crun and with spoor."""

import difflib
import json
import re
from pathlib import Path

import grpc
import pytest
import websocket

from conftest import IMAGE, PROGRAM, SYSTEMD
from harness import STATE_ROOT, cgroups, finished_trail, processes, until

NETWORK = 2  # NODE: the host's, so that no CNI plugin is needed


def made_equal(item):
    """What is chosen anew each time, and where a traced container's volume is mounted, left out."""
    if not isinstance(item, str):
        item = "\n".join(map(str, item)) if hasattr(item, "__iter__") else str(item)
    text = re.sub(r"\r", "", item)
    text = re.sub(r" +", " ", text)
    text = re.sub(r"\b[0-9a-f]{64}\b", "<id>", text)
    text = re.sub(r"^mount /run/spoor(/\w+)? .*\n", "", text, flags=re.M)
    text = re.sub(r"/snapshots/\d+", "/snapshots/<n>", text)
    text = re.sub(r'time="\S+"', "<time>", text)
    text = re.sub(r"logs-\w+", "logs", text)
    text = re.sub("|".join(map(re.escape, PROGRAM.values())), "<runtime>", text)
    return re.sub(r"\b\d{2,}\b", "<n>", text)


# What plays are made with: a container's runtime, and whether it is to be traced.
SIDES = {"crun": ("crun", True), "untraced": ("spoor", False), "spoor": ("spoor", True)}


def own_volumes():
    return {volume for root in (STATE_ROOT, Path("/run/spoor")) for volume in root.glob("volumes/*")}


def both(play):
    """play(runtime, annotations) for crun and for spoor, which is told not to trace and then to; what it tells must be
    equal, and nothing may be left."""
    first = None
    for side, (runtime, traced) in SIDES.items():
        before, volumes = cgroups(), own_volumes()
        seen = "\n".join(made_equal(item) for item in play(runtime, {} if traced else {"io.spoor.trace": "false"})).splitlines()
        names = ("spoor", "crun", "probe", "sleep")
        until(lambda: not processes(*names), lambda: f"{side}: nothing runs: {processes(*names)}")
        until(lambda: not {path for path in cgroups() - before if not path.endswith("/k8s.io")}, lambda: cgroups() - before)
        assert traced or own_volumes() == volumes
        first = first or seen
        assert first == seen, "\n".join(difflib.unified_diff(first, seen, "crun", side, lineterm=""))


# ---------------------------------------------------------------------------------------- ctr


def ctr_run(ctr, runtime, *arguments, annotations=None, volume=None, **options):
    mount = ["--mount", f"type=bind,src={volume},dst=/run/spoor,options=rbind:rw"] if volume else []
    by_systemd = ["--runc-systemd-cgroup", "--cgroup=system.slice:ctr:c"] if SYSTEMD else []
    told = [word for name, value in (annotations or {}).items() for word in ("--annotation", f"{name}={value}")]
    return ctr("run", "--snapshotter=native", "--runc-binary", PROGRAM[runtime], *mount, *by_systemd, *told, *arguments, **options)


@pytest.mark.parametrize("command", [
    ["/bin/probe"], ["/bin/sh", "-c", "echo out; echo err >&2; exit 7"], ["/no/such/program"]])
def test_run(ctr, command):
    def play(runtime, annotations):
        yield ctr_run(ctr, runtime, "--rm", IMAGE, "c", *command, annotations=annotations)
        for kind in ("container", "snapshot"):  # of one that did not start ctr keeps these
            ctr(*(["snapshot", "--snapshotter=native"] if kind == "snapshot" else [kind]), "rm", "c")

    both(play)


def test_trail(ctr, volume):
    done = ctr_run(ctr, "spoor", "--rm", IMAGE, "c", "/bin/cat", "/proc/version", volume=volume)
    assert done.code == 0, done
    assert "/proc/version" in finished_trail(volume).paths("read")


def test_life_of_a_task(ctr):
    def play(runtime, annotations):
        yield ctr_run(ctr, runtime, "--detach", IMAGE, "c", annotations=annotations)
        yield ctr("task", "ls")
        yield ctr("task", "ps", "c")
        yield ctr("task", "exec", "--exec-id", "e", "c", "/bin/probe")
        yield ctr("task", "exec", "--exec-id", "f", "c", "/bin/sh", "-c", "echo x >&2; exit 9")
        yield ctr("task", "exec", "--exec-id", "g", "c", "/no/such")
        yield ctr("task", "pause", "c")
        yield ctr("task", "ls")
        yield ctr("task", "resume", "c")
        yield ctr("task", "kill", "--signal", "SIGKILL", "c")
        until(lambda: "STOPPED" in ctr("task", "ls").out, "it is stopped")
        yield ctr("task", "rm", "c")
        yield ctr("container", "rm", "c")
        yield ctr("task", "ls")

    both(play)


# ---------------------------------------------------------------------------------------- CRI


class Pod:
    """A sandbox and what is done in it."""

    def __init__(self, cri, runtime, tmp_path, annotations=None):
        self.cri, self.types = cri, cri.types
        self.logs = tmp_path / f"logs-{len(list(tmp_path.iterdir()))}"
        self.config = self.types.PodSandboxConfig(log_directory=str(self.logs), annotations=annotations or {})
        self.config.metadata.name = self.config.metadata.uid = f"twins-{runtime}"
        self.config.metadata.namespace = "test"
        self.config.linux.security_context.namespace_options.network = NETWORK
        if SYSTEMD:
            self.config.linux.cgroup_parent = "system.slice"
        self.id = cri("RunPodSandbox", self.types.RunPodSandboxRequest(config=self.config, runtime_handler=runtime),
                      self.types.PodSandboxId).pod_sandbox_id

    def start(self, name, command, mounts=(), annotations=None, **options):
        types = self.types
        config = types.ContainerConfig(command=command, log_path=f"{name}.log", annotations=annotations or {}, **options)
        config.metadata.name = name
        config.image.image = IMAGE
        config.linux.security_context.namespace_options.network = NETWORK
        config.linux.resources.cpu_shares = 100
        for where, source in mounts:
            config.mounts.add(container_path=where, host_path=str(source))
        container = self.cri("CreateContainer", types.CreateContainerRequest(
            pod_sandbox_id=self.id, config=config, sandbox_config=self.config), types.ContainerId).container_id
        self.cri("StartContainer", types.ContainerId(container_id=container))
        return container

    def execute(self, container, *command):
        done = self.cri("ExecSync", self.types.ExecSyncRequest(container_id=container, cmd=command, timeout=30),
                        self.types.ExecSyncResponse)
        return done.exit_code, done.stdout.decode(), done.stderr.decode()

    def status(self, container):
        return self.cri("ContainerStatus", self.types.ContainerId(container_id=container),
                        self.types.ContainerStatusResponse).status

    def until_ended(self, container):
        until(lambda: self.status(container).state == self.types.EXITED, lambda: self.status(container))

    def remove(self):
        for method in ("StopPodSandbox", "RemovePodSandbox"):
            self.cri(method, self.types.PodSandboxId(pod_sandbox_id=self.id))


def stream(url, send=None):
    """What comes on each channel of an exec's or attach's web socket until it is closed."""
    connection = websocket.create_connection(url.replace("http:", "ws:"), timeout=60, subprotocols=["v4.channel.k8s.io"])
    out = {}
    try:
        if send is not None:
            connection.send_binary(b"\0" + send)
        while data := connection.recv():
            data = data.encode() if isinstance(data, str) else data
            out[data[0]] = out.get(data[0], b"") + data[1:]
            if data[0] == 3:  # how it ended; nothing comes after it
                break
    except websocket.WebSocketConnectionClosedException:
        pass
    finally:
        connection.close()
    return "\n".join(f"channel {channel}: {text.decode()}" for channel, text in sorted(out.items()) if text)


def test_pod(cri, tmp_path):
    """pods, exec, exec sync, attach, update, stats, logs, delete."""

    def play(runtime, annotations):
        pod, types = Pod(cri, runtime, tmp_path, annotations), cri.types
        main = pod.start("main", ["/bin/sh", "-c", "echo begun; exec sleep 1000"])
        yield pod.execute(main, "/bin/probe")
        yield pod.execute(main, "/bin/sh", "-c", "echo err >&2; exit 5")
        with pytest.raises(grpc.RpcError) as missing:
            pod.execute(main, "/no/such/program")
        yield missing.value.code()
        request = types.ExecRequest(container_id=main, cmd=["/bin/sh", "-c", "echo out; exit 4"], stdout=True, stderr=True)
        yield stream(cri("Exec", request, types.StreamUrl).url)
        request = types.ExecRequest(container_id=main, cmd=["/bin/probe"], stdin=True, stdout=True, tty=True)
        yield stream(cri("Exec", request, types.StreamUrl).url)
        reader = pod.start("reader", ["/bin/sh", "-c", "read line; echo got $line; exit 6"], stdin=True)
        yield stream(cri("Attach", types.AttachRequest(container_id=reader, stdin=True, stdout=True, stderr=True),
                         types.StreamUrl).url, send=b"a line\n")
        pod.until_ended(reader)
        yield pod.status(reader).exit_code
        update = types.UpdateContainerResourcesRequest(container_id=main)
        update.linux.cpu_shares = 200
        cri("UpdateContainerResources", update)
        stats = cri("ContainerStats", types.ContainerId(container_id=main), types.ContainerStatsResponse).stats
        yield stats.attributes.id == main, stats.cpu.usage_core_nano_seconds.value > 0
        yield re.sub(r"^\S+ ", "", (pod.logs / "main.log").read_text(), flags=re.M)
        cri("StopContainer", types.StopContainerRequest(container_id=main, timeout=0))
        yield pod.status(main).exit_code, pod.status(main).state
        cri("RemoveContainer", types.ContainerId(container_id=main))
        pod.remove()

    both(play)


def test_a_program_that_is_not_there(cri, tmp_path):
    def play(runtime, annotations):
        pod = Pod(cri, runtime, tmp_path, annotations)
        with pytest.raises(grpc.RpcError) as missing:
            pod.start("main", ["/no/such/program"])
        yield missing.value.code()
        yield missing.value.details()
        pod.remove()

    both(play)


def test_trail_and_annotations(cri, tmp_path):
    """A volume at /run/spoor as a pod's emptyDir is; annotations of the pod and of its containers."""
    volumes = [tmp_path / name for name in ("traced", "off", "silent")]
    for volume in volumes:
        volume.mkdir()
    pod = Pod(cri, "spoor", tmp_path, {"io.spoor.trace": "false", "other": "not passed on"})
    command = ["/bin/sh", "-c", "cat /proc/version"]
    asked = [{"io.spoor.trace": "true"}, {"io.spoor.trace": "true", "io.spoor.mode": "off"}, {}]
    for i, (volume, annotations) in enumerate(zip(volumes, asked)):
        pod.until_ended(pod.start(f"c{i}", command, mounts=[("/run/spoor", volume)], annotations=annotations))
    pod.remove()
    trail = finished_trail(volumes[0])
    assert "/proc/version" in trail.paths("read")
    assert trail.session["annotations"]["io.spoor.trace"] == "true"
    assert "other" not in json.dumps(trail.session["annotations"])
    # The pod's own annotation holds for the last one, and for the sandbox.
    assert [list(volume.iterdir()) for volume in volumes[1:]] == [[], []]


def test_a_malformed_annotation(cri, tmp_path):
    with pytest.raises(grpc.RpcError) as refused:
        Pod(cri, "spoor", tmp_path, {"io.spoor.mode": "loud"})
    assert "io.spoor.mode" in refused.value.details()
