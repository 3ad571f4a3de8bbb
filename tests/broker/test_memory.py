"""What spoord keeps in memory with a hundred sessions: little, and no ring."""

import peer
from test_pins import broker, eventually  # noqa: F401 (a fixture)

SESSIONS = 100
RESIDENT_KIB_MAX = 8 * 1024
RING_BYTES = 512 * 1024


def status_kib(pid, key):
    with open(f"/proc/{pid}/status") as status:
        return int(next(line for line in status if line.startswith(key + ":")).split()[1])


def mapped_rings(pid):
    """The programs' settings are mapped as well, and are smaller."""
    with open(f"/proc/{pid}/maps") as maps:
        bounds = [line.split()[0].split("-") for line in maps if "anon_inode:bpf" in line]
    return [end for begin, end in bounds if int(end, 16) - int(begin, 16) >= RING_BYTES]


def test_a_hundred_sessions(broker, box):  # noqa: F811
    broker.start()
    held = []
    for _ in range(SESSIONS):
        one, client = box(), broker.connect()
        assert client.arm(one.fd, one.pidfd, RING_BYTES).code == peer.OK
        held.append(client)
    resident = status_kib(broker.process.pid, "VmRSS")
    assert resident <= RESIDENT_KIB_MAX, f"{resident} KiB"
    assert not mapped_rings(broker.process.pid)
    for client in held:  # each of them is still a session
        assert client.ask(peer.request(peer.STATS)).code == peer.OK
