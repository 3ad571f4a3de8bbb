#!/usr/bin/python3
"""Sums a trail up and fails unless it is a finished, complete one.

    check_trail.py VOLUME [--least-read N]
"""

import argparse
import collections
import json
import sys
from pathlib import Path


def lines_of(path):
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return [json.loads(line) for line in file]


def parts_of(trace, name):
    """Rotated parts first: NAME.1 is the oldest."""
    numbered = [path for path in trace.glob(name + ".*") if path.suffix[1:].isdigit()]
    return sorted(numbered, key=lambda path: int(path.suffix[1:])) + [trace / name]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("volume", type=Path)
    parser.add_argument("--least-read", type=int, default=0, metavar="N")
    options = parser.parse_args()
    trace = options.volume / "trace"

    session = json.loads((trace / "session.json").read_text())
    processes = lines_of(trace / "processes.jsonl")
    paths = collections.defaultdict(set)
    for part in parts_of(trace, "accesses.jsonl"):
        for row in lines_of(part):
            paths[row["op"]].add(json.dumps(row["path"]))
    written = paths["write"] | paths["create"] | paths["truncate"]

    print(f"  state      {session['state']}")
    print(f"  complete   {str(session['complete']).lower()}")
    print(f"  lost       {session['lost']}")
    print(f"  processes  {len(processes)}")
    print(f"  read       {len(paths['read'])} files")
    print(f"  written    {len(written)} files")
    print(f"  absent     {len(paths['absent'])} paths looked for and not there")

    wrong = []
    if session["state"] != "finished":
        wrong.append(f"state is {session['state']}, not finished")
    if session["complete"] is not True:
        wrong.append("the trail is not complete")
    if session["lost"] != 0:
        wrong.append(f"{session['lost']} records lost: {session.get('lostByCause')}")
    if len(paths["read"]) < options.least_read:
        wrong.append(f"{len(paths['read'])} files read, expected at least {options.least_read}")
    for text in wrong + (session.get("reasons", []) if wrong else []):
        print(f"check_trail: {text}", file=sys.stderr)
    return 1 if wrong else 0


sys.exit(main())
