"""A spoord in a pid namespace of its own. That all is traced where its peers are in it, too: e2e.pid_namespace."""

import os
import subprocess

import peer
import pytest
from test_pins import Broker, eventually

INSIDE = ["unshare", "--pid", "--fork", "--kill-child"]


@pytest.fixture
def start(tmp_path):
    brokers = []

    def begin(*namespaces):
        broker = Broker(tmp_path, tmp_path)
        with open(broker.log, "ab") as log:
            broker.process = subprocess.Popen([*INSIDE, *namespaces, os.environ["SPOORD"], "--allow-extra-capabilities", "--socket",
                                               broker.socket, "--pins", "none"], stderr=log)
        brokers.append(broker)
        return broker

    yield begin
    for broker in brokers:
        broker.kill()


def test_a_process_that_is_not_in_it(start, box):
    """It has no number there, so nobody would know it when it executes something."""
    client, container = start("--mount-proc").connect(), box()
    assert client.ask(peer.request(peer.HELLO)).code == peer.OK
    assert client.arm(container.fd, container.pidfd).code == peer.BAD_PROCESS


def test_the_numbers_of_another_one(start, box):
    """What /proc says there is said of others."""
    broker, replies = start(), []

    def answered():
        try:
            replies.append(broker.connect().ask(peer.request(peer.HELLO)))
        except BrokenPipeError:  # it waits a moment only for what a peer wants
            return False
        return replies[-1]

    eventually(answered, "it says why it serves nobody")
    reply = replies[-1]
    assert reply.code == peer.UNAVAILABLE and "/proc is not of this pid namespace" in reply.text
