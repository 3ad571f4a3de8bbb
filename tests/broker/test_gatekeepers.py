"""Descriptors whose closing waits for as long as the peer likes: they keep nobody waiting but that peer."""

import contextlib
import os
import resource
import signal
import socket
import struct
import threading
import time
from pathlib import Path

import governed
import peer
import pytest
from test_pins import Reader
from test_pins import broker as pinning  # noqa: F401 (a fixture)
from test_tenants import Traced, spoord  # noqa: F401 (a fixture)

ALICE, BOB = 65533, 65534  # Bob is the hostile one
FOREVER_S = 3600
ATTEMPTS = 12
AT_ONCE = 4  # gatekeepers of a tenant, shim/broker/gate.cc
MOST = AT_ONCE + 2 + 2  # with the idle ones and those that close sockets, one of which may be dying
MALFORMED = b"malformed"
FLOODERS, FLOOD_S = 4, 3
AT_MOST_S = 2  # what a recorder waits for an answer (setup_deadline)


def lingering():
    """A TCP socket that is not closed before its other end has taken what nobody takes there."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        sender = socket.create_connection(listener.getsockname())
        other, _ = listener.accept()
    sender.setblocking(False)
    try:
        while True:
            sender.send(bytes(1 << 16))
    except BlockingIOError:
        pass
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, FOREVER_S))
    lingering.kept.append(other)
    return sender.detach()


lingering.kept = []


def children(pid):
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def state(pid):
    """As /proc has it; None of what is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2]
    except (FileNotFoundError, ProcessLookupError):
        return None


def links(pid):
    """Of its descriptors."""
    found = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/{pid}/fd/{name}"))
    return found


def gatekeepers(broker):
    (maker,) = children(broker.process.pid)
    return children(maker)


class Attacker:
    """Does body() in a child, where descriptors are closed that the test's own process must not close: it would wait."""

    def __init__(self, body):
        self.result, result = os.pipe()
        os.set_blocking(self.result, False)
        self.pid = os.fork()
        if self.pid == 0:
            try:
                body()
                os.write(result, b"done")
            except BaseException as error:
                os.write(result, repr(error).encode())
            os._exit(0)
        os.close(result)

    def outcome(self):
        try:
            return os.read(self.result, 4096)
        except BlockingIOError:
            return None

    def wait(self):
        os.close(self.result)
        os.waitpid(self.pid, 0)


def passed_to_arm(descriptor, container):
    """In the cgroup's place."""
    def attempt(broker):
        client = broker.connect(BOB)
        client.send(peer.request(peer.ARM, container=b"hostile"), [descriptor(), container.pidfd])
        return client
    return attempt


def passed_with_hello(descriptor, _):
    def attempt(broker):
        client = broker.connect(BOB)
        client.send(peer.request(peer.HELLO), [descriptor()])
        return client
    return attempt


def left_unread(descriptor, _):
    """spoord closes the connection for the first packet and never reads the second."""
    def attempt(broker):
        client = broker.connect(BOB)
        os.kill(broker.process.pid, signal.SIGSTOP)
        try:
            while state(broker.process.pid) != "T":
                pass
            client.send(MALFORMED)
            client.send(peer.request(peer.HELLO), [descriptor()])
        finally:
            os.kill(broker.process.pid, signal.SIGCONT)
        return client
    return attempt


@pytest.mark.parametrize("what, how, code", [
    ("linger", passed_to_arm, peer.NOT_A_CGROUP),
    ("linger", passed_with_hello, peer.BAD_REQUEST),
    ("linger", left_unread, peer.BAD_REQUEST),
    ("flush", passed_to_arm, peer.NOT_A_CGROUP),
    ("getattr", passed_to_arm, peer.UNAVAILABLE),
])
def test_who_passes_what_waits_waits_alone(spoord, box, fuse, what, how, code):  # noqa: F811
    broker = spoord({"name": "alice", "uid": ALICE}, {"name": "bob", "uid": BOB})
    alice = Traced(broker, box, ALICE)
    container = box(owner=BOB)
    place = None if what == "linger" else fuse(what)

    def descriptor():
        if place is None:
            return lingering()
        return os.open(place / "file" if what == "flush" else place, os.O_RDONLY)

    def attack():
        attempt = how(descriptor, container)
        clients = [attempt(broker) for _ in range(ATTEMPTS)]
        for client in clients:
            reply = client.receive() or client.receive()  # of what is left unread the kernel tells first
            assert reply.code in (code, peer.UNAVAILABLE), reply.text

    attacker = Attacker(attack)
    while (outcome := attacker.outcome()) is None:
        assert alice.peer.ask(peer.request(peer.STATS)).code == peer.OK
        assert len(gatekeepers(broker)) <= MOST
    assert outcome == b"done"
    assert broker.audit(event="request", outcome="refused", uid=BOB, code=peer.CODES[code])
    other = Traced(broker, box, ALICE, container=b"other")
    alice.finish("ls / > /dev/null")
    other.finish("ls / > /dev/null")
    fuse.end()
    attacker.wait()
    broker.until(lambda: len(gatekeepers(broker)) <= MOST - AT_ONCE)
    Traced(broker, box, BOB, container=b"bob's").finish()


