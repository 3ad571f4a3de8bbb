"""Containers as podman makes them, with spoor in place of crun."""

import socket
import threading

import pytest

import twin
from harness import ROOTFUL, until
from twin import scenario

RUN = ["run", "--rm", "--network=none", "--hostname=h"]
# Options that change what the runtime is asked for; each with the probe inside.
OPTIONS = {
    "plain": [],
    "init": ["--init"],
    "read-only": ["--read-only"],
    "read-only, nothing writable": ["--read-only", "--read-only-tmpfs=false"],
    "privileged": ["--privileged"],
    "host's processes": ["--pid=host"],
    "host's network": ["--network=host"],
    "user": ["--user", "1000:1000"],
    "keep-id": ["--userns=keep-id"],
    "uidmap": ["--uidmap=0:0:1", "--uidmap=1:100:10"] if ROOTFUL else ["--uidmap=0:1:10"],
    "no cgroups": ["--cgroups=disabled"],
    "conmon outside": ["--cgroups=no-conmon"],
    "capabilities": ["--cap-drop=all", "--cap-add=kill", "--security-opt=no-new-privileges"],
    "environment": ["--env", "A=b", "--env-host=false", "--unsetenv=PATH", "--workdir=/tmp", "--umask=0077"],
    "tmpfs on /run": ["--tmpfs=/run"],
    "systemd's mounts": ["--systemd=always", "--tmpfs=/run:rw,mode=755"],
    "limits": ["--ulimit=nofile=200:300", "--oom-score-adj=500", "--shm-size=1m", "--sysctl=net.ipv4.ip_forward=1"],
    "no entry in seccomp": ["--security-opt=seccomp=unconfined", "--security-opt=mask=/proc/version"],
    "annotations": ["--annotation=a=b", "--annotation=run.oci.keep_original_groups=1"],
    "device": ["--device=/dev/null:/dev/other"],
    "entry point": ["--entrypoint=/probe"],
}
# Of the container's cgroup nothing is left to scope by, or it belongs to a subordinate uid.
MAY_BE_UNTRACED = {"no cgroups", "keep-id", "uidmap"}
# What does nothing of its own adds little to what the bundles have shown: two sides do for most.
PAIR = tuple(side for side in twin.SIDES if side.name != "untraced")


# Rootful, what the bundles and the rootless ones have shown already is left out.
ROOTFUL_OPTIONS = ["plain", "init", "privileged", "host's processes", "uidmap", "no cgroups", "conmon outside", "tmpfs on /run"]


@pytest.mark.parametrize("name", ROOTFUL_OPTIONS if ROOTFUL else OPTIONS)
def test_run(image, name):
    def run(t):
        command = [] if "--entrypoint=/probe" in OPTIONS[name] else ["/probe", "argument"]
        code, _ = t.podman(*RUN, *OPTIONS[name], "twin", *command)
        t.may_be_untraced = name in MAY_BE_UNTRACED
        t.sessions = 1 if code == 0 else 0

    twin.play(twin.Scenario(run, None, rootless=True, rootful=True), podmans=True,
              sides=twin.SIDES if name == "plain" else PAIR)


@scenario()
def volume_at_run(t):
    (t.box / "volume").mkdir()
    t.podman(*RUN, "-v", f"{t.box}/volume:/run", "twin", "sh", "-c", "echo x >/run/file; /probe")
    t.note_file("volume/file")


@scenario(only="rootless")
def root_file_system(t):
    t.bundle()
    t.podman(*RUN, "--rootfs", t.box / "bundle" / "rootfs", "/probe")


@scenario(only="rootless")
def image_read_only_overlay(t):
    t.bundle()
    t.podman(*RUN, "--rootfs", f"{t.box}/bundle/rootfs:O", "/probe")


@scenario(sessions=0)
def errors(t):
    t.podman(*RUN, "twin", "/no/such/program")
    t.podman(*RUN, "twin", "nosuchprogram")
    t.podman(*RUN, "twin", "/tmp")
    t.podman(*RUN, "--workdir=/nowhere/at/all", "--read-only", "twin", "true")


@scenario(sessions=2, only="rootless")
def codes_and_streams(t):
    t.podman(*RUN, "twin", "sh", "-c", "echo out; echo err >&2; exit 37")
    t.podman(*RUN, "-i", "twin", "cat", stdin=b"some input\n" * 1000)


@scenario(only="rootless")
def preserved_descriptors(t):
    t.shell("podman run --rm --network=none --preserve-fds 2 twin /probe 3</dev/null 4</dev/zero")


@scenario(only="rootless")
def on_a_terminal(t):
    t.podman_on_terminal(*RUN, "-it", "twin", "/probe")


