"""The operation matrix: what each system call has to leave in the trail, and nothing else.

The program matrix (matrix.h) runs its cases in one container and says for each which process did
it and which rows it has to leave. Each case is a test here.
"""

import base64
import dataclasses
import datetime
import json
import os
import subprocess
from pathlib import Path

import pytest

from harness import PROGRAMS, Trail, session_of, until

KEYS = {"time", "pid", "start", "op", "path", "pathBytes", "to", "toBytes", "error", "flags"}
CAPABILITIES = ["SYS_ADMIN", "SYS_CHROOT", "SYS_PTRACE", "MKNOD", "DAC_READ_SEARCH"]


def catalogue():
    out = subprocess.run([PROGRAMS / "matrix", "list"], check=True, capture_output=True).stdout
    return [json.loads(line) for line in out.decode().splitlines()]


CASES = {case["case"]: case for case in catalogue()}
# A path that had to be cut makes the whole session incomplete: these run in a container of their own.
CUT = [name for name, case in CASES.items() if any("truncated" in row["flags"] for row in case["rows"])]


@dataclasses.dataclass(frozen=True)
class Row:
    op: str
    path: bytes
    error: str | None
    to: bytes | None
    flags: frozenset

    def __str__(self):
        more = [f"to {self.to!r}"] if self.to is not None else []
        more += [self.error] if self.error else []
        return " ".join([f"{self.op:10}", repr(self.path)[1:], *more, f"[{' '.join(sorted(self.flags))}]"])


def name_of(row, key):
    """The bytes of a name; `keyBytes` has them if they are not UTF-8."""
    if key + "Bytes" in row:
        name = base64.b64decode(row[key + "Bytes"], validate=True)
        assert row[key] == name.decode(errors="replace") or "\ufffd" in row[key]
        with pytest.raises(UnicodeDecodeError):
            name.decode()
        return name
    return row[key].encode() if key in row else None


def found_row(row):
    assert set(row) <= KEYS, f"unknown keys: {row}"
    assert len(set(row.get("flags", []))) == len(row.get("flags", [])), row
    return Row(row["op"], name_of(row, "path"), row.get("error"), name_of(row, "to"),
               frozenset(row.get("flags", [])))


def expected_row(row):
    def name(text):
        return None if text is None else text.encode("latin-1")  # code points are bytes

    return Row(row["op"], name(row["path"]), row["error"], name(row["to"]), frozenset(row["flags"]))


