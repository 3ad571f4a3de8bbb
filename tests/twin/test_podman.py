"""Containers as podman makes them, with spoor in place of crun."""

import socket
import subprocess
import threading

import pytest

import twin
from harness import PATIENCE, ROOTFUL, until
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
    "keep-id, as root": ["--userns=keep-id", "--user=0"],
    "nomap": ["--userns=nomap"],
    "subordinate ids": ["--userns=auto"],
    "no user namespace of its own": ["--userns=host"],
    "uidmap": ["--uidmap=0:200000:1000", "--gidmap=0:200000:1000"] if ROOTFUL else ["--uidmap=0:1:10"],
    "no cgroups": ["--cgroups=disabled"],
    "conmon outside": ["--cgroups=no-conmon"],
    "host's cgroup namespace": ["--cgroupns=host"],
    "capabilities": ["--cap-drop=all", "--cap-add=kill", "--security-opt=no-new-privileges"],
    "environment": ["--env", "A=b", "--env-host=false", "--unsetenv=PATH", "--workdir=/tmp", "--umask=0077"],
    "tmpfs on /run": ["--tmpfs=/run"],
    "systemd's mounts": ["--systemd=always", "--tmpfs=/run:rw,mode=755"],
    "limits": ["--ulimit=nofile=200:300", "--ulimit=nproc=100:200", "--oom-score-adj=500", "--shm-size=1m",
               "--sysctl=net.ipv4.ip_forward=1"],
    "no entry in seccomp": ["--security-opt=seccomp=unconfined", "--security-opt=mask=/proc/version"],
    "annotations": ["--annotation=a=b", "--annotation=run.oci.keep_original_groups=1"],
    "device": ["--device=/dev/null:/dev/other"],
    "entry point": ["--entrypoint=/probe"],
}
# Long ones, whose parts others show untraced as well.
IN_PAIRS = {"errors", "pod", "play_kube", "build", "build_content"}
# It has no cgroup of its own, so there is nothing to scope by.
UNTRACED = {"no cgroups"}
# What nobody but root's containers may have, or what is another thing there; the bundles and the rootless ones have shown the
# rest. Podman's root has no subordinate ids here, and --cgroups=split wants cgroup v2 (tests/vm has that).
ROOTFUL_OPTIONS = ["plain", "init", "read-only", "privileged", "host's processes", "host's network", "user", "uidmap",
                   "no cgroups", "conmon outside", "host's cgroup namespace", "tmpfs on /run", "limits"]


@pytest.mark.parametrize("name", ROOTFUL_OPTIONS if ROOTFUL else OPTIONS)
def test_run(image, name):
    def run(t):
        command = [] if "--entrypoint=/probe" in OPTIONS[name] else ["/probe", "argument"]
        words = [word for word in RUN if word != "--network=none" or "--network=host" not in OPTIONS[name]]
        t.podman(*words, *OPTIONS[name], "twin", *command, check=0)
        t.untraced = name in UNTRACED

    twin.play(twin.Scenario(run, 1, rootless=True, rootful=True), podmans=True)


@scenario(only="rootless")  # Podman wants cgroup v2 for it, which root has in the virtual machines
def cgroup_split_with_podman(t):
    """Podman divides the cgroup that it is in, so it gets one of its own."""
    t.shell("mkdir /sys/fs/cgroup/split; echo $$ >/sys/fs/cgroup/split/cgroup.procs; "
            "podman run $LOGGED --rm --network=none --hostname=h --cgroups=split twin /probe", check=0)


@scenario()
def volume_at_run(t):
    (t.box / "volume").mkdir()
    t.podman(*RUN, "-v", f"{t.box}/volume:/run", "twin", "sh", "-c", "echo x >/run/file; /probe")
    t.note_file("volume/file")


@scenario()
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


@scenario()
def preserved_descriptors(t):
    t.shell("podman run $LOGGED --rm --network=none --preserve-fds 2 twin /probe 3</dev/null 4</dev/zero")


@scenario()
def run_on_a_terminal(t):
    t.podman_on_terminal(*RUN, "-it", "twin", "/probe")


@scenario(sessions=None)
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
    t.podman("container", "checkpoint", "twin")
    t.podman("kill", "twin", "--signal=NOSUCH")
    t.podman("stop", "-t", "30", "twin")
    t.podman("wait", "twin")
    code, _ = t.podman("restart", "-t", "0", "twin")  # from 5 on with limits that an update could not set
    t.sessions = 1 if code else 2
    if code == 0:  # who is killed before his program begins leaves no trail
        until(lambda: t.podman("logs", "twin", quiet=True)[1].count("ready") == 2, "it is ready again")
    t.podman("rm", "-f", "-t", "0", "twin")
    t.podman("ps", "-a")


