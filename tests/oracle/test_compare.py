"""The comparison finds what was planted, and nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

import compare
import expected
import trail as trails
from strace_parse import parse_log
from synthetic import log, process, row, volume

COMPARE = Path(__file__).with_name("compare.py")

RUN = """
    7 access("a", R_OK) = 0
    7 openat(AT_FDCWD</w>, "b", O_RDONLY) = 3</w/b>
    7 read(3</w/b>, ""..., 10) = 10
    7 openat(AT_FDCWD</w>, "c", O_WRONLY|O_CREAT, 0600) = 4</w/c>
    7 write(4</w/c>, ""..., 10) = 10
    7 rename("c", "d") = 0
    7 stat("no", 0x1) = -1 ENOENT (No such file or directory)
"""
ROWS = [
    row(7, "probe", "/w/a"), row(7, "probe", "/w/b"), row(7, "read", "/w/b"), row(7, "create", "/w/c"),
    row(7, "write", "/w/c"), row(7, "rename", "/w/c", to="/w/d"), row(7, "absent", "/w/no", error="ENOENT"),
]
PROCESSES = [process(1, "/usr/bin/strace"), process(7, "/usr/bin/true")]


def difference(directory, rows, text=RUN, processes=PROCESSES, **more):
    trail = trails.load(volume(directory / "volume", rows, processes, **more))
    return compare.compare(parse_log(log(text)), trail, "/w")[:2]


def test_the_same_run_shows_no_difference(tmp_path):
    assert difference(tmp_path, ROWS) == (set(), set())


@pytest.mark.parametrize("index", range(len(ROWS)))
def test_every_omission_is_found(tmp_path, index):
    missing, invented = difference(tmp_path, ROWS[:index] + ROWS[index + 1:])
    assert missing and not invented
    assert {access.path for access in missing} == {ROWS[index]["path"].encode()}


INVENTIONS = [
    row(7, "read", "/w/a"), row(7, "probe", "/w/a "), row(8, "probe", "/w/a"), row(7, "write", "/w/b"),
    row(7, "truncate", "/w/c"), row(7, "rename", "/w/c", to="/w/e"), row(7, "absent", "/w/no", error="ENOTDIR"),
    row(7, "absent", "/w/no"), row(7, "probe", b"/w/\xff"), row(7, "exec", "/usr/bin/true"),
]


@pytest.mark.parametrize("invention", INVENTIONS, ids=lambda data: f"{data['op']}-{data['path']!r}")
def test_every_invention_is_found(tmp_path, invention):
    missing, invented = difference(tmp_path, [*ROWS, invention])
    assert not missing
    assert invented == {trails.access_of(invention)}


def test_a_row_with_a_wrong_path_is_both(tmp_path):
    missing, invented = difference(tmp_path, [row(7, "probe", "/w/A"), *ROWS[1:]])
    assert len(missing) == len(invented) == 1


def test_strace_itself_is_left_out(tmp_path):
    rows = [*ROWS, row(1, "write", "/out/strace.log"), row(2, "probe", "/x")]
    processes = [*PROCESSES, process(2, "/usr/bin/strace", forkOnly=True)]
    assert difference(tmp_path, rows, processes=processes) == (set(), set())


def test_only_strace_is_left_out(tmp_path):
    rows = [*ROWS, row(9, "probe", "/x")]
    assert difference(tmp_path, rows, processes=[*PROCESSES, process(9, "/usr/bin/strace-like")])[1]


def test_rotated_parts_are_read(tmp_path):
    assert difference(tmp_path, ROWS[4:], rotated=[ROWS[:2], ROWS[2:4]]) == (set(), set())


def run_program(tmp_path, rows, **more):
    (tmp_path / "log").write_text("".join(log(RUN)))
    directory = volume(tmp_path / "volume", rows, PROCESSES, **more)
    return subprocess.run([sys.executable, "-B", COMPARE, "--strace", tmp_path / "log", "--volume", directory, "--cwd",
                           "/w"], capture_output=True, text=True, check=False)


def test_the_program_says_so_by_its_exit_code(tmp_path):
    for name in "abcd":
        (tmp_path / name).mkdir()
    same = run_program(tmp_path / "a", ROWS)
    assert (same.returncode, same.stderr) == (0, "")
    omission = run_program(tmp_path / "b", ROWS[1:])
    assert omission.returncode == 1 and "missing in the trail: 1" in omission.stdout and "/w/a" in omission.stdout
    invention = run_program(tmp_path / "c", [*ROWS, INVENTIONS[0]])
    assert invention.returncode == 1 and "invented by the trail: 1" in invention.stdout
    incomplete = run_program(tmp_path / "d", ROWS, complete=False)
    assert incomplete.returncode == 2 and "not complete" in incomplete.stderr


def test_what_cannot_be_read_is_no_agreement(tmp_path):
    (tmp_path / "log").write_text("7 access(")
    directory = volume(tmp_path / "volume", ROWS, PROCESSES)
    done = subprocess.run([sys.executable, "-B", COMPARE, "--strace", tmp_path / "log", "--volume", directory],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 2


def test_odd_names_are_printed_on_one_line():
    assert str(expected.Access(7, "probe", b"/w/a\nb\xff\x1b")) == r"      7  probe      /w/a\nb\xff\x1b"
