#!/usr/bin/python3
"""What spoor costs in crun's place, by pairs that are run in turns: milliseconds, medians (and minima). Wall time
is what a caller waits; processor time is of the runtime and what it waits for, not of the recorder, and is the one to look at
on a machine that does other work as well.

Bundles lie in memory: spoor removes the directory that was made to mount the volume on, and what that costs is the disk's
affair (1 to 3 ms on an ext4 that discards what is freed at once, as `--disk` shows on such a machine).

--podman: `podman run --rm` instead, traced, with crun's own spread (between the quartiles) for a limit.

Runs inside `./dev shell`, with its spoord. Exit status 1 if a limit of docs/drop-in.md is broken.

Usage: drop_in.py [--pairs N] [--only WORD] [--disk] [--podman]
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

CRUN = "/usr/bin/crun"
SPOOR = "/run/spoor-dev/bin/spoor"
# Linked against glibc: what the front program (docs/decisions/0008) spares a verb that is passed on.
WITHOUT_FRONT = "/run/spoor-dev/bin/spoor-runtime"
# What spoor may take longer than crun, in ms: of the medians of the differences within a pair.
# `create` returns when the cgroup is armed, session.json is there and the recorder waits; `run` also when the reports
# are written.
LIMITS = {"--version": 0.6, "state": 0.6, "run, untraced": 0.6, "create, traced": 4.0, "create, annotated": 4.0, "run, traced": 4.0}


def make_bundle(directory, command=None, annotations=None):
    root = directory / "rootfs"
    for name in ("bin", "proc", "sys", "dev", "run"):
        (root / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin")
    subprocess.run([CRUN, "spec", *(["--rootless"] if os.geteuid() else [])], cwd=directory, check=True)
    file = directory / "config.json"
    spec = json.loads(file.read_text())
    spec["process"].update(args=["/bin/busybox", *(command or ["true"])], terminal=False)
    spec["process"].pop("rlimits", None)
    if annotations:
        spec["annotations"] = annotations
    file.write_text(json.dumps(spec))


def timed(program, arguments, environment):
    began = time.perf_counter()
    # posix_spawn: the caller's own cost of starting is small and the same.
    pid = os.posix_spawn(program, [program, *arguments], environment,
                         file_actions=[(os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_RDWR, 0) for fd in (0, 1)])
    _, status, used = os.wait4(pid, 0)
    assert status == 0, (program, arguments, status)
    return (time.perf_counter() - began) * 1e3, (used.ru_utime + used.ru_stime) * 1e3


def podman(pairs):
    """Through a manager: whether spoor's part of it can be told from the rest's spread."""
    with tempfile.TemporaryDirectory() as scratch:
        make_bundle(pathlib.Path(scratch))
        command = ["run", "--rm", "--network=none", "--rootfs", f"{scratch}/rootfs", "/bin/busybox", "true"]
        turns = []
        for turn in range(pairs + 2):
            times = {}
            for runtime in (CRUN, SPOOR) if turn % 2 else (SPOOR, CRUN):
                times[runtime] = timed("/usr/bin/podman", ["--runtime", runtime, *command], dict(os.environ))[0]
            turns.append((times[CRUN], times[SPOOR]))
    plain, traced = zip(*turns[2:])
    low, _, high = statistics.quantiles(plain, n=4)
    more = statistics.median(b - a for a, b in turns[2:])
    print(f"{pairs} pairs, ms   podman run --rm: crun {statistics.median(plain):.1f} (quartiles {low:.1f} to {high:.1f}), "
          f"spoor {statistics.median(traced):.1f}, {more:+.1f} more")
    return 0 if more <= high - low else 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--only", default="", metavar="WORD", help="the cases with this in their name")
    parser.add_argument("--disk", action="store_true", help="bundles in /tmp")
    parser.add_argument("--podman", action="store_true", help="podman run --rm")
    options = parser.parse_args()
    if options.podman:
        sys.exit(podman(options.pairs))
    broken = []
    # As state roots do.
    memory = os.environ.get("XDG_RUNTIME_DIR") or "/run"
    with tempfile.TemporaryDirectory(dir=None if options.disk else memory) as scratch:
        scratch = pathlib.Path(scratch)
        settings = {}
        # As most CI jobs have: a volume of the container's own. For root it may lie here, too.
        volume = pathlib.Path(memory) / "spoor" / "bench"
        volume.mkdir(parents=True, exist_ok=True)
        annotations = {"io.spoor.volume": str(volume), "io.spoor.mode": "warn"}
        for name in ("traced", "annotated", "untraced", "sleeper"):
            (scratch / name).mkdir()
            make_bundle(scratch / name, ["sleep", "1000"] if name == "sleeper" else None,
                        annotations if name == "annotated" else None)
            file = scratch / f"{name}.yaml"
            file.write_text("volumes:\n  keep: 4\n" if name in ("traced", "annotated") else "trace: false\n")
            settings[name] = {**os.environ, "SPOOR_CONFIG": str(file)}
        subprocess.run([CRUN, "run", "-d", "-b", scratch / "sleeper", "sleeper"], check=True,
                       stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        cases = {
            "--version": (["--version"], settings["untraced"]),
            "without front": (["--version"], settings["untraced"]),
            "state": (["state", "sleeper"], settings["untraced"]),
            "run, untraced": (["run", "-b", str(scratch / "untraced"), "untraced"], settings["untraced"]),
            "create, traced": (["create", "-b", str(scratch / "traced"), "traced"], settings["traced"]),
            "create, annotated": (["create", "-b", str(scratch / "annotated"), "annotated"], settings["annotated"]),
            "run, traced": (["run", "-b", str(scratch / "traced"), "traced"], settings["traced"]),
        }
        print(f"{options.pairs} pairs, ms      {'crun':>8}{'spoor':>8}{'minima':>15}{'ratio':>7}{'more':>8}{'limit':>7}")
        for name, (arguments, environment) in cases.items():
            if options.only not in name:
                continue
            turns = []
            for turn in range(options.pairs + 3):
                if arguments[0] in ("run", "create"):
                    arguments = [*arguments[:-1], f"container{turn}"]  # each has a name of its own, as with a manager
                ours = WITHOUT_FRONT if name == "without front" else SPOOR
                both = [CRUN, ours] if turn % 2 else [ours, CRUN]
                times = {}
                for program in both:
                    times[program] = timed(program, arguments, environment)
                    if arguments[0] == "create":
                        timed(program, ["delete", "-f", arguments[-1]], environment)
                turns.append((times[CRUN], times[ours]))
            for kind, clock in enumerate(("wall", "CPU")):
                pairs = [(plain[kind], shimmed[kind]) for plain, shimmed in turns[3:]]  # files are in memory by then
                plain, shimmed = (statistics.median(times) for times in zip(*pairs))
                least = " / ".join(f"{min(times):.2f}" for times in zip(*pairs))
                more = statistics.median(b - a for a, b in pairs)
                print(f"{name:18}{clock:4}{plain:8.2f}{shimmed:8.2f}{least:>15}{shimmed / plain:6.2f}x{more:+8.2f}"
                      + (f"{LIMITS[name]:+7.1f}" if name in LIMITS else ""))
                if clock == "wall" and more > LIMITS.get(name, more):
                    broken.append(name)
        subprocess.run([CRUN, "delete", "-f", "sleeper"], check=True)
    for name in broken:
        print(f"more than the limit: {name}", file=sys.stderr)
    sys.exit(1 if broken else 0)


main()
