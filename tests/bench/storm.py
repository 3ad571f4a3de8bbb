#!/usr/bin/python3
"""fs_storm in a traced rootless container: 1,000,000 opens of 100,000 files by 4 processes, then 10,000
forks in bursts. The trail must be complete, the ring at most 4 MiB, the recorder at most 64 MiB.

Runs inside `./dev shell`. Exit status 1 if a limit is broken or a file is missing in the trail.

Usage: storm.py [--opens N] [--files N] [--forks N]
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

PROGRAMS = pathlib.Path("/run/spoor-dev/programs")
PROCESSES = 4
RING_LIMIT = 4 << 20
RECORDER_LIMIT_KIB = 64 << 10


def run(runtime, image, data, volume, command):
    annotation = ["--annotation", f"io.spoor.volume={volume}"] if runtime == "spoor" else []
    done = subprocess.run(["podman", "--runtime", runtime, "run", "--rm", "--network=none", "-v", f"{data}:/data",
                           *annotation, image, "/timed", "/data/cpu", *command], check=True, capture_output=True)
    return json.loads(done.stdout), int((data / "cpu").read_text()) / 1e6


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--opens", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--forks", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch_name:
        scratch = pathlib.Path(scratch_name)
        image, data, volume = scratch / "image", scratch / "data", scratch / "trail"
        for directory in (image, data, volume):
            directory.mkdir()
        for program in ("fs_storm", "timed"):
            shutil.copy(PROGRAMS / program, image)
        tar = subprocess.run(["tar", "-C", image, "-c", "."], check=True, capture_output=True)
        subprocess.run(["podman", "import", "-q", "-", "storm"], input=tar.stdout, check=True, capture_output=True)
        command = ["/fs_storm", "/data", PROCESSES, options.opens // PROCESSES, options.files, options.forks]
        command = [str(word) for word in command]
        run("crun", "storm", data, volume, command)  # makes the files
        _, plain = run("crun", "storm", data, volume, command)
        _, traced = run("spoor", "storm", data, volume, command)

        trace = volume / "trace"
        session = json.loads((trace / "session.json").read_text())
        read = {}
        with open(trace / "accesses.jsonl") as lines:
            for line in lines:
                row = json.loads(line)
                if row["op"] == "read" and row["path"].startswith("/data/d"):
                    read.setdefault(row["pid"], set()).add(row["path"])
        with open(trace / "processes.jsonl") as lines:
            processes = sum(1 for _ in lines)

    recorder = session["recorder"]
    print(f"CPU: plain {plain:.2f} s, traced {traced:.2f} s, ratio {traced / plain:.2f}; "
          f"recorder {recorder['cpuMs'] / 1e3:.2f} s, peak {recorder['peakRssKiB']} KiB")
    print(f"events {session['counters']['events']}, rows {session['counters']['accesses']}, lost {session['lost']} "
          f"{session['lostByCause']}, ring {session['ringBytes']} bytes, processes {processes}")
    problems = []
    if not session["complete"] or session["lost"]:
        problems.append(f"not complete: {session['reasons']}")
    if session["ringBytes"] > RING_LIMIT:
        problems.append("the ring grew past 4 MiB")
    if recorder["peakRssKiB"] > RECORDER_LIMIT_KIB:
        problems.append("the recorder grew past 64 MiB")
    expected = min(options.files, options.opens // PROCESSES)
    if sorted(len(paths) for paths in read.values()) != [expected] * PROCESSES:
        problems.append(f"read by each process: {[len(paths) for paths in read.values()]}, expected {expected}")
    # The storm, its four openers and its forks; `timed` around them.
    if processes != 2 + PROCESSES + options.forks:
        problems.append(f"{processes} processes, expected {2 + PROCESSES + options.forks}")
    for problem in problems:
        print("FAILED: " + problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
