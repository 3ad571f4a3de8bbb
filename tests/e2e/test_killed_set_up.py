"""kill -9 of either half of a start, spoor that becomes crun and spoor-runtime that sets up tracing beside it, between any
two steps: there is a container that is traced, or none, and nothing is left that the next one's end does not remove."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from harness import BIN, STATE_ROOT, execute, processes, session_of, tree, until
from test_killed_shim import age, bundle

STEP = re.compile(r"^(\w+)\(", re.MULTILINE)
NAME = "halved"
# A container that says nothing, and one as most CI jobs have: (annotations, volume)
ASKED = STATE_ROOT / "asked"
CONTAINERS = {"silent": (None, STATE_ROOT / "volumes" / NAME),
              "annotated": ({"io.spoor.volume": str(ASKED), "io.spoor.mode": "warn", "io.spoor.mount": "/run/trail"}, ASKED)}
# Beside a spoor of the test's own, and so what it starts.
SPOOR_RUNTIME = """#!/bin/sh
read -r call number what < {place}/plan
[ -z "$call" ] || inject="-e inject=$call:$what:when=$number"
exec strace -o {place}/log $inject {bin}/spoor-runtime "$@"
"""


def spread(calls, most):
    """At most so many of them, as (call, how many of its name by then)."""
    seen, steps = {}, []
    for call in calls:
        seen[call] = seen.get(call, 0) + 1
        steps.append((call, seen[call]))
    return steps[:: -(-len(steps) // most)]


class Start:
    def __init__(self, place, annotations, volume):
        self.place, self.volume = place, volume
        self.log = place / "log"
        # Without settings that only spoor-runtime can judge. Not the machine's speed is tested.
        (place / "spoor.yaml").write_text("setup_deadline: 60s\n")
        self.environment = {**os.environ, "XDG_CONFIG_HOME": str(place / "none"), "SPOOR_CONFIG": str(place / "spoor.yaml")}
        bundle(place, annotations)
        self.spoor = place / "spoor"
        shutil.copy(BIN / "spoor", self.spoor)
        (place / "spoor-runtime").write_text(SPOOR_RUNTIME.format(place=place, bin=BIN))
        (place / "spoor-runtime").chmod(0o755)
        self.plan()
        # Makes the directories that a first container finds missing.
        assert self.create(BIN / "spoor").wait(60) == 0, self.errors()
        self.end()

    def plan(self, call="", number="", what=""):
        (self.place / "plan").write_text(f"{call} {number} {what}\n")
        self.log.unlink(missing_ok=True)

    def create(self, *program):
        with open(self.place / "errors", "wb") as errors:
            return subprocess.Popen([*map(str, program), "create", "--bundle", self.place, NAME], stdin=subprocess.DEVNULL,
                                    stdout=errors, stderr=errors, env=self.environment)

    def errors(self):
        return (self.place / "errors").read_text()

    def calls(self):
        return STEP.findall(self.log.read_text()) if self.log.exists() else []

    def end(self):
        """What a manager does; then nothing of spoor's runs."""
        done = execute(["crun", "delete", "-f", NAME])
        assert done.code == 0, done
        until(lambda: not processes("spoor", "strace"), lambda: f"all of spoor's end: {processes('spoor', 'strace')}")
        shutil.rmtree(self.volume, ignore_errors=True)

    def is_traced_or_none(self, code):
        if code == 0:
            assert session_of(self.volume).get("state") == "tracing", (self.errors(), session_of(self.volume))
        else:
            assert execute(["crun", "state", NAME]).code != 0


def containers_in_the_making():
    """Those of crun's processes that are not a container's first: one makes the container, one waits for that, and only the
    latter is known to the manager. The other goes on when it is killed."""
    crun = [process.rpartition("[")[2].rstrip("]") for process in processes("crun")]
    namespaces = [re.search(r"^NSpid:(.*)", text_of(f"/proc/{pid}/status"), re.MULTILINE) for pid in crun]
    return [pid for pid, found in zip(crun, namespaces) if found and len(found[1].split()) == 1]


