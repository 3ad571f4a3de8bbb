"""What the programs keep of a session is its own: a tenant that floods its tables has its own trail less exact, or
incomplete, and nobody else's."""

import os
from pathlib import Path

import peer
import pytest
from test_tenants import ALICE, BOB, Traced, rule, spoord  # noqa: F401 (a fixture)

HERE = Path(__file__).parent
READ = 1
INHERITED = 1 << 3
LEAST_ENTRIES = 1024  # a table of so many has room for 160 open files (bpf/state.h)
AT_ONCE, CHILDREN = 900, 45  # more in all than a table of 32,768 for all sessions of a machine would have room for


def flags_of(traced, op, path):
    """Of the records that tell of it, in their order."""
    told = peer.Ring(traced.reply.fds[0], traced.reply.ring_bytes).records()
    return [flags for kind, done, flags, _, _, base, name, *_ in told
            if kind == peer.EV_ACCESS and done == op and base + name == str(path).encode()]


@pytest.fixture
def files(tmp_path):
    made = {}
    for name in ("alices", "bobs", "other"):
        made[name] = tmp_path / name
        made[name].write_text("text\n")
    for name in ("begun", "go_on"):
        made[name] = tmp_path / name
        os.mkfifo(made[name])
    return made


def test_a_flood_of_open_files(spoord, box, files):  # noqa: F811
    """Whoever floods them reads what it has opened itself, and it looks inherited. Another's file does not."""
    broker = spoord(rule("small", ALICE, dedupe_entries_each=LEAST_ENTRIES), rule("large", BOB))
    alice, bob = Traced(broker, box, ALICE, 1 << 20), Traced(broker, box, BOB, 1 << 20)
    bob.box.begin(f"exec 3< {files['bobs']}; echo > {files['begun']}; read x < {files['go_on']}; read x <&3")
    files["begun"].read_bytes()
    flood = f"exec /usr/bin/python3 -B {HERE}/open_files.py {files['alices']} {files['other']} {AT_ONCE} {CHILDREN}"
    assert alice.box.run(flood) == 0
    files["go_on"].write_text("x\n")
    assert bob.box.wait() == 0
    assert flags_of(alice, READ, files["alices"]) == [INHERITED], "the flood was larger than the table"
    assert flags_of(bob, READ, files["bobs"]) == [0]
    for traced in (alice, bob):
        assert not any(traced.peer.ask(peer.request(peer.DISARM)).lost)


def test_closed_files_make_room(spoord, box, files):  # noqa: F811
    """However many files come and go, one that stays open is known as long as the table has room for all that are."""
    broker = spoord(rule("small", ALICE, dedupe_entries_each=LEAST_ENTRIES))
    alice = Traced(broker, box, ALICE, 1 << 23)
    others = f"i=0; while [ $i -lt 150 ]; do /bin/cat {files['other']} > /dev/null; i=$((i+1)); done"
    assert alice.box.run(f"exec 3< {files['alices']}; {others}; read x <&3") == 0
    last = alice.peer.ask(peer.request(peer.DISARM))
    assert not any(last.lost), last.lost
    assert flags_of(alice, READ, files["alices"]) == [0]
