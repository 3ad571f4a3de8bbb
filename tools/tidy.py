#!/usr/bin/python3
"""clang-tidy over the C++ sources of a build, several at a time; files found clean are not looked at again.

    tidy.py ROOT BUILD [--jobs N]

Every .cc in BUILD/compile_commands.json that lies in ROOT is checked with the list in .clang-tidy; of sources that
are compiled several at once, each by itself, so what it includes has to suffice for it alone. A
file is clean for as long as nothing changes that its result depends on: clang-tidy and its
configuration, the command that compiles it, and the content of each file that ninja saw it include.
The stamps of clean files lie in BUILD/tidy/.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import time
from functools import lru_cache
from pathlib import Path

CLANG_TIDY = "/usr/bin/clang-tidy"
# g++'s options that clang does not know.
EXTRA = ["--extra-arg=-Wno-unknown-warning-option"]
UNITY = re.compile(r"/Unity/unity_\d+_cxx\.cxx$")
INCLUDE = re.compile(r'^#include "(.+)"$', re.MULTILINE)
NOISE = re.compile(r"^(\d+ (warnings?|errors?)\b.*generated|Suppressed |Use -header-filter|\d+ warnings? treated)")


@lru_cache(maxsize=None)
def digest(path):
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return "missing"


def included_files(build):
    """{object: the files it was made from}, as ninja remembers them."""
    result, current = {}, None
    listing = subprocess.run(["ninja", "-C", build, "-t", "deps"], check=True, capture_output=True, text=True).stdout
    for line in listing.splitlines():
        if line.startswith("    "):
            current.append(os.path.join(build, line.strip()))
        elif "(VALID)" in line:
            current = result.setdefault(line.split(":", 1)[0], [])
        else:  # an object that is no more up to date
            current = []
    return result


def source_by_source(entries):
    """The entries with those that CMake's unity build puts together taken apart; each knows its object as before."""
    for entry in entries:
        words = shlex.split(entry["command"])
        entry["output"] = words[words.index("-o") + 1]
        if not UNITY.search(entry["file"]):
            yield entry
            continue
        for source in INCLUDE.findall(Path(entry["directory"], entry["file"]).read_text()):
            command = shlex.join(source if word == entry["file"] else word for word in words)
            yield {**entry, "file": source, "command": command}


def key(entry, dependencies, common):
    output = entry["output"]
    # Nothing known of what it includes: nothing to remember it by.
    if output not in dependencies:
        return None
    parts = [common, entry["command"]]
    for path in sorted(dependencies[output]):
        parts += [path, digest(path)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def check(root, commands, path):
    done = subprocess.run([CLANG_TIDY, "--quiet", *EXTRA, "-p", commands, path], cwd=root, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    words = "\n".join(line for line in done.stdout.splitlines() if not NOISE.match(line)).strip()
    return done.returncode == 0, words


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=os.path.realpath)
    parser.add_argument("build", type=os.path.realpath)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--programs", action="store_true", help="leave out the tests")
    options = parser.parse_args()
    tests = os.path.join(options.root, "tests/") if options.programs else None

    started = time.monotonic()
    version = subprocess.run([CLANG_TIDY, "--version"], check=True, capture_output=True, text=True).stdout
    common = version + Path(options.root, ".clang-tidy").read_text() + " ".join(EXTRA)
    dependencies = included_files(options.build)
    entries = list(source_by_source(json.loads(Path(options.build, "compile_commands.json").read_text())))
    stamps = Path(options.build, "tidy")
    stamps.mkdir(exist_ok=True)
    (stamps / "compile_commands.json").write_text(json.dumps(entries))

    todo = {}
    clean = 0
    for entry in entries:
        path = os.path.join(entry["directory"], entry["file"])
        if not path.endswith(".cc") or not path.startswith(options.root + "/") or path.startswith(options.build + "/"):
            continue
        if tests and path.startswith(tests):
            continue
        name = key(entry, dependencies, common)
        if name and (stamps / name).exists():
            clean += 1
        else:
            todo[path] = name
    if not todo and not clean:
        print("tidy: nothing to check", file=sys.stderr)
        return 1

    bad = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        running = {pool.submit(check, options.root, stamps, path): path for path in sorted(todo)}
        for future in concurrent.futures.as_completed(running):
            path = running[future]
            good, words = future.result()
            if not good:
                bad += 1
                print(f"{os.path.relpath(path, options.root)}:\n{words}", flush=True)
            elif todo[path]:
                (stamps / todo[path]).touch()
    print(f"tidy: {len(todo)} files checked in {time.monotonic() - started:.0f} s, {bad} with findings; "
          f"{clean} unchanged since they were clean", file=sys.stderr)
    return 1 if bad else 0


sys.exit(main())
