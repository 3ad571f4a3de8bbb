"""A recorder that hangs up and lives is coming back: spoord did not answer it in time, because it did not run."""

import os
import signal
import time
from pathlib import Path

import peer
import pytest
from test_pins import Reader, broker, eventually  # noqa: F401 (a fixture)

WAIT_S = 10  # shim/broker/orphans.cc
AT_ONCE_S = WAIT_S / 2


def ended(broker):  # noqa: F811
    """When the session has: nothing is pinned for it any more."""
    eventually(lambda: broker.pinned() == [], broker.pinned)
    return time.monotonic()


class Stopped:
    def __init__(self, broker):  # noqa: F811
        self.pid = broker.process.pid

    def __enter__(self):
        os.kill(self.pid, signal.SIGSTOP)
        eventually(lambda: Path(f"/proc/{self.pid}/stat").read_text().split()[2] == "T", "it runs")

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGCONT)


@pytest.mark.parametrize("asked", [peer.STATS, peer.GROW, peer.DISARM])
def test_a_session_goes_on_when_spoord_was_stopped(broker, box, tmp_path, asked):  # noqa: F811
    broker.start()
    container, client = box(), broker.connect()
    reader = Reader(client.arm(container.fd, container.pidfd))
    for round in range(2):
        last = round == 1
        if asked == peer.DISARM and not last:
            continue
        with Stopped(broker):
            client.send(peer.request(asked, reader.ring.size * 2))
            if last:
                assert container.run(f": > {tmp_path}/made") == 0
                container.remove()
            client.close()
            client = broker.connect()
            client.send(peer.request(peer.RESUME, token=reader.token))
        reply = client.receive()
        assert reply.code == peer.OK, reply.text
        reader.replace(reply)
    reader.read()
    assert reader.records[-1][0] == peer.EV_END and f"{tmp_path}/made" in reader.created()
    last = client.ask(peer.request(peer.DISARM))
    assert last.emitted == len(reader.records) and not any(last.lost)
    began = time.monotonic()
    client.close()
    assert ended(broker) - began < AT_ONCE_S


def test_what_was_answered_and_not_read_can_be_asked_again(broker, box):  # noqa: F811
    broker.start()
    container, client = box(), broker.connect()
    reader = Reader(client.arm(container.fd, container.pidfd))
    container.run("ls / > /dev/null")
    client.send(peer.request(peer.DISARM))
    eventually(lambda: "(disarmed)" in broker.log.read_text(), broker.log.read_text)
    client.socket.recv(1, peer.socket.MSG_PEEK)  # it is there
    client.close()
    client, reply = broker.resume(reader.token)
    assert reply.code == peer.OK, reply.text
    reader.read()
    last = client.ask(peer.request(peer.DISARM))
    assert last.emitted == len(reader.records) and not any(last.lost)


def test_who_does_not_come_back_is_waited_for_so_long(broker, box):  # noqa: F811
    broker.start()
    container, client = box(), broker.connect()
    reader = Reader(client.arm(container.fd, container.pidfd))
    began = time.monotonic()
    client.close()
    listed = broker.connect().ask(peer.request(peer.LIST))
    assert listed.exact == os.fstat(container.fd).st_ino, "it counts for its tenant meanwhile"
    assert ended(broker) - began > AT_ONCE_S
    assert "(nobody resumed it)" in broker.log.read_text()
    assert broker.resume(reader.token)[1].code == peer.NO_SESSION


def test_who_comes_back_may_hang_up_again_and_spoord_may_end(broker, box):  # noqa: F811
    broker.start()
    container, client = box(), broker.connect()
    reader = Reader(client.arm(container.fd, container.pidfd))
    for _ in range(3):
        client.close()
        client, reply = broker.resume(reader.token)
        assert reply.code == peer.OK, reply.text
    client.close()
    broker.terminate()
    broker.start()
    client, reply = broker.resume(reader.token)
    assert reply.code == peer.OK, reply.text
    client.close()
    assert broker.connect().arm(container.fd, container.pidfd).code == peer.OK, "asked for anew by its owner"


def test_who_has_ended_does_not_come_back(broker, box):  # noqa: F811
    broker.start()
    container = box()
    armed, tell = os.pipe()
    recorder = os.fork()
    if recorder == 0:
        try:
            client = broker.connect()
            os.write(tell, b"%d" % client.arm(container.fd, container.pidfd).code)
            signal.pause()
        finally:
            os._exit(1)
    assert os.read(armed, 16) == b"0"
    assert broker.pinned() != []
    began = time.monotonic()
    os.kill(recorder, signal.SIGKILL)
    assert ended(broker) - began < AT_ONCE_S
    os.waitpid(recorder, 0)
    assert "(its recorder ended)" in broker.log.read_text()
    os.close(armed)
    os.close(tell)
