#!/usr/bin/python3
"""Builds in traced containers while spoord or the recorder is killed, and holds the trail to strace.

    fault_loop.py [COUNT]        COUNT builds for each of the two, each with one kill -9 at a random moment

Every session has to end. One that says that it is complete has to have everything that strace saw, and one
whose spoord was killed while it was tracing has to be complete, unless the container ended meanwhile and the next spoord did
not come for as long as the recorder may wait then. SPOOR_SEED repeats a run's moments.

Runs inside ./dev shell, rootless.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import compare
import programs
import run_oracle
import strace_parse
import trail as trails

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import settings  # noqa: E402

RUN = Path("/run/spoor-dev")
STATE = Path(os.environ["XDG_RUNTIME_DIR"]) / "spoor" / "containers"
BUILD_S = 120
END_S = 30
SETTLE_S = 8  # shim/recorder/session_environment.h

BUILD = """set -e
mkdir -p out
for unit in src/unit0.c src/main.c; do gcc -Wall -O1 -Iinclude -c $unit -o out/$(basename $unit .c).o; done
ar rcs out/libunits.a out/unit0.o
mv out/libunits.a out/libother.a
rm out/unit0.o
"""


class Failed(Exception):
    pass


def until(condition, what, seconds=END_S):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Failed(f"not within {seconds} s: {what}")
        time.sleep(0.01)


def session_of(volume):
    """As it is now; {} if there is none yet. (The lines of a recorder that was killed may end in half a one.)"""
    try:
        return json.loads((volume / "trace/session.json").read_text())
    except (FileNotFoundError, ValueError):
        return {}


def kill_broker():
    with open(RUN / "kill-spoord", "wb") as orders:
        orders.write(b"x")


def recorders():
    found = []
    for comm in (Path("/proc", pid, "comm") for pid in os.listdir("/proc") if pid.isdigit()):
        try:
            # Of this environment: another one's can be seen, too, but not below our cgroup.
            ours = "/.." not in (comm.parent / "cgroup").read_text().splitlines()[-1]
            if ours and comm.read_text() == "spoor-recorder\n" and comm.stat().st_uid == os.getuid():
                found.append(int(comm.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def kill_recorder():
    for pid in recorders():
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself
            os.kill(pid, signal.SIGKILL)


def is_tracing(volume):
    return session_of(volume).get("state") == "tracing"


def gave_up_on_the_next(session, log, volume):
    """Between the last that strace wrote and the session's end all the time had passed that there is for it."""
    waited = (volume / "trace/session.json").stat().st_mtime - log.stat().st_mtime
    said = ("the broker went away", "the session could not be resumed: ")
    return all(reason.startswith(said) for reason in session["reasons"]) and waited >= SETTLE_S


def begin(place):
    work, out = (place / "work").resolve(), (place / "out").resolve()
    work.mkdir(parents=True)
    out.mkdir()
    programs.gcc(work)
    (work / "build.sh").write_text(BUILD)
    log, volume = out / "strace.log", out / "volume"
    process = subprocess.Popen(
        ["spoorctl", "run", "--json", "--volume", volume, "-w", work, f"--podman-arg=-v={out}:{out}",
         "--podman-arg=--cap-add=SYS_PTRACE", "--podman-arg=--security-opt=seccomp=unconfined", "--",
         *run_oracle.STRACE, "-o", log, "--", "/bin/sh", "build.sh"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return process, work, log, volume


def end(process):
    try:
        _, errors = process.communicate(timeout=BUILD_S)
    except subprocess.TimeoutExpired:
        process.kill()
        raise Failed("the container hangs") from None
    return process.returncode, errors.decode(errors="replace")


def missing(work, log, volume):
    with open(log, encoding="ascii") as lines:
        calls = strace_parse.parse_log(lines)
    return compare.compare(calls, trails.load(volume), work, run_oracle.host_links())[0]


def one(kill=None, delay=0.0, after_the_start=False):
    """What became of the session: "complete" or its reasons. The delay counts from when tracing has begun,
    or from before the container is made."""
    place = Path(tempfile.mkdtemp(prefix="spoor-faults-"))
    try:
        process, work, log, volume = begin(place)
        if after_the_start:
            until(lambda: is_tracing(volume) or process.poll() is not None, "tracing begins")
        time.sleep(delay)  # the moment of the fault
        tracing = is_tracing(volume)
        if kill:
            kill()
        code, errors = end(process)
        if not (work / "out/libother.a").exists():
            raise Failed(f"the build was disturbed: {code}\n{errors}")
        until(lambda: session_of(volume).get("state") not in (None, "tracing"), f"the session ends: {session_of(volume)}\n{errors}")
        session = session_of(volume)
        if session["complete"]:
            absent = missing(work, log, volume)
            if absent:
                raise Failed(f"a complete trail lacks {len(absent)} accesses: {sorted(absent)[:5]}")
            return "complete"
        if not session["reasons"]:
            raise Failed(f"incomplete, and does not say why: {session}")
        if tracing and kill is kill_broker and not gave_up_on_the_next(session, log, volume):
            raise Failed(f"a running session was lost: {session['reasons']}")
        return "; ".join(session["reasons"])
    finally:
        shutil.rmtree(place, ignore_errors=True)


def undisturbed():
    """Seconds from the start of tracing to the container's end, with nothing killed."""
    place = Path(tempfile.mkdtemp(prefix="spoor-faults-"))
    try:
        process, work, log, volume = begin(place)
        until(lambda: is_tracing(volume) or process.poll() is not None, "tracing begins")
        began = time.monotonic()
        code, errors = end(process)
        lasts = time.monotonic() - began
        session = session_of(volume)
        if not session.get("complete"):
            raise Failed(f"without a fault the trail is not complete: {session}, {code}\n{errors}")
        if absent := missing(work, log, volume):
            raise Failed(f"without a fault the trail lacks {absent}")
        return lasts
    finally:
        shutil.rmtree(place, ignore_errors=True)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    seed = os.environ.get("SPOOR_SEED") or str(random.randrange(1 << 32))
    print(f"SPOOR_SEED={seed}", flush=True)
    moments = random.Random(seed)
    settings.patient()
    try:
        lasts = undisturbed()
        outcomes = {}
        for number in range(count):
            for kill in (kill_broker, kill_recorder):
                after_the_start = moments.random() < 0.8
                delay = moments.uniform(0, lasts)
                moment = f"{delay:.2f} s after {'the start of tracing' if after_the_start else 'the call'}"
                try:
                    outcome = one(kill, delay, after_the_start)
                except Failed as failure:
                    raise Failed(f"{kill.__name__} {moment}: {failure}") from failure
                outcomes.setdefault((kill.__name__, outcome), 0)
                outcomes[kill.__name__, outcome] += 1
                print(f"{number + 1}/{count} {kill.__name__} {moment}: {outcome}", flush=True)
        until(lambda: not recorders(), "no recorder is left")
        until(lambda: not STATE.exists() or not list(STATE.iterdir()), "no container's directory is left")
    except Failed as failure:
        print(f"fault_loop.py: {failure}", file=sys.stderr)
        return 1
    for (victim, outcome), times in sorted(outcomes.items()):
        print(f"{times:4} x {victim}: {outcome}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
