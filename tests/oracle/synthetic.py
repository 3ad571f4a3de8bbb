"""Logs and volumes for the oracle's own tests, written as people read them."""

import base64
import json
import re


def hexed(text):
    data = text if isinstance(text, bytes) else text.encode()
    return "".join(f"\\x{byte:02x}" for byte in data)


def log(text):
    """strace's lines from readable ones: what stands in "…" or behind a descriptor in <…> becomes
    hexadecimal, as -xx writes it. Devices and sockets keep their form."""
    lines = []
    for line in text.strip().splitlines():
        line = re.sub(r'"([^"]*)"', lambda match: f'"{hexed(match[1])}"', line.strip())
        line = re.sub(r"(?<=[\dD])<(/[^<>]*)(<char \d+:\d+>)?>",
                      lambda match: f"<{hexed(match[1])}{match[2] or ''}>", line)
        lines.append(line + "\n")
    return lines


def row(pid, op, path, to=None, error=None, start=None):
    data = {"time": "2024-01-01T00:00:00.000000Z", "pid": pid, "start": start or pid * 1000, "op": op}
    for key, value in (("path", path), ("to", to)):
        if value is None:
            continue
        if isinstance(value, bytes):
            data[key] = value.decode("utf-8", "replace")
            data[key + "Bytes"] = base64.b64encode(value).decode()
        else:
            data[key] = value
    if error:
        data["error"] = error
    return data


def process(pid, exe, **more):
    return {"pid": pid, "start": pid * 1000, "ppid": 0, "argv": [exe], "exe": exe, "cwd": "/", **more}


def volume(directory, rows, processes, complete=True, rotated=()):
    trace = directory / "trace"
    trace.mkdir(parents=True)
    (trace / "session.json").write_text(json.dumps({"state": "finished", "complete": complete, "reasons": []}))

    def lines(name, objects):
        (trace / name).write_text("".join(json.dumps(entry) + "\n" for entry in objects))

    lines("processes.jsonl", processes)
    for number, part in enumerate(rotated, 1):
        lines(f"accesses.jsonl.{number}", part)
    lines("accesses.jsonl", rows)
    return directory
