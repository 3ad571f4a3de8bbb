"""A spoor volume as a set of accesses."""

import base64
import dataclasses
import json
from pathlib import Path

from expected import Access


@dataclasses.dataclass
class Trail:
    session: dict
    processes: list
    accesses: list  # the objects of accesses.jsonl

    def instances(self, wanted):
        """The (pid, start) of the processes for which `wanted(process)` holds."""
        return {(process["pid"], process["start"]) for process in self.processes if wanted(process)}

    def access_set(self, without=frozenset()):
        """`without`: process instances to leave out."""
        return {access_of(row) for row in self.accesses if (row["pid"], row["start"]) not in without}


def name(row, key):
    """The bytes of a name: KEYBytes if it is there, else KEY."""
    if key + "Bytes" in row:
        return base64.b64decode(row[key + "Bytes"], validate=True)
    return row.get(key, "").encode()


def access_of(row):
    return Access(row["pid"], row["op"], name(row, "path"), name(row, "to"), row.get("error", ""))


def json_lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def load(volume):
    trace = Path(volume) / "trace"
    session = json.loads((trace / "session.json").read_text(encoding="utf-8"))
    rotated = sorted(trace.glob("accesses.jsonl.*"), key=lambda part: int(part.suffix[1:]))
    accesses = [row for part in [*rotated, trace / "accesses.jsonl"] for row in json_lines(part)]
    return Trail(session, json_lines(trace / "processes.jsonl"), accesses)
