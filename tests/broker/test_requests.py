"""Requests of io_uring that never end are bounded for each session: who has too many has lost some, and nobody else. Those
whose end is not seen are lost."""

import os
from pathlib import Path

import peer
from test_pins import broker  # noqa: F401 (a fixture)

FLOOD = Path(__file__).parent / "uring_flood.py"
UNSEEN = Path(__file__).parent / "uring_unseen.py"
AT_ONCE = 1024  # bpf/uring.bpf.h, URING_REQUESTS_MAX
TOO_MANY = 76
LOST_SCRATCH, LOST_FAULT = 1, 3


def test_requests_that_never_end(broker, box, tmp_path):  # noqa: F811
    broker.start()
    os.mkfifo(tmp_path / "fifo")
    hostile, other = box(), box()
    client, quiet = broker.connect(), broker.connect()
    assert client.arm(hostile.fd, hostile.pidfd, 1 << 21).code == peer.OK
    assert quiet.arm(other.fd, other.pidfd).code == peer.OK
    assert hostile.run(f"exec /usr/bin/python3 -B {FLOOD} {tmp_path}/fifo {AT_ONCE + TOO_MANY}") == 0
    lost = client.ask(peer.request(peer.DISARM)).lost
    assert lost[LOST_SCRATCH] == TOO_MANY and sum(lost) == TOO_MANY, lost
    assert other.run("cat /etc/passwd > /dev/null") == 0
    assert not any(quiet.ask(peer.request(peer.DISARM)).lost)


def test_requests_that_end_count_no_more(broker, box, tmp_path):  # noqa: F811
    broker.start()
    os.mkfifo(tmp_path / "fifo")
    one, client = box(), broker.connect()
    assert client.arm(one.fd, one.pidfd, 1 << 21).code == peer.OK
    flood = f"/usr/bin/python3 -B {FLOOD} {tmp_path}/fifo {AT_ONCE}"
    assert one.run(f"{flood} && {flood}") == 0
    assert not any(client.ask(peer.request(peer.DISARM)).lost)


def test_requests_whose_end_is_not_seen(broker, box, tmp_path):  # noqa: F811
    """No more is missing than those that would have been told."""
    broker.start()
    (tmp_path / "file").touch()
    one, client = box(), broker.connect()
    assert client.arm(one.fd, one.pidfd, 1 << 21).code == peer.OK
    assert one.run(f"exec /usr/bin/python3 -B {UNSEEN} {tmp_path}/file") == 0
    lost = client.ask(peer.request(peer.DISARM)).lost
    assert lost[LOST_FAULT] == 2 and sum(lost) == 2, lost