@scenario()
def attached(t):
    t.podman("create", "--name=twin", "-i", "--network=none", "twin", "sh", "-c", "cat; exit 5")
    t.podman("start", "-ai", "twin", stdin=b"to the container\n")
    t.podman("diff", "twin")
    t.podman("rm", "twin")


# Podman tells who is executed the window's size (SIGWINCH) before or after he listens to signals.
RESIZED = r"(?m:^signal 28\r?\n)"
CTRL_C, CTRL_Q, CTRL_BACKSLASH = b"\x03", b"\x11", b"\x1c"


TALKER = """
trap 'echo interrupted' INT
trap 'echo quit; exit 3' QUIT
read line; echo "got $line"
read line; echo "got $line"
while :; do read -t 1 line; done
"""


@scenario()
def attached_on_a_terminal(t):
    """Twice: left by Podman's key, and stayed with until the end."""
    if b"version 4" in subprocess.run(["podman", "--version"], check=True, capture_output=True).stdout:
        # It has whom it attaches to redraw, by SIGWINCH, and complains if he is gone by then.
        t.podman("run", "-dt", "--name=twin", "--network=none", "twin", "/probe", "wait")
        until(lambda: "ready" in t.podman("logs", "twin", quiet=True)[1], "it is ready")
        answers = [(b"signal 28", CTRL_Q)], [(b"signal 28", CTRL_C), (b"signal 2\r", CTRL_BACKSLASH)]
    else:
        # What is typed before Podman reads waits for it.
        t.podman("run", "-dt", "--name=twin", "--network=none", "twin", "sh", "-c", TALKER)
        answers = ([(b"", b"one\n"), (b"got one", CTRL_Q)],
                   [(b"", b"two\n"), (b"got two", CTRL_C), (b"interrupted", CTRL_BACKSLASH)])
    t.podman_on_terminal("attach", "--detach-keys=ctrl-q", "twin", answers=answers[0])
    t.podman_on_terminal("attach", "twin", answers=answers[1])
    t.podman("rm", "twin")


@scenario()
def executed_on_a_terminal(t):
    """The keyboard's signals reach it."""
    t.podman("run", "-d", "--name=twin", "--network=none", "twin", "sleep", "1000")
    t.podman_on_terminal("exec", "-it", "twin", "/probe", "wait", answers=[(b"ready", CTRL_C), (b"signal 2\r", CTRL_BACKSLASH)],
                         by_chance=RESIZED)
    t.podman("rm", "-f", "-t", "0", "twin")


@scenario()
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


@scenario(sessions=2, only=None if twin.SYSTEMD else "rootless")  # podman 4.3 asks for limits that root may not set here
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


def notified(t, who, command):
    """What comes to NOTIFY_SOCKET until Podman has said that it is ready."""
    heard = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(t.box / "notify"))
        listener.settimeout(30 * PATIENCE)

        def listen():
            while not any(line.startswith("READY") for line in heard):
                heard.extend(listener.recv(4096).decode().split())

        listening = threading.Thread(target=listen)
        listening.start()
        t.podman("run", "-d", "--name=twin", "--network=none", f"--sdnotify={who}", "twin", "sh", "-c", command,
                 environment={**t.environment, "NOTIFY_SOCKET": str(t.box / "notify")})
        listening.join()
    t.note("notified", {line for line in heard if not line.startswith("MAINPID")})  # which comes before it or after
    # Who is removed before his program begins leaves no trail.
    until(lambda: "begun" in t.podman("logs", "twin", quiet=True)[1], "the program begins")
    t.podman("rm", "-f", "-t", "0", "twin")


@scenario()
def ready(t):
    notified(t, "container", "/probe notify; echo begun; sleep 1000")


@scenario(only="rootless")
def ready_by_conmon(t):
    """As soon as the container runs; nobody waits for what is in it."""
    notified(t, "conmon", "echo begun; sleep 1000")


@scenario()
def under_its_own_name(t):
    t.podman(*RUN, "twin", "sh", "-c", "/probe; exit 4", runtime=t.own_name)


@scenario(sessions=0, only="rootless")
def errors_under_its_own_name(t):
    t.podman(*RUN, "twin", "/no/such/program", runtime=t.own_name)


@pytest.mark.parametrize("one", twin.scenarios_of(__name__), ids=lambda one: one.name)
def test(image, one):
    twin.play(one, podmans=True, sides=twin.PAIR if one.name in IN_PAIRS else twin.SIDES)
