#!/usr/bin/python3
"""Holds the rooms to ARCHITECTURE.md's arrows: base <- {config, oci, signal, bpf} <- shim.

    check_includes.py ROOT

Checks the #include "…" lines of the C++ sources: rooms include base and themselves only, shim
may include all of them, the programs below shim share shim/ipc and nothing else of each other;
a source file includes its own header first; headers have #pragma once or a guard, and keep the
types of the JSON, YAML and BPF libraries to themselves; no file grows past its limit.
"""

import re
import sys
from pathlib import Path

ROOMS = ("base", "config", "oci", "signal", "bpf")
MOST_LINES = 450
MOST_BPF_LINES = 600  # one function, one switch over the system calls
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')
# Libraries that stay out of headers which others include; whatever is private to a room's own
# sources is named *_json.h, json_*.h or is in the exceptions below.
HIDDEN = ("nlohmann/", "yaml-cpp/", "bpf/libbpf.h")
# The layouts that both sides of the kernel boundary share; without a dependency of its own.
SHARED = {"bpf/abi.h", "bpf/state.h"}


def room_of(path):
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] == "shim" and len(parts) > 2 else parts[0]


def allowed(source, included):
    here, there = room_of(source), room_of(included)
    if here == there or there == "base" or included in SHARED:
        return True
    if here.startswith("shim"):
        if there.startswith("shim/"):
            return there == "shim/ipc"
        return there in ROOMS
    return False


def includes(text):
    return [match.groups() for match in map(INCLUDE.match, text.splitlines()) if match]


def check(root):
    private_headers = included_elsewhere(root)
    for path in files(root):
        name = str(path.relative_to(root))
        text = path.read_text()
        found = includes(text)
        for kind, target in found:
            if kind == '"' and (root / target).exists() and not allowed(name, target):
                yield f"{name}: includes {target}, against the arrows"
            if kind == '"' and not (root / target).exists() and not (path.parent / target).exists() \
                    and not target.endswith(".skel.h"):
                yield f"{name}: includes {target}, which is not found from the root"
        if name.endswith(".cc"):
            own = name[:-3] + ".h"
            quoted = [target for kind, target in found if kind == '"']
            if (root / own).exists() and (not found or found[0] != ('"', own)) and own in quoted:
                yield f"{name}: its own header does not come first"
        elif name.endswith(".h"):
            if "#pragma once" not in text and "#ifndef" not in text:
                yield f"{name}: no #pragma once"
            for kind, target in found:
                if kind == "<" and target.startswith(HIDDEN) and name in private_headers:
                    yield f"{name}: shows {target} to the rooms that include it"
        lines = text.count("\n")
        if lines > (MOST_BPF_LINES if ".bpf." in name else MOST_LINES):
            yield f"{name}: {lines} lines; which two things is this?"


def included_elsewhere(root):
    """Headers that another room includes."""
    result = set()
    for path in files(root):
        name = str(path.relative_to(root))
        for kind, target in includes(path.read_text()):
            if kind == '"' and (root / target).exists() and room_of(target) != room_of(name):
                result.add(target)
    return result


def files(root):
    for room in (*ROOMS, "shim"):
        for path in sorted((root / room).rglob("*")):
            if path.suffix in (".cc", ".h", ".c") and "vmlinux" not in path.parts:
                yield path


def main():
    root = Path(sys.argv[1]).resolve()
    wrong = list(check(root))
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


sys.exit(main())
