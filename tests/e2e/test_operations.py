"""Every operation of programs/ops.c, and nothing else, with the container's own process numbers; and programs/areas.c."""

import collections

import pytest

import ops_data
from harness import Row, Trail, finished_trail


@pytest.fixture
def data(tmp_path):
    root = tmp_path / "data"
    ops_data.make(root)
    return root


def opened(pid, path, *more):
    """Rows of a successful open and of what came through it."""
    return [Row(pid, "probe", path), *(Row(pid, op, path) for op in more)]


def read_by(pid):
    return opened(pid, "/data/read", "read")


def absent(pid, path, error="ENOENT"):
    return Row(pid, "absent", path, error=error)


EXPECTED = [
    Row(1, "exec", "/ops"),
    *read_by(1),
    *opened(1, "/data/opened-only"),
    *opened(1, "/data/pread", "read"),
    *opened(1, "/data/write", "write"),
    *opened(1, "/data/both", "read", "write"),
    Row(1, "create", "/data/created"),
    Row(1, "write", "/data/created"),
    Row(1, "create", "/data/created-empty"),
    *opened(1, "/data/opened-to-create"),
    *opened(1, "/data/cut-by-open", "truncate", "write"),
    Row(1, "truncate", "/data/cut-by-name"),
    *opened(1, "/data/cut-by-fd", "truncate"),
    Row(1, "probe", "/data/stat"),
    Row(1, "probe", "/data/access"),
    Row(1, "probe", "/data/statx"),
    absent(1, "/data/no-stat"),
    absent(1, "/data/no-access"),
    absent(1, "/data/no-open"),
    absent(1, "/data/read/below-a-file", "ENOTDIR"),
    Row(1, "readlink", "/data/link"),
    *opened(1, "/data/directory", "list"),
    Row(1, "mkdir", "/data/made"),
    Row(1, "rmdir", "/data/made"),
    Row(1, "delete", "/data/unlinked"),
    Row(1, "rename", "/data/old-name", to="/data/new-name"),
    Row(1, "link", "/data/linked", to="/data/second-name"),
    Row(1, "symlink", "/data/symlink", to="some/target"),
    # The children: each its own rows for what its parent did before.
    *read_by(2),
    Row(2, "exec", "/ops"),
    Row(2, "probe", "/data/after-exec"),
    *read_by(3),
    absent(3, "/data/no-program"),
    # From a working directory and from a descriptor.
    Row(1, "probe", "/data/directory/inside"),
    absent(1, "/data/directory/no-inside"),
    *opened(1, "/data/base"),
    *opened(1, "/data/base/file", "read"),
    Row(1, "delete", "/data/base/removed"),
]


def difference(found, expected):
    found, expected = collections.Counter(found), collections.Counter(expected)
    return {"missing": sorted((expected - found).elements()), "invented": sorted((found - expected).elements())}


@pytest.fixture
def trail(podman, volume, data, footprint):
    """FROM scratch, read-only root, an ordinary user."""
    done = podman.run("spoor", "--read-only", "--read-only-tmpfs=false", "--user", "1000:1000",
                      "-v", f"{data}:/data", "ops", "/ops", volume=volume)
    assert done.code == 0, f"line {done.code} of ops.c: {done}"
    assert (done.out, done.err) == ("", "")
    trail = finished_trail(volume)
    footprint.is_clean()
    return trail


def test_rows_are_what_the_program_did(trail):
    assert difference(trail.rows, EXPECTED) == {"missing": [], "invented": []}


def test_flags(trail):
    for path in ("/data/read", "/data/opened-only", "/data/write", "/data/cut-by-open"):
        assert all(flags == {"open"} for flags in trail.flags("probe", path)), trail.flags("probe", path)
    assert trail.flags("probe", "/data/base") == [{"open", "directory"}]
    for op, path in (("read", "/data/read"), ("write", "/data/both"), ("create", "/data/created"),
                     ("truncate", "/data/cut-by-fd"), ("read", "/data/base/file")):
        assert all(flags == set() for flags in trail.flags(op, path)), (op, path, trail.flags(op, path))


def test_times_and_instances(trail):
    times = [row["time"] for row in trail.raw_accesses]
    assert times == sorted(times)
    instances = {(process["pid"], process["start"]) for process in trail.processes}
    assert {(row["pid"], row["start"]) for row in trail.raw_accesses} <= instances


def test_processes(trail):
    table = {process["pid"]: process for process in trail.processes}
    assert sorted(table) == [1, 2, 3] and len(trail.processes) == 3
    assert [table[pid]["ppid"] for pid in (1, 2, 3)] == [0, 1, 1]
    assert table[1]["argv"] == ["/ops"] and table[2]["argv"] == ["/ops", "again"]
    assert table[1]["exe"] == table[2]["exe"] == "/ops"
    assert table[1]["cwd"] == "/"
    assert [table[pid]["exit"] for pid in (1, 2, 3)] == [{"code": 0}, {"code": 7}, {"code": 9}]


def test_session(trail):
    session = trail.session
    assert session["schema"].startswith("spoor.session/")
    assert session["reasons"] == []
    assert sum(session["lostByCause"].values()) == 0
    assert trail.report_file.exists()


@pytest.mark.parametrize("memory", ["own", "file", "moved"])
def test_memory_protected_while_threads_change_the_address_space(podman, volume, tmp_path, memory):
    """Nobody can look then. That is no loss where none of the process's mappings can come to write to a file."""
    (tmp_path / "file").write_text("x")
    done = podman.run("spoor", "-v", f"{tmp_path}/file:/file", "areas", "/areas", "/file", memory, volume=volume)
    assert (done.code, done.out, done.err) == (0, "", "")
    if memory == "own":
        assert "mmap-write" not in {row.op for row in finished_trail(volume).rows}
    else:
        session = Trail(volume).session
        assert (session["state"], session["complete"]) == ("finished", False), session
        assert session["lostByCause"]["fault"] == session["lost"] > 0, session