def test_gatekeepers_that_are_killed(spoord, box):  # noqa: F811
    broker = spoord({"name": "alice", "uid": ALICE})
    for number in range(5):
        for pid in gatekeepers(broker):
            os.kill(pid, signal.SIGKILL)
            broker.until(lambda: pid not in gatekeepers(broker))
        Traced(broker, box, ALICE, container=b"%d" % number).finish()


def test_without_anybody_to_make_gatekeepers(box, pinning, tmp_path):  # noqa: F811
    """There is no spoord without: the next one takes the sessions over."""
    pinning.start()
    container, client = box(), pinning.connect()
    reader = Reader(client.arm(container.fd, container.pidfd))
    (maker,) = children(pinning.process.pid)
    os.kill(maker, signal.SIGKILL)
    assert pinning.process.wait(60) == 1
    assert "gatekeepers has ended" in pinning.log.read_text()
    # All of the container's life while nobody serves.
    assert container.run(f": > {tmp_path}/made") == 0
    container.remove()
    pinning.start()
    client, reply = pinning.resume(reader.token)
    assert reply.code == peer.OK, reply.text
    reader.read()
    assert reader.records[-1][0] == peer.EV_END and f"{tmp_path}/made" in reader.created()
    last = client.ask(peer.request(peer.DISARM))
    assert last.emitted == len(reader.records) and not any(last.lost)


def test_a_spoord_without_room_for_descriptors(spoord, box):  # noqa: F811
    """It says so, instead of taking what is missing for the peer's mistake."""
    broker = spoord({"name": "alice", "uid": ALICE})
    container, client = box(owner=ALICE), broker.connect(ALICE)
    assert client.ask(peer.request(peer.HELLO)).code == peer.OK
    pid = broker.process.pid
    broker.until(lambda: any("pidfd" in link for link in links(pid)))  # the one that is held ready is there
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    used, until = set(range(1024)), time.monotonic() + 1
    while time.monotonic() < until:  # the file of the metrics is open now and then
        used &= {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
    lowest = next(number for number in range(len(used) + 1) if number not in used)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (lowest, before[1]))
    reply = client.arm(container.fd, container.pidfd)
    assert (reply.code, reply.text[-9:]) == (peer.UNAVAILABLE, "try again"), reply.text
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    Traced(broker, box, ALICE).finish()


def test_who_connects_without_end_keeps_nobody_waiting(spoord, box):  # noqa: F811
    broker = spoord({"name": "alice", "uid": ALICE}, {"name": "bob", "uid": BOB})
    alice = Traced(broker, box, ALICE)
    assert alice.reply.code == peer.OK, alice.reply.text
    path, over = str(broker.socket), threading.Event()

    def connect_without_end():
        while not over.is_set():
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
                client.setblocking(False)
                try:
                    client.connect(path)
                except BlockingIOError:  # the queue is full, as it should be
                    time.sleep(0.0001)

    def flood():
        threads = [threading.Thread(target=connect_without_end) for _ in range(FLOODERS)]
        for thread in threads:
            thread.start()
        time.sleep(FLOOD_S)
        over.set()
        for thread in threads:
            thread.join()

    def as_bob():
        assert peer.as_user(BOB, lambda: flood() is None)

    attackers = [Attacker(as_bob) for _ in range(2)]
    asked, longest, ended = 0, 0, 0
    while ended < len(attackers):
        began = time.monotonic()
        for request in (peer.STATS, peer.LIST):
            assert alice.peer.ask(peer.request(request)).code == peer.OK
        longest = max(longest, time.monotonic() - began)
        asked += 1
        outcomes = [attacker.outcome() for attacker in attackers]
        assert set(outcomes) <= {None, b"done", b""}, outcomes
        ended += outcomes.count(b"done")
    for attacker in attackers:
        attacker.wait()
    assert asked > 0 and longest < AT_MOST_S
    assert broker.audit(event="request", outcome="refused", uid=BOB)
    alice.finish("ls / > /dev/null")


def test_they_end_with_spoord():
    broker = governed.Spoord([])
    (maker,) = children(broker.process.pid)
    all_of_them = [maker, *broker.until(lambda: children(maker))]
    broker.process.kill()
    broker.process.wait()
    deadline = time.monotonic() + 60
    while any(state(pid) not in ("Z", None) for pid in all_of_them):
        assert time.monotonic() < deadline
        time.sleep(0.01)
