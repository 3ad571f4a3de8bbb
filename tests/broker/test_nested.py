"""A container in a container with a session of its own: what it does is told to both sessions."""

import os

import peer
import pytest
from test_pins import Reader, broker, eventually  # noqa: F401 (a fixture)

READ = (peer.EV_ACCESS, 1)
# In the outer container: a process that goes into the inner one's cgroup, and waits to be told to execute.
OUTER = """mkdir {inner}; cat {place}/before > /dev/null
sh -c 'echo $$ > {inner}/cgroup.procs; echo $$ > {place}/pid; read go < {place}/go1; exec sh {place}/inner.sh' &
wait; cat {place}/after > /dev/null"""
INNER = """cat {place}/inside > /dev/null
read go < {place}/go2
cat {place}/later > /dev/null"""


class Nest:
    """An outer container with a session, and an inner one that may get one."""

    def __init__(self, box, place, connect, owner=None):
        self.place = place
        self.outer_box = box(owner)
        self.path = self.outer_box.path + "/inner"
        self.steps = iter(("go1", "go2"))  # one each: who reads it again may meet the first one's end
        for name in ("go1", "go2"):
            os.mkfifo(place / name)
        for name in ("before", "inside", "later", "after"):
            (place / name).write_text(name)
        (place / "inner.sh").write_text(INNER.format(place=place))
        self.outer_client = connect()
        self.outer = Reader(self.outer_client.arm(self.outer_box.fd, self.outer_box.pidfd))
        os.write(self.outer_box.go, OUTER.format(place=place, inner=self.path).encode())
        self.outer_box.ended = True
        eventually(lambda: (place / "pid").exists() and (place / "pid").read_text().endswith("\n"), "the inner process waits")
        self.pid = int((place / "pid").read_text())
        self.fd, self.pidfd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY), os.pidfd_open(self.pid)

    def arm(self, client):
        return client.arm(self.fd, self.pidfd)

    def go(self):
        with open(self.place / next(self.steps), "w") as go:
            go.write("go\n")

    def run(self):
        self.go()
        eventually(lambda: "inside" in self.read_by(self.outer), "the outer session is told")
        self.go()
        self.end()

    def end(self):
        os.waitpid(self.outer_box.pid, 0)
        os.close(self.fd)
        os.close(self.pidfd)
        os.rmdir(self.path)

    def read_by(self, reader):
        reader.read()
        names = {(r[5] + r[6]).decode() for r in reader.records if r[:2] == READ}
        return {name for name in ("before", "inside", "later", "after") if f"{self.place}/{name}" in names}


@pytest.fixture
def nest(broker, box, tmp_path):  # noqa: F811
    broker.start()
    one = Nest(box, tmp_path, broker.connect)
    one.spoord = broker
    return one


def move(pid, cgroup):
    with open(cgroup + "/cgroup.procs", "w") as procs:
        procs.write(str(pid))


def counts(client, reader):
    last = client.ask(peer.request(peer.DISARM))
    reader.read()
    return last.emitted == len(reader.records) and not any(last.lost)


def test_both_are_told(nest):
    client = nest.spoord.connect()
    inner = Reader(nest.arm(client))
    nest.go()
    eventually(lambda: "inside" in nest.read_by(inner), "the inner session is told")
    nest.go()
    nest.end()
    assert nest.read_by(inner) == {"inside", "later"}
    assert nest.read_by(nest.outer) == {"before", "inside", "later", "after"}
    assert inner.records[-1][0] == peer.EV_END
    assert [r[0] for r in nest.outer.records].count(peer.EV_END) == 0
    assert counts(client, inner)
    # The same process is the same in both: a start and an end, and everything between.
    for reader in (inner, nest.outer):
        assert [r[0] for r in reader.records if r[8] == nest.pid].count(peer.EV_EXIT) == 1
    assert [r for r in inner.records if r[0] == peer.EV_EXEC][0][8] == nest.pid
    nest.outer_box.remove()
    nest.outer.read()
    assert nest.outer.records[-1][0] == peer.EV_END
    assert counts(nest.outer_client, nest.outer)


@pytest.mark.parametrize("how", ["closed", "spoord-killed"])
def test_what_is_left_of_an_inner_session_is_the_outer_ones(nest, how):
    before = set(nest.spoord.pinned())
    client = nest.spoord.connect()
    inner = Reader(nest.arm(client))
    nest.go()
    eventually(lambda: "inside" in nest.read_by(inner), "the inner session is told")
    if how == "closed":
        client.close()
        # The session has ended when its owner may have another one.
        again = nest.spoord.connect()
        eventually(lambda: nest.arm(again).code == peer.OK, "it ends")
        again.close()
        eventually(lambda: nest.arm(nest.spoord.connect()).code == peer.OK, "it ends")
    else:
        nest.spoord.kill()
        (pin,) = set(nest.spoord.pinned()) - before
        (nest.spoord.own_directory() / pin).unlink()  # as if it had never been granted
        nest.spoord.start()
        nest.outer_client, reply = nest.spoord.resume(nest.outer.token)
        assert reply.code == peer.OK
    nest.go()
    nest.end()
    assert nest.read_by(nest.outer) == {"before", "inside", "later", "after"}
    assert "later" not in nest.read_by(inner)
    nest.outer_box.remove()
    assert counts(nest.outer_client, nest.outer)


def test_one_level_and_one_owner(nest):
    inner = nest.spoord.connect()
    assert nest.arm(inner).code == peer.OK
    assert nest.arm(nest.spoord.connect()).code == peer.ALREADY_TRACED
    deeper = nest.path + "/deeper"
    os.mkdir(deeper)
    fd = os.open(deeper, os.O_RDONLY | os.O_DIRECTORY)
    elsewhere = nest.spoord.connect().arm(fd, nest.pidfd)
    move(nest.pid, deeper)
    refused = nest.spoord.connect().arm(fd, nest.pidfd)
    move(nest.pid, nest.path)
    os.close(fd)
    os.rmdir(deeper)
    assert refused.code == peer.ALREADY_TRACED
    # What it is beneath is known of the process alone.
    assert elsewhere.code == peer.BAD_PROCESS
    inner.close()
    nest.run()


def test_nobody_elses_session_gets_an_inner_one(nest):
    """A user who owns a cgroup beneath somebody else's traced one cannot take it out of that."""
    user = 65534
    os.chown(nest.path, user, user)

    def refused():
        client = nest.spoord.connect()
        return nest.arm(client).code == peer.ALREADY_TRACED

    assert peer.as_user(user, refused)
    nest.run()
    assert nest.read_by(nest.outer) == {"before", "inside", "later", "after"}