def when(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


# Where a virtual machine has left its runs (tests/vm); they are judged here like those of this machine.
RECORDED = os.environ.get("SPOOR_VM_RESULTS")


class Run:
    """One container that ran some of the cases, and its trail."""

    def __init__(self, output, volume):
        self.lines = {line["case"]: line for line in map(json.loads, output.splitlines())}
        self.trail = ended_trail(volume)
        self.rows, self.processes = {}, {}
        for row in self.trail.raw_accesses:
            self.rows.setdefault(row["pid"], []).append(row)
        for process in self.trail.processes:
            self.processes.setdefault(process["pid"], []).append(process)

    def expected(self, line):
        """The rows of a case, as the session's hook family leaves them."""
        return line["rows" if self.trail.session["family"] == "syscall-exit" else "resolved"]

    @classmethod
    def here(cls, podman, directory, cases):
        data, volume = directory / "data", directory / "volume"
        data.mkdir()
        volume.mkdir()
        done = podman.run("spoor", "--security-opt", "seccomp=unconfined",
                          *(f"--cap-add={name}" for name in CAPABILITIES),
                          "-v", f"{data}:/m", "matrix", "/matrix", "run", "/m", *cases, volume=volume, timeout=300)
        assert done.code == 0, f"code {done.code}: {done.err[-500:]}"
        return cls(done.out, volume)

    @classmethod
    def recorded(cls, which):
        results = Path(RECORDED)
        part = os.environ.get("SPOOR_VM_MATRIX", "matrix")
        return cls((results / "steps" / f"{part}.{which}.out").read_text(), results / "volumes" / f"{part}-{which}")


def ended_trail(volume):
    until(lambda: session_of(volume).get("state") not in (None, "tracing"),
          lambda: f"the session ends: {session_of(volume)}")
    return Trail(volume)


@pytest.fixture(scope="session")
def main_run(request, tmp_path_factory):
    if RECORDED:
        return Run.recorded("main")
    return Run.here(request.getfixturevalue("podman"), tmp_path_factory.mktemp("main"), [name for name in CASES if name not in CUT])


@pytest.fixture(scope="session")
def cut_run(request, tmp_path_factory):
    if RECORDED:
        return Run.recorded("cut")
    return Run.here(request.getfixturevalue("podman"), tmp_path_factory.mktemp("cut"), CUT)


def check_process(run, pid, line, rows):
    """One line a process instance, of the right parent, ended as it should, and its rows within its life."""
    session = run.trail.session
    instances = {process["start"]: process for process in run.processes.get(pid, [])}
    assert instances, f"process {pid} is not in processes.jsonl"
    assert len(instances) == len(run.processes[pid]) == line["pids"].count(pid)
    for process in instances.values():
        parent = 1 if pid == line["pid"] else line["pid"]
        assert process["ppid"] == parent
        assert process["exit"] in ({"code": 0}, {"signal": "SIGKILL"}, {"signal": 9}), process
        assert (process["exit"] == {"code": 0}) == (line["case"] != "pidfd_getfd" or pid == line["pid"])
    begin, end = when(session["started"]), when(session["finished"])
    for row in rows:
        assert row["start"] in instances, row
        assert begin <= when(row["time"]) <= end, row
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    if len(instances) > 1:
        assert {row["start"] for row in rows} == set(instances), "the instances share their rows"


@pytest.mark.parametrize("name", CASES)
def test_case(request, name):
    run = request.getfixturevalue("cut_run" if name in CUT else "main_run")
    line = run.lines[name]
    if line["skipped"] is not None:
        # Which feature is missing is in docs/coverage.md beside the case.
        assert line["needs"] and line["skipped"] == line["needs"]
        print(f"not run here, the machine lacks: {line['skipped']}")
        return
    assert line["failed"] is None, f"the case did not do what it should: {line['failed']}"
    complaints = []
    for pid in dict.fromkeys(line["pids"]):
        raw = run.rows.get(pid, [])
        expected = [expected_row(row) for row in run.expected(line) if row["pid"] == pid]
        found = [found_row(row) for row in raw]
        if found != expected:
            who = "the case" if pid == line["pid"] else "its child"
            complaints.append(f"process {pid} ({who})")
            complaints += [f"  expected  {row}" for row in expected]
            complaints += [f"  found     {row}" for row in found]
        check_process(run, pid, line, raw)
    assert not complaints, "\n".join([f"{line['operation']}: {line['variant']}", *complaints])


def test_the_session_is_complete(main_run):
    session = main_run.trail.session
    assert session["state"] == "finished"
    assert (session["complete"], session["lost"], session["reasons"]) == (True, 0, []), session["lostByCause"]


def test_cut_paths_make_the_session_incomplete(cut_run):
    session = cut_run.trail.session
    assert session["state"] == "finished"
    assert (session["complete"], session["lost"]) == (False, 0)
    assert len(session["reasons"]) == 1 and "longer than can be reported" in session["reasons"][0]


@pytest.mark.parametrize("which", ["main_run", "cut_run"])
def test_no_rows_of_others(request, which):
    run = request.getfixturevalue(which)
    known = {1} | {pid for line in run.lines.values() for pid in line["pids"]}
    assert set(run.rows) <= known
    assert set(run.lines) == (set(CUT) if which == "cut_run" else set(CASES) - set(CUT))


def test_few_are_left_out(main_run):
    """A machine that lacks much would make a green and empty matrix."""
    left_out = {name: line["skipped"] for name, line in main_run.lines.items() if line["skipped"] is not None}
    print(*(f"{name}: {needs}" for name, needs in left_out.items()), sep="\n")
    assert len(CASES) - len(left_out) >= 300


def test_names_are_unique():
    assert len(CASES) == len(catalogue()) >= 150