@scenario(sessions=2)
def life(t):
    t.podman("create", "--name=twin", "--network=none", "twin", "/probe", "wait")
    t.podman("init", "twin")
    t.podman("start", "twin")
    until(lambda: "ready" in t.podman("logs", "twin", quiet=True)[1], "it is ready")
    t.podman("inspect", "--format", "{{.State.Status}} {{.OCIRuntime}} {{.HostConfig.Runtime}} {{.Mounts}}", "twin")
    t.podman("kill", "--signal=USR1", "twin")
    t.podman("top", "twin", "pid,args")
    t.podman("exec", "twin", "/probe")
    t.podman("exec", "-e", "A=b", "-w", "/tmp", "-u", "7:8", "twin", "/probe")
    t.podman("exec", "-i", "twin", "cat", stdin=b"input")
    t.podman("exec", "twin", "sh", "-c", "exit 9")
    t.podman("exec", "twin", "/no/such/program")
    t.podman("exec", "-d", "twin", "true", quiet=True)
    t.podman_on_terminal("exec", "-it", "twin", "/probe")
    t.podman("pause", "twin")
    t.podman("exec", "twin", "true")
    t.podman("unpause", "twin")
    t.podman("update", "--memory=1g", "twin")
    t.podman("checkpoint", "twin")
    t.podman("kill", "twin", "--signal=NOSUCH")
    t.podman("stop", "-t", "5", "twin")
    t.podman("wait", "twin")
    t.podman("restart", "-t", "0", "twin")
    t.podman("rm", "-f", "-t", "0", "twin")
    t.podman("ps", "-a")


@scenario()
def attached(t):
    t.podman("create", "--name=twin", "-i", "--network=none", "twin", "sh", "-c", "cat; exit 5")
    t.podman("start", "-ai", "twin", stdin=b"to the container\n")
    t.podman("diff", "twin")
    t.podman("rm", "twin")


@scenario(only="rootless")
def health(t):
    t.podman("run", "-d", "--name=twin", "--network=none", "--health-cmd", "/probe", "--health-interval=disable", "twin",
             "sleep", "1000")
    t.podman("healthcheck", "run", "twin")
    t.podman("inspect", "--format", "{{.State.Health.Status}}", "twin")
    t.podman("rm", "-f", "-t", "0", "twin")


@scenario(sessions=3)
def pod(t):
    t.podman("pod", "create", "--name=twins", "--infra-image=twin-pause", "--network=none", "--share=ipc,net,uts", quiet=True,
             check=0)
    t.podman("run", "-d", "--pod=twins", "--name=one", "twin", "/probe", "wait")
    until(lambda: "ready" in t.podman("logs", "one", quiet=True)[1], "it is ready")
    t.podman("run", "--rm", "--pod=twins", "twin", "sh", "-c", "echo in; hostname")
    t.podman("pod", "pause", "twins", quiet=True, check=0)
    t.podman("pod", "unpause", "twins", quiet=True, check=0)
    t.podman("pod", "stop", "-t", "5", "twins", quiet=True, check=0)
    t.podman("logs", "one")
    t.podman("pod", "rm", "-f", "twins")


PLAY = """
apiVersion: v1
kind: Pod
metadata: {name: twins, annotations: {a: b}}
spec:
  containers:
  - {name: one, image: localhost/twin, command: [/probe, wait], imagePullPolicy: Never}
"""


@scenario(sessions=2, only="rootless")  # podman 4.3 asks for limits that root may not set here
def play_kube(t):
    (t.box / "pod.yaml").write_text(PLAY)
    t.podman("play", "kube", "--network=none", "pod.yaml", check=0, quiet=True)
    until(lambda: "ready" in t.podman("logs", "twins-one", quiet=True)[1], "it is ready")
    t.podman("logs", "twins-one")
    t.podman("play", "kube", "--down", "pod.yaml")


@scenario(sessions=2)
def build(t):
    (t.box / "Containerfile").write_text("FROM twin\nENV A=b\nRUN /probe && echo x >/made\nRUN [\"/bin/sh\", \"-c\", \"exit 3\"]\n")
    t.podman("build", "--isolation=oci", "--network=none", "--no-cache", "-t", "made", ".")


@scenario(sessions=1)
def build_content(t):
    """What a build leaves in its layer."""
    (t.box / "Containerfile").write_text("FROM twin\nRUN echo x >/made\n")
    t.podman("build", "--isolation=oci", "--network=none", "--no-cache", "--squash", "-t", "made", ".", quiet=True, check=0)
    t.shell("podman save made | tar -xO --wildcards '*.tar' | tar -ti | sort -u")
    t.podman("rmi", "made", quiet=True)


@scenario()
def ready(t):
    heard = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(t.box / "notify"))
        listener.settimeout(10)

        def listen():
            while not any(line.startswith("READY") for line in heard):
                heard.extend(listener.recv(4096).decode().split())

        listening = threading.Thread(target=listen)
        listening.start()
        t.podman("run", "-d", "--name=twin", "--network=none", "--sdnotify=container", "twin", "sh", "-c",
                 "/probe notify; sleep 1000", environment={**t.environment, "NOTIFY_SOCKET": str(t.box / "notify")})
        listening.join()
    t.note("notified", sorted({line.split("=")[0] for line in heard}))
    t.podman("rm", "-f", "-t", "0", "twin")


@scenario()
def under_its_own_name(t):
    t.podman(*RUN, "twin", "sh", "-c", "/probe; exit 4", runtime=t.own_name)


@scenario(sessions=0, only="rootless")
def errors_under_its_own_name(t):
    t.podman(*RUN, "twin", "/no/such/program", runtime=t.own_name)


@pytest.mark.parametrize("one", twin.scenarios_of(__name__), ids=lambda one: one.name)
def test(image, one):
    twin.play(one, podmans=True, sides=twin.SIDES if one.name == "life" else PAIR)
