"""Cgroups beneath a session's: however many there are, and however deep, they are the session's, and cost nobody else
anything."""

import os

import peer
import pytest
from test_pins import Reader, broker, eventually  # noqa: F401 (a fixture)

READ = (peer.EV_ACCESS, 1)
MANY = 4200  # more than there can be sessions
DEEPER_THAN_LOOKED_FOR = 70  # bpf/process.bpf.h, SCOPE_LEVELS_MAX
STEP_INTO = "echo $$ > {cgroup}/cgroup.procs; exec cat {file} > /dev/null"


@pytest.fixture
def child_of():
    """Makes cgroups beneath a box's, and removes them again."""
    made = []

    def make(box, name):
        path = f"{box.path}/{name}"
        os.mkdir(path)
        made.append(path)
        return path

    make.made = made
    yield make
    for path in reversed(made):
        os.rmdir(path)


def read_names(reader):
    reader.read()
    return {(r[5] + r[6]).decode() for r in reader.records if r[:2] == READ}


def traced(broker, box, reply, cgroup, file):  # noqa: F811
    """Whether what a process does in `cgroup`, which it enters, is told; and all is accounted for."""
    reader = Reader(reply)
    assert box.run(f"sh -c '{STEP_INTO.format(cgroup=cgroup, file=file)}'") == 0
    return str(file) in read_names(reader)


def test_many_cgroups_are_the_sessions_own_matter(broker, box, child_of, tmp_path):  # noqa: F811
    broker.start()
    file = tmp_path / "file"
    file.write_text("x")
    one, other = box(), box()
    client = broker.connect()
    reply = client.arm(one.fd, one.pidfd)
    for number in range(MANY):
        child_of(one, str(number))
    # Another one can still begin, have cgroups of its own, and be complete.
    second = broker.connect()
    granted = second.arm(other.fd, other.pidfd)
    assert traced(broker, other, granted, child_of(other, "child"), file)
    last = second.ask(peer.request(peer.DISARM))
    assert last.emitted > 0 and not any(last.lost)
    # So is the one with many.
    assert traced(broker, one, reply, child_of.made[MANY - 1], file)
    assert not any(client.ask(peer.request(peer.DISARM)).lost)


def test_cgroups_from_before_the_session(broker, box, child_of, tmp_path):  # noqa: F811
    broker.start()
    file = tmp_path / "file"
    file.write_text("x")
    one, client = box(), broker.connect()
    child = child_of(one, "child")
    assert traced(broker, one, client.arm(one.fd, one.pidfd), child, file)


def test_nobody_hides_in_the_depth(broker, box, child_of, tmp_path):  # noqa: F811
    broker.start()
    file = tmp_path / "file"
    file.write_text("x")
    one, client = box(), broker.connect()
    reply = client.arm(one.fd, one.pidfd)
    name = ""
    for _ in range(DEEPER_THAN_LOOKED_FOR):
        name = f"{name}/d" if name else "d"
        child_of(one, name)
    deep = f"{one.path}/{name}"
    # The shell goes there, and what it forks is born there.
    reader = Reader(reply)
    assert one.run(f"echo $$ > {deep}/cgroup.procs; cat {file} > /dev/null; true") == 0
    assert str(file) in read_names(reader)
