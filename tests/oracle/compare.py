#!/usr/bin/python3
"""Compares a strace log with a spoor volume of the same run, both ways.

    compare.py --strace LOG --volume DIR [--cwd DIR] [--link NAME=TARGET]…

Prints what is missing in the trail and what was invented; exit code 0: none, 1: some, 2: the two
cannot be compared.

What is left out, and why:

* strace itself: its processes (the ones that run a program named strace, with their forked copies)
  are in spoor's trail, and strace does not log itself.
* The log file that strace writes is only touched by strace: nothing to leave out.
* Flags and times: they are no part of the comparison.
* A process whose number strace never showed and whose program is strace's: a forked copy that strace
  made to try what ptrace can do.
"""

import argparse
import sys

import expected
import strace_parse
import trail as trails

SHOWN = 40


def tracers(trail):
    """strace's own process instances. The child that becomes the program was forked by strace too,
    but has executed something else since, so its last program is not strace."""
    return trail.instances(lambda process: process["exe"].rsplit("/", 1)[-1] == "strace")


def compare(calls, trail, cwd, links=None):
    """(missing, invented, expectation)"""
    expectation = expected.Reader(cwd, expected.Files(links)).read(calls)
    found = trail.access_set(without=tracers(trail))
    missing, invented = expectation.explain(found)
    return missing, invented, expectation


def print_differences(title, accesses, out):
    print(f"{title}: {len(accesses)}", file=out)
    ordered = sorted(accesses, key=lambda access: (access.op, access.path, access))
    for access in ordered[:SHOWN]:
        print(f"  {access}", file=out)
    if len(ordered) > SHOWN:
        print(f"  … and {len(ordered) - SHOWN} more", file=out)


def report(missing, invented, expectation, found, out=sys.stdout):
    print(f"compared: {len(found)} accesses of {len(expectation.pids)} processes", file=out)
    if expectation.unknown:
        print(f"calls without a rule, not compared: {' '.join(sorted(expectation.unknown))}", file=out)
    for text in expectation.unresolved:
        print(f"not told apart: {text}", file=out)
    print_differences("missing in the trail", missing, out)
    print_differences("invented by the trail", invented, out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--strace", required=True, metavar="LOG")
    parser.add_argument("--volume", required=True, metavar="DIR")
    parser.add_argument("--cwd", default="/", metavar="DIR", help="where the program started")
    parser.add_argument("--link", action="append", default=[], metavar="NAME=TARGET",
                        help="a link of the container's root that this machine's root lacks")
    options = parser.parse_args()
    try:
        trail = trails.load(options.volume)
        with open(options.strace, encoding="ascii") as log:
            calls = strace_parse.parse_log(log)
    except (OSError, ValueError, KeyError, strace_parse.LogError) as problem:
        print(f"compare.py: {problem}", file=sys.stderr)
        return 2
    if not trail.session["complete"]:
        print(f"compare.py: the trail is not complete: {trail.session['reasons']}", file=sys.stderr)
        return 2
    links = dict(link.split("=", 1) for link in options.link)
    missing, invented, expectation = compare(calls, trail, options.cwd, links)
    report(missing, invented, expectation, trail.access_set(without=tracers(trail)))
    return 1 if missing or invented or expectation.unknown else 0


if __name__ == "__main__":
    sys.exit(main())
