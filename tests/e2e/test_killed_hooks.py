"""kill -9 of spoor's hooks between any two of their steps: of the one that holds the container's start until it
is traced, and of the one that waits for the trail's end.

A runtime named crun stands between spoor and crun. It puts strace before the hook that is to be killed.
"""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from harness import BIN, STATE_ROOT, execute, of_each_process, until
from test_killed_shim import CALL, age, bundle, no_recorder_is_left

CRUN = """#!/usr/bin/python3
import os, re, sys
place = os.path.dirname(sys.argv[0])
arguments = sys.argv[1:]
if "--config" in arguments:
    config = arguments[arguments.index("--config") + 1]
    text = open(config).read()
    with open(config, "w") as file:
        file.write(re.sub(r'"path":"[^"]*/bin/spoor"', '"path":"' + place + '/hook"', text))
os.execv("/usr/bin/crun", ["/usr/bin/crun", *arguments])
"""
HOOK = """#!/bin/sh
cd ${0%/*}
read -r victim call number < plan
if [ "$2" != "$victim" ]; then exec /run/spoor-dev/bin/spoor "$@"; fi
if [ -n "$call" ]; then inject="-e inject=$call:signal=KILL:when=$number"; fi
exec strace -o log $inject /run/spoor-dev/bin/spoor "$@"
"""
STEPS_MAX = 20  # evenly spread over all
NAME = "hooked"
POLL = "7"  # x86-64's number of poll(2)


def hook_waits():
    """Whether a hook that strace follows waits for the recorder's answer."""
    for status in of_each_process("status"):
        try:
            process = status.parent
            parent = next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("PPid:"))
            if parent != "0" and Path("/proc", parent, "comm").read_text() == "strace\n" and (process / "syscall").read_text().split()[0] == POLL:
                return True
        except (FileNotFoundError, ProcessLookupError, PermissionError):  # it has ended, or is another user's
            pass
    return False


class Runtime:
    def __init__(self, place):
        self.place = place
        self.hits = 0
        for name, text in (("crun", CRUN), ("hook", HOOK)):
            (place / name).write_text(text)
            (place / name).chmod(0o755)
        (place / "spoor.yaml").write_text(f"runtime: {place}/crun\n")

    def start(self, *arguments):
        """A created container keeps what it has for an output."""
        with open(self.place / "errors", "wb") as errors:
            return subprocess.Popen([BIN / "spoor", *arguments], stdin=subprocess.DEVNULL, stdout=errors, stderr=errors,
                                    env={**os.environ, "SPOOR_CONFIG": str(self.place / "spoor.yaml")})

    def spoor(self, *arguments):
        """Its exit code."""
        return self.start(*arguments).wait(timeout=60)

    def delete_before_the_recorder_ends(self, recorder):
        """It sees that the container is gone, and may be done before the hook looks, which then has less to do."""
        os.kill(recorder, signal.SIGSTOP)
        try:
            delete = self.start("delete", "-f", NAME)
            until(lambda: delete.poll() is not None or hook_waits(), "the hook has asked the recorder, or has ended")
        finally:
            os.kill(recorder, signal.SIGCONT)
        delete.wait(timeout=60)

    def was_killed(self):
        log = self.place / "log"
        return log.exists() and "+++ killed by SIGKILL +++" in log.read_text()

    def life(self, victim, call="", number="", recorder_dies=False):
        """A container from its creation to its deletion with one of the hooks killed; the system calls that hook made."""
        (self.place / "plan").write_text(f"{victim} {call} {number}\n")
        (self.place / "log").unlink(missing_ok=True)
        created = self.spoor("create", "--bundle", self.place, NAME)
        # A hook that finds the recorder listening makes fewer calls than one that waits for it.
        assert (created == 0) == (not self.was_killed()), (self.place / "errors").read_text()
        recorder = created == 0 and int((STATE_ROOT / "containers" / NAME / "recorder").read_text().split()[0])
        if recorder_dies:
            os.kill(recorder, signal.SIGKILL)
        if victim == "poststop" and not recorder_dies:
            self.delete_before_the_recorder_ends(recorder)
        else:
            self.spoor("delete", "-f", NAME)
        # What the manager of containers does next; the hook is a whole one now.
        (self.place / "plan").write_text("nobody\n")
        self.spoor("delete", "-f", NAME)
        log = (self.place / "log").read_text()
        self.hits += self.was_killed()
        return [match[1] for match in map(CALL.match, log.splitlines()) if match]


def numbered(calls):
    """Each as (call, how many of its name by then), without the execve that began it."""
    seen, steps = {}, []
    for call in calls[1:]:
        seen[call] = seen.get(call, 0) + 1
        steps.append((call, seen[call]))
    return steps


def end_of_another_container():
    """A minute later."""
    age(STATE_ROOT / "containers")
    done = execute([BIN / "spoor", "hook", "poststop", "--state", STATE_ROOT / "containers" / "other"], input="{}")
    assert done.code == 0, done


def sessions():
    """What the trails of spoor's own volumes say; those that were begun."""
    return [json.loads(file.read_text()) for file in STATE_ROOT.glob("volumes/*/trace/session.json")]


@pytest.mark.parametrize(("victim", "recorder_dies"), [("create-runtime", False), ("poststop", False), ("poststop", True)])
def test_no_step_leaks(tmp_path, footprint, victim, recorder_dies):
    bundle(tmp_path)
    runtime = Runtime(tmp_path)
    steps = [step for step in numbered(runtime.life(victim, recorder_dies=recorder_dies)) if step[0] != "exit_group"]
    assert len(steps) > 4, steps
    chosen = steps[:: -(-len(steps) // STEPS_MAX)]
    for call, number in chosen:
        runtime.life(victim, call, number, recorder_dies)
        no_recorder_is_left((call, number))
        end_of_another_container()
        for session in sessions():
            assert session["state"] != "tracing", (call, number, session)
            assert not recorder_dies or (session["state"], session["complete"]) == ("degraded", False) and session["reasons"], session
    # How often the hook that waits for the start looks whether the recorder listens by now is not told.
    assert runtime.hits == len(chosen) or (victim == "create-runtime" and runtime.hits > len(chosen) / 2), (runtime.hits, chosen)
    shutil.rmtree(STATE_ROOT / "volumes", ignore_errors=True)  # of containers that were created: they are kept
    footprint.is_clean()
