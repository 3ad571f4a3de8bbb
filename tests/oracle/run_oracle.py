#!/usr/bin/python3
"""Runs programs under strace in a container that spoor traces, and compares the two.

    run_oracle.py [--keep DIR] PROGRAM… | --list
    run_oracle.py [--keep DIR] -- CMD…

Both see the same run: strace is part of the traced container. Needs an environment in which rootless
podman works and spoord answers (./dev shell); the programs come from the machine's own /usr.
"""

import argparse
import dataclasses
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import compare
import programs
import strace_parse
import trail as trails

TRACED = "%file,%process,%desc,connect,bind,sendto,sendmsg,sendmmsg"
STRACE = ["strace", "-f", "--seccomp-bpf", "-yy", "-xx", "-s", "0", "-e", f"trace={TRACED}"]


@dataclasses.dataclass
class Outcome:
    missing: set
    invented: set
    expectation: object
    found: set

    @property
    def same(self):
        return not self.missing and not self.invented and not self.expectation.unknown


class RunFailed(Exception):
    pass


def run_traced(command, workdir, out, spoorctl="spoorctl"):
    """Runs `command` in `workdir`; strace.log and the volume come into `out`."""
    log, volume = out / "strace.log", out / "volume"
    done = subprocess.run(
        [spoorctl, "run", "--json", "--volume", volume, "-w", workdir,
         # strace has to write its log where the container can: a directory bound for it alone.
         f"--podman-arg=-v={out}:{out}", "--podman-arg=--cap-add=SYS_PTRACE",
         "--podman-arg=--security-opt=seccomp=unconfined",
         "--", *STRACE, "-o", log, "--", *command],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise RunFailed(f"{command[0]} ended with {done.returncode}:\n{done.stderr.decode(errors='replace')[-4000:]}")
    trail = trails.load(volume)
    if trail.session["state"] != "finished" or not trail.session["complete"]:
        raise RunFailed(f"the trail is not complete: {trail.session['state']}, {trail.session['reasons']}")
    return log, trail


def host_links():
    """The links that the skeleton root has; on this machine they are the same."""
    return {f"/{name}": os.readlink(f"/{name}") for name in ("bin", "sbin", "lib", "lib64") if os.path.islink(f"/{name}")}


def run_program(command, workdir, out):
    log, trail = run_traced(command, workdir, out)
    with open(log, encoding="ascii") as lines:
        calls = strace_parse.parse_log(lines)
    missing, invented, expectation = compare.compare(calls, trail, workdir, host_links())
    found = trail.access_set(without=compare.tracers(trail))
    return Outcome(missing, invented, expectation, found)


def run_one(name, command, keep):
    """Prepares a directory, runs, prints. True: no difference."""
    place = Path(keep or tempfile.mkdtemp(prefix="spoor-oracle-")) / (name if keep else "")
    work, out = place / "work", place / "out"
    for directory in (work, out):
        directory.mkdir(parents=True)
    try:
        if command is None:
            command = programs.PROGRAMS[name](work)
        outcome = run_program([str(part) for part in command], work.resolve(), out.resolve())
        print(f"== {name}")
        compare.report(outcome.missing, outcome.invented, outcome.expectation, outcome.found)
        return outcome.same
    finally:
        if not keep:
            shutil.rmtree(place, ignore_errors=True)


def main():
    arguments, command = sys.argv[1:], None
    if "--" in arguments:
        at = arguments.index("--")
        arguments, command = arguments[:at], arguments[at + 1:]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", nargs="*")
    parser.add_argument("--keep", metavar="DIR", help="keep logs and volumes in DIR/PROGRAM")
    parser.add_argument("--list", action="store_true", help="name the programs")
    options = parser.parse_args(arguments)
    if options.list:
        print("\n".join(programs.PROGRAMS))
        return 0
    unknown = set(options.program) - set(programs.PROGRAMS)
    if unknown or not (options.program or command):
        parser.error(f"unknown program {', '.join(unknown)}" if unknown else "name a program, or a command after --")
    same = True
    try:
        if command:
            same = run_one("command", command, options.keep)
        for name in options.program:
            same &= run_one(name, None, options.keep)
    except (RunFailed, strace_parse.LogError) as problem:
        print(f"run_oracle.py: {problem}", file=sys.stderr)
        return 2
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
