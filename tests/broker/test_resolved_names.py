"""The table of names that the kernel has resolved (families lsm and fentry), made small and filled: another's names are told as
they were written meanwhile, and say so.
"""

import os

import peer
from test_pins import broker  # noqa: F401 (a fixture)
from test_shared_tables import gates, let_go, sessions  # noqa: F401 (fixtures)

TABLE, THREADS = 64, 100
NAMES = ["before", "meanwhile", "afterwards"]
SYSCALL_EXIT = 1
LEXICAL = 1
# Each of them is in stat(2) until the file system answers.
FLOOD = "import os, sys, threading\nfor _ in range(int(sys.argv[1])): threading.Thread(target=os.stat, args=sys.argv[2:]).start()"


def test_names_that_are_looked_up(sessions, gates, fuse):  # noqa: F811 (imported fixtures)
    place = fuse("getattr")
    (gates / "real").mkdir()
    for name in NAMES:
        (gates / "real" / name).touch()
    (gates / "alias").symlink_to("real")
    alice, bob = sessions(TABLE)
    assert bob.client.ask(peer.request(peer.STATS)).family != SYSCALL_EXIT
    bob.box.begin(f"cd {gates}; [ -e alias/before ]; read x < first; [ -e alias/meanwhile ]; read x < second; [ -e alias/afterwards ]")
    gate = open(gates / "first", "w")
    alice.box.begin(f"exec /usr/bin/python3 -B -c '{FLOOD}' {THREADS} {place}/file 2>/dev/null")
    fuse.wait_for(THREADS)
    let_go(gate)
    gate = open(gates / "second", "w")
    assert bob.lost() == {} and alice.lost() == {}
    fuse.end()
    assert alice.box.wait() == 0
    let_go(gate)
    assert bob.box.wait() == 0
    assert bob.lost_in_all() == {}
    told = {path: bool(record[2] & LEXICAL) for record in bob.reader.records if record[0] == peer.EV_ACCESS
            for path in [b"/".join(part for part in record[5:7] if part).decode()] if os.path.basename(path) in NAMES}
    assert told == {f"{gates}/real/before": False, f"{gates}/alias/meanwhile": True, f"{gates}/real/afterwards": False}