def text_of(process):
    try:
        return Path(process).read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def end_of_another_container():
    for directory in ("containers", "volumes"):
        age(STATE_ROOT / directory)
    done = execute([BIN / "spoor", "hook", "poststop", "--state", STATE_ROOT / "containers" / "other"], input="{}")
    assert done.code == 0, done


@pytest.fixture
def start(request, tmp_path, footprint):
    yield Start(tmp_path, *CONTAINERS[request.param])
    end_of_another_container()
    footprint.is_clean()


@pytest.mark.parametrize("start", CONTAINERS, indirect=True)
def test_the_set_up_is_killed(start):
    assert start.create(start.spoor).wait(60) == 0, start.errors()
    steps = spread(start.calls()[1:], 30)
    assert len(steps) > 20, start.calls()
    start.end()
    failed = []
    for call, number in steps:
        start.plan(call, number, "signal=KILL")
        code = start.create(start.spoor).wait(60)
        start.is_traced_or_none(code)
        if code:
            assert "loading config.json" in start.errors(), (call, number, start.errors())  # crun's words
            failed.append((call, number))
        start.end()
        end_of_another_container()
    # It may have done its part by then.
    assert len(failed) > len(steps) / 2, failed


FULL_DISK = {"openat", "mkdir", "mkdirat", "write", "pwrite64", "pipe2", "rename", "renameat", "renameat2", "fchmod"}


@pytest.mark.parametrize("start", CONTAINERS, indirect=True)
def test_the_set_up_fails(start):
    """Where tracing is not possible the container runs without, as its volume tells; what forbids its start the caller is told."""
    assert start.create(start.spoor).wait(60) == 0, start.errors()
    steps = [step for step in spread(start.calls(), 1000) if step[0] in FULL_DISK]
    start.end()
    outcomes = set()
    for call, number in steps[:: -(-len(steps) // 24)]:
        start.plan(call, number, "error=ENOSPC")
        code = start.create(start.spoor).wait(60)
        if code:
            outcomes.add("refused")
            start.is_traced_or_none(code)
            assert re.search(r"spoor: .*No space left|loading shared libraries", start.errors()), (call, number, start.errors())
        else:
            outcomes.add(session_of(start.volume).get("state"))
        start.end()
        end_of_another_container()
    # None: not even a volume could be had for one that runs untraced.
    assert {"refused", "tracing", "untraced"} <= outcomes <= {"refused", "tracing", "untraced", None}, outcomes


@pytest.mark.parametrize("start", ["silent"], indirect=True)
def test_the_runtime_is_killed_beside_it(start):
    assert start.create(start.spoor).wait(60) == 0, start.errors()
    steps = spread([call for call in start.calls()[1:] if call != "exit_group"], 12)
    start.end()
    for call, number in steps:
        start.plan(call, number, "signal=STOP")
        process = start.create(start.spoor)
        until(lambda: start.log.exists() and "--- stopped by SIGSTOP ---" in start.log.read_text(),
              lambda: f"it stands still at {call}, {number}")
        [stopped] = processes("spoor-runtime")
        process.kill()
        process.wait(60)
        os.kill(int(stopped.rpartition("[")[2].rstrip("]")), signal.SIGCONT)
        until(lambda: not containers_in_the_making(), "crun has made the container, or has given up")
        start.end()
        end_of_another_container()  # or the next one is set up as a namesake, by spoor-runtime alone


@pytest.mark.parametrize("start", ["annotated"], indirect=True)
def test_spoor_is_killed_before_it_is_the_runtime(start):
    assert start.create("strace", "-o", start.log, BIN / "spoor").wait(60) == 0, start.errors()
    own = start.log.read_text().split('\nexecve("/usr/bin/crun"')[0]
    assert '"set-up"' not in own and "--config" not in own, own  # which is the other half's, and crun's
    steps = spread(STEP.findall(own)[1:], 40)
    assert {"mkdir", "clone"} <= {call for call, _ in steps}, steps
    start.end()
    left_something = 0
    for call, number in steps:
        code = start.create("strace", "-o", start.log, "-e", f"inject={call}:signal=KILL:when={number}", BIN / "spoor").wait(60)
        assert code != 0, (call, number)
        start.end()
        left_something += bool(tree(STATE_ROOT / "containers"))
        end_of_another_container()
    assert left_something, "no step was hit"
