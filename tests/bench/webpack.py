#!/usr/bin/python3
"""A webpack production build with spoor and with crun, in turn, in the same rootless container set-up.

Runs inside `./dev shell --project examples/webpack` (./dev bench webpack does that), after `npm ci`.
Prints processor time (the build's and, for spoor, the recorder's as well) and wall time of each pair, and
the medians of the ratios. With --limit R the exit status is 1 if the median of the CPU ratio is above R.

Usage: webpack.py [--runs N] [--limit R] [--timed PROGRAM]
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

BIN = pathlib.Path("/run/spoor-dev/bin")


def skeleton(directory):
    """The host's own /usr as an image: what spoorctl run does."""
    for name in ("etc", "usr", "dev", "proc", "sys", "run", "tmp", "var", "home", "root", "opt"):
        (directory / name).mkdir()
    for name in ("bin", "sbin", "lib", "lib64"):
        (directory / name).symlink_to("usr/" + name)


class Setup:
    def __init__(self, scratch, timed):
        self.root = scratch / "root"
        self.root.mkdir()
        skeleton(self.root)
        self.work = pathlib.Path.cwd()
        self.volume = scratch / "trail"
        self.volume.mkdir()
        self.timed = scratch / "timed"
        shutil.copy(timed, self.timed)
        self.cpu_file = self.work / ".cpu-us"

    def run(self, runtime):
        command = ["podman", "--runtime", runtime, "run", "--rm", "--network=none", "--pids-limit=-1"]
        for directory in ("/usr", "/etc", "/opt"):
            command += ["-v", f"{directory}:{directory}:ro"]
        command += ["-v", f"{self.work}:{self.work}", "-w", str(self.work), "-v", f"{self.timed}:/tmp/timed:ro",
                    "--env", f"PATH={os.environ['PATH']}", "--env", "HOME=/tmp"]
        if runtime == "spoor":
            command += ["--annotation", f"io.spoor.volume={self.volume}"]
        command += ["--rootfs", f"{self.root}:O", "/tmp/timed", str(self.cpu_file), "npm", "run", "build"]
        shutil.rmtree(self.work / "dist", ignore_errors=True)
        began = time.monotonic()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wall = time.monotonic() - began
        cpu = int(self.cpu_file.read_text()) / 1e6
        recorder = 0.0
        if runtime == "spoor":
            session = json.loads((self.volume / "trace/session.json").read_text())
            assert session["state"] == "finished" and session["complete"], session
            recorder = session["recorder"]["cpuMs"] / 1e3
        return cpu, recorder, wall, session if runtime == "spoor" else None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--limit", type=float)
    parser.add_argument("--timed", default="/run/spoor-dev/programs/timed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        setup = Setup(pathlib.Path(scratch), options.timed)
        setup.run("crun")
        setup.run("spoor")
        ratios, totals, walls = [], [], []
        print("   crun CPU  spoor CPU   recorder    ratio  +recorder   wall ratio")
        for number in range(options.runs):
            # The order changes, so that a drift of the machine's speed does not favour one side.
            order = ["crun", "spoor"] if number % 2 == 0 else ["spoor", "crun"]
            done = {runtime: setup.run(runtime) for runtime in order}
            (plain, _, plain_wall, _), (traced, recorder, traced_wall, session) = done["crun"], done["spoor"]
            ratios.append(traced / plain)
            totals.append((traced + recorder) / plain)
            walls.append(traced_wall / plain_wall)
            print(f"{plain:9.3f} s {traced:8.3f} s {recorder:8.3f} s {ratios[-1]:8.3f} {totals[-1]:10.3f} {walls[-1]:12.3f}",
                  flush=True)
        median = statistics.median(ratios)
        print(f"median of {options.runs}: CPU {median:.3f}, with the recorder {statistics.median(totals):.3f}, "
              f"wall {statistics.median(walls):.3f}")
        print(f"events {session['counters']['events']}, lost {session['lost']}, ring {session['ringBytes']} bytes, "
              f"recorder peak {session['recorder']['peakRssKiB']} KiB")
        if options.limit and median > options.limit:
            print(f"above the limit of {options.limit}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
