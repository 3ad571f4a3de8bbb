"""Tables that all sessions of a machine share, made small enough to be filled: who fills one has its own trail incomplete first,
and another's says what is missing in it. Nothing is lost unsaid, and all is there again when the flood is over.
"""

import os
from pathlib import Path

import peer
import pytest
from test_pins import Reader, broker  # noqa: F401 (a fixture)

ALICE, BOB = 65533, 65534
HERE = Path(__file__).parent
RENAME = 6
LOST_SCRATCH, LOST_PROCESSES = 1, 2
URING_MOST, URING_SHARE = 1024, 32  # of a session: while half of the table is free, and after that (bpf/uring.bpf.h)


class Session:
    """A container of a tenant's, traced."""

    def __init__(self, broker, box, uid):  # noqa: F811
        self.box, self.client = box(owner=uid), broker.connect()
        self.reader = Reader(self.client.arm(self.box.fd, self.box.pidfd, 1 << 20))

    def lost(self, request=peer.STATS):
        """The kernel's counters, by cause; all that is not among them has been told by then."""
        now = self.client.ask(peer.request(request))
        self.reader.read()
        assert now.code == peer.OK and now.emitted <= len(self.reader.records)
        return {cause: count for cause, count in enumerate(now.lost) if count}

    def lost_in_all(self):
        """The session is over."""
        return self.lost(peer.DISARM)

    def told(self, kind, op=None):
        return [b"/".join(part for part in r[5:7] if part).decode() for r in self.reader.records
                if r[0] == kind and op in (None, r[1])]


@pytest.fixture
def sessions(broker, box):  # noqa: F811
    def make(table):
        broker.start("--max-processes", str(table))
        return Session(broker, box, ALICE), Session(broker, box, BOB)

    return make


@pytest.fixture
def gates(tmp_path):
    """Fifos, each for one meeting of a container and its test."""
    for name in ("flooded", "end_flood", "first", "second"):
        os.mkfifo(tmp_path / name)
    return tmp_path


def let_go(gate):
    """Whoever waits for a line there. It opens for writing when somebody does."""
    gate.write("x\n")
    gate.close()


def test_processes(sessions, gates):
    """Bob is told of as long as he forks nothing; what is forked is missing, and counted."""
    table, children = 24, 40
    alice, bob = sessions(table)
    bob.box.begin(f"[ -e /bobs/1 ]; read x < {gates}/first; /bin/true; [ -e /bobs/2 ]; read x < {gates}/second; "
                  f"/bin/false; [ -e /bobs/3 ]")
    gate = open(gates / "first", "w")  # he has begun
    alice.box.begin(f"i=0; while [ $i -lt {children} ]; do sleep 600 & all=$all' '$!; i=$((i+1)); done; echo > {gates}/flooded; "
                    f"read x < {gates}/end_flood; kill $all; wait")
    (gates / "flooded").read_text()
    # The two shells are there as well. Each that is missing counts, once more if it executes something.
    assert set(alice.lost()) == {LOST_PROCESSES} and alice.lost()[LOST_PROCESSES] >= children + 2 - table
    assert bob.lost() == {}
    let_go(gate)
    gate = open(gates / "second", "w")
    missing = bob.lost()
    assert set(missing) == {LOST_PROCESSES}
    assert {"/bobs/1", "/bobs/2"} <= set(bob.told(peer.EV_ACCESS))
    (gates / "end_flood").write_text("x\n")
    alice.box.wait()
    let_go(gate)
    bob.box.wait()
    assert bob.lost_in_all() == missing, "there is room again"
    executed = [os.path.basename(path) for path in bob.told(peer.EV_EXEC)]
    assert "false" in executed and "true" not in executed
    assert "/bobs/3" in bob.told(peer.EV_ACCESS)


def test_names_of_calls_under_way(sessions, gates):
    """Where a relative name of rename(2) counts from is not known while there is no room for it: it is told, and counted."""
    table, threads = 64, 40
    place = gates / "place"
    place.mkdir()
    (place / "a").touch()
    alice, bob = sessions(table)
    bob.box.begin(f"cd {place}; read x < {gates}/first; mv a b; read x < {gates}/second; mv b c")
    gate = open(gates / "first", "w")
    alice.box.begin(f"exec /usr/bin/python3 -B {HERE}/call_flood.py {threads} {gates}/flooded {gates}/end_flood")
    (gates / "flooded").read_text()
    assert alice.lost() == {LOST_SCRATCH: 2 * threads - table}
    assert bob.lost() == {}
    let_go(gate)
    gate = open(gates / "second", "w")
    assert bob.lost() == {LOST_SCRATCH: 2}
    assert bob.told(peer.EV_ACCESS, RENAME) == [f"{place}/a"]
    (gates / "end_flood").write_text("x\n")
    assert alice.box.wait() == 0
    let_go(gate)
    assert bob.box.wait() == 0
    assert bob.lost_in_all() == {LOST_SCRATCH: 2}, "there is room again"
    assert bob.told(peer.EV_ACCESS, RENAME) == [f"{place}/a", f"{place}/b"]


def test_half_of_the_io_uring_requests(sessions, gates):
    """Whoever comes then has its share, and what is more is missing in its own trail."""
    more = 8
    os.mkfifo(gates / "nobody_writes")
    flood = f"/usr/bin/python3 -B {HERE}/uring_flood.py {gates}/nobody_writes"
    alice, bob = sessions(URING_MOST)  # so much is half of the table
    alice.box.begin(f"exec {flood} {URING_MOST + more} {gates}/flooded {gates}/end_flood")
    (gates / "flooded").read_text()
    assert alice.lost() == {LOST_SCRATCH: more}
    bob.box.begin(f"{flood} {URING_SHARE} || exit 1; read x < {gates}/first; {flood} {URING_SHARE + more} || exit 2; "
                  f"read x < {gates}/second; {flood} {URING_SHARE + more}")
    gate = open(gates / "first", "w")
    assert bob.lost() == {}, "the share is his"
    let_go(gate)
    gate = open(gates / "second", "w")
    assert bob.lost() == {LOST_SCRATCH: more}
    (gates / "end_flood").write_text("x\n")
    assert alice.box.wait() == 0
    let_go(gate)
    assert bob.box.wait() == 0
    assert bob.lost_in_all() == {LOST_SCRATCH: more}, "half of the table is free again"
    assert alice.lost_in_all() == {LOST_SCRATCH: more}
