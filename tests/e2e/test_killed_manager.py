"""kill -9 of podman, of conmon and of both before and after each thing that they have the runtime do, and while the
container runs: what the next command of their user's removes is all that is left, and every trail has an end.

A runtime stands before spoor and kills: so the moment is the same each time.
"""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from harness import BIN, ROOTFUL, execute, is_inits_zombie, of_each_process, session_of, until

RUNTIME = """#!/usr/bin/python3 -B
import os, subprocess, sys
sys.path.insert(0, "/run/spoor-dev/source/tests/e2e")
spoor = "/run/spoor-dev/bin/spoor"
plan = open(os.path.dirname(sys.argv[0]) + "/plan").read().split()
verbs = [word for word in sys.argv[1:] if word in ("create", "start", "delete", "kill", "state")]
if not plan or verbs[:1] != plan[:1]:
    os.execv(spoor, [spoor, *sys.argv[1:]])
_, when, *victims = plan
from test_killed_manager import kill_all
def kill():
    open(os.path.dirname(sys.argv[0]) + "/killed", "w")
    kill_all(victims)  # this process ends with conmon, too, if that has started it
if when == "before":
    kill()
    os.execv(spoor, [spoor, *sys.argv[1:]])
code = subprocess.call([spoor, *sys.argv[1:]])
kill()
sys.exit(code)
"""
STEPS = [(verb, when) for verb in ("create", "start", "delete") for when in ("before", "after")]
VICTIMS = {"podman": ["podman"], "conmon": ["conmon"], "both": ["podman", "conmon"]}


def alive(names):
    """Those of this environment; without podman's pause process, which holds the user's namespaces."""
    for comm in of_each_process("comm"):
        process = comm.parent
        try:
            if (comm.read_text().strip() in names and "/.." not in (process / "cgroup").read_text().splitlines()[-1]
                    and not is_inits_zombie(process) and b"pause" not in (process / "cmdline").read_bytes()):
                yield int(process.name)
        except (FileNotFoundError, ProcessLookupError):
            pass


def kill_all(names):
    for pid in alive(names):
        os.kill(pid, signal.SIGKILL)


def runtime_states():
    """Containers that crun knows."""
    root = Path(os.environ["XDG_RUNTIME_DIR"] or "/run") / "crun"
    return [path.name for path in root.iterdir()] if root.exists() else []


@pytest.fixture
def runtime(tmp_path):
    (tmp_path / "spoor").write_text(RUNTIME)
    (tmp_path / "spoor").chmod(0o755)
    (tmp_path / "plan").write_text("")
    return tmp_path


def start(podman, runtime, volume, name):
    """podman run, at work."""
    return subprocess.Popen(["podman", "--runtime", runtime / "spoor", "run", "--network=none", "--annotation",
                             f"io.spoor.volume={volume}", "--name", name, "busybox", "sh", "-c", "echo ready; cat /bin/sh > /dev/null; exec sleep 600"],
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def is_ready(podman, name):
    """By the log: on a busy machine podman does not get all that conmon has read."""
    until(lambda: "ready" in podman("logs", name).out, "the container is ready")


def clean_up(podman, runtime, name):
    """What the user does next; and who finds that podman does not know the container any more asks the runtime."""
    (runtime / "plan").write_text("")

    def removed():
        podman("rm", "-f", "-t", "0", name, runtime=str(runtime / "spoor"))
        for container in runtime_states():
            execute([BIN / "spoor", "delete", "-f", container])
        return not podman("ps", "-a", "-q", "--filter", f"name={name}").out and not runtime_states()

    # What the killed one was in the middle of may go on, and podman then asks to be asked again.
    until(removed, lambda: podman("rm", "-f", "-t", "0", name, runtime=str(runtime / "spoor")))


def check(volume, footprint):
    def over():
        return session_of(volume).get("state") not in ("tracing",)

    until(over, lambda: f"the session ends: {session_of(volume)}")
    session = session_of(volume)
    assert not session or session["complete"] or session["reasons"], session
    footprint.is_clean()


if not ROOTFUL:  # what is killed is found by the environment's own cgroup

    @pytest.mark.parametrize(("verb", "when"), STEPS)
    def test_killed_around_a_step(podman, runtime, volume, footprint, verb, when):
        name = f"killed-{os.getpid()}"
        (runtime / "plan").write_text(f"{verb} {when} podman conmon")
        process = start(podman, runtime, volume, name)
        try:
            if verb == "delete":
                is_ready(podman, name)
                podman("rm", "-f", "-t", "0", name, runtime=str(runtime / "spoor"))
            until((runtime / "killed").exists, "the step comes")
            assert process.wait(60) == -signal.SIGKILL
        finally:
            clean_up(podman, runtime, name)
            process.kill()
            process.wait()
        check(volume, footprint)

    @pytest.mark.parametrize("victims", VICTIMS.values(), ids=VICTIMS)
    def test_killed_while_the_container_runs(podman, runtime, volume, footprint, victims):
        name = f"killed-{os.getpid()}"
        process = start(podman, runtime, volume, name)
        try:
            is_ready(podman, name)
            kill_all(victims)
            assert session_of(volume)["state"] == "tracing"
        finally:
            clean_up(podman, runtime, name)
            process.kill()
            process.wait()
        check(volume, footprint)
        session = session_of(volume)
        assert (session["state"], session["complete"], session["lost"]) == ("finished", True, 0), session
