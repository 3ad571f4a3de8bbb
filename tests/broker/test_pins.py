"""What is pinned outlives spoord: sessions go on when it is killed, and nothing is left when they end."""

import os
import random
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import peer
import pytest

DEADLINE_S = 60


def eventually(condition, what):
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.005)


class Broker:
    """A spoord that is killed and started again, on one socket and one directory of pins."""

    def __init__(self, place, bpffs):
        self.socket, self.log, self.pins = place / "socket", place / "log", bpffs / "spoor"
        self.process = None

    def spawn(self, *options, under=()):
        with open(self.log, "ab") as log:
            return subprocess.Popen([*under, os.environ["SPOORD"], "--allow-extra-capabilities", "--socket", self.socket, "--pins", self.pins,
                                     "--max-ring", str(1 << 21), *options], stderr=log)

    def start(self, *options, linger=0, version=peer.VERSION):
        self.process = self.spawn("--linger", str(linger), *options)
        client = self.connect()
        assert client.ask(peer.request(peer.HELLO, version=version)).code == peer.OK
        client.close()

    def connect(self):
        deadline = time.monotonic() + DEADLINE_S
        while True:
            try:
                client = peer.Peer(str(self.socket))
                client.socket.settimeout(DEADLINE_S)
                return client
            except OSError:
                assert self.process.poll() is None and time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.005)

    def resume(self, token):
        client = self.connect()
        return client, client.ask(peer.request(peer.RESUME, token=token))

    def kill(self):
        self.process.kill()
        self.process.wait()

    def terminate(self):
        self.process.terminate()
        assert self.process.wait(60) == 0, self.log.read_text()

    def pinned(self):
        return sorted(path.name for path in self.own_directory().iterdir())

    def own_directory(self):
        return max(self.pins.glob("v*"), key=lambda path: path.name != OTHER_VERSION)


OTHER_VERSION = "v9999-1"


@pytest.fixture
def broker():
    place = Path(tempfile.mkdtemp(prefix="spoord-test-"))
    place.chmod(0o755)
    bpffs = place / "bpf"
    bpffs.mkdir()
    subprocess.run(["mount", "-t", "bpf", "bpf", bpffs], check=True)
    one = Broker(place, bpffs)
    yield one
    if one.process and one.process.poll() is None:
        one.kill()
    subprocess.run(["umount", bpffs], check=True)
    shutil.rmtree(place)


class Reader:
    """What a recorder does: follows a session's ring, over its growth and over spoord's death."""

    def __init__(self, reply):
        assert reply.code == peer.OK, reply.text
        self.token = reply.token
        self.records = []
        self.ring = peer.Ring(reply.fds[0], reply.ring_bytes)

    def read(self):
        self.records += self.ring.records()
        self.ring.consumer[0:8] = self.ring.position.to_bytes(8, "little")

    def replace(self, reply):
        if reply.ring_bytes == self.ring.size:
            return
        self.read()
        self.ring = peer.Ring(reply.fds[0], reply.ring_bytes)

    def created(self):
        create_op = 3
        return {(r[5] + r[6]).decode() for r in self.records if r[:2] == (peer.EV_ACCESS, create_op)}


def test_pins_are_there_exactly_while_a_session_is(broker, box):
    broker.start()
    assert broker.pinned() == []
    containers = [box(), box()]
    clients = [broker.connect(), broker.connect()]
    for client, container in zip(clients, containers):
        assert client.arm(container.fd, container.pidfd).code == peer.OK
    pinned = broker.pinned()
    assert "complete" in pinned and "map_sessions" in pinned and "link_on_exit" in pinned
    assert len([name for name in pinned if name.startswith("ring_")]) == 2
    clients[0].close()
    eventually(lambda: len([name for name in broker.pinned() if name.startswith("ring_")]) == 1, broker.pinned)
    assert "link_on_exit" in broker.pinned()
    assert clients[1].ask(peer.request(peer.DISARM)).code == peer.OK
    clients[1].close()
    eventually(lambda: broker.pinned() == [], broker.pinned)
    broker.terminate()


@pytest.mark.parametrize("end", ["kill", "terminate"])
def test_a_session_goes_on_when_spoord_does_not(broker, box, tmp_path, end):
    broker.start()
    container, client = box(), broker.connect()
    reader = Reader(client.arm(container.fd, container.pidfd))
    getattr(broker, end)()
    # All of the container's life while nobody serves, and its cgroup's end.
    assert container.run(f": > {tmp_path}/made") == 0
    container.remove()
    broker.start()
    client, reply = broker.resume(reader.token)
    assert (reply.code, reply.ring_bytes) == (peer.OK, reader.ring.size), reply.text
    reader.read()
    assert reader.records[-1][0] == peer.EV_END and f"{tmp_path}/made" in reader.created()
    last = client.ask(peer.request(peer.DISARM))
    assert last.emitted == len(reader.records) and not any(last.lost)
    client.close()
    eventually(lambda: broker.pinned() == [], broker.pinned)


def test_what_was_told_is_not_told_again_by_the_next_spoord(broker, box, tmp_path):
    broker.start()
    container, client = box(), broker.connect()
    reader = Reader(client.arm(container.fd, container.pidfd))
    for fifo in ("begun", "go_on"):
        os.mkfifo(tmp_path / fifo)
    container.begin(f"[ -e /nothing ]; echo > {tmp_path}/begun; read x < {tmp_path}/go_on; [ -e /nothing ]; :")
    (tmp_path / "begun").read_bytes()
    broker.kill()
    broker.start()
    client, reply = broker.resume(reader.token)
    assert reply.code == peer.OK, reply.text
    (tmp_path / "go_on").write_bytes(b"x\n")
    assert container.wait() == 0
    reader.read()
    assert sum(r[0] == peer.EV_ACCESS and r[5] + r[6] == b"/nothing" for r in reader.records) == 1
    client.close()


def test_the_answer_to_disarm_can_be_had_again(broker, box):
    broker.start()
    container, client = box(), broker.connect()
    reader = Reader(client.arm(container.fd, container.pidfd))
    container.run("ls / > /dev/null")
    first = client.ask(peer.request(peer.DISARM))
    broker.kill()
    broker.start()
    client, reply = broker.resume(reader.token)
    assert reply.code == peer.OK
    again = client.ask(peer.request(peer.DISARM))
    assert (again.code, again.emitted, again.lost) == (peer.OK, first.emitted, first.lost)
    client.close()
    eventually(lambda: broker.pinned() == [], broker.pinned)


def test_killed_at_random_moments(broker, box, tmp_path):
    """A busy container, a growing ring, and a spoord that is killed again and again."""
    rounds, seed = 10, int(os.environ.get("SPOOR_SEED", random.randrange(1 << 32)))
    print(f"SPOOR_SEED={seed}")
    choice = random.Random(seed)
    broker.start()
    container, client = box(), broker.connect()
    reader = Reader(client.arm(container.fd, container.pidfd, 1 << 18))
    stop = tmp_path / "stop"
    files = tmp_path / "files"
    files.mkdir()
    running = threading.Thread(target=container.run, args=(
        f"i=0; while ! [ -e {stop} ]; do : > {files}/$i; rm {files}/$i; : > {files}/k$i; sleep 0.05; i=$((i+1)); done",))
    running.start()
    try:
        for _ in range(rounds):
            request = choice.choice([None, peer.STATS, peer.GROW])
            wanted = reader.ring.size * 2
            if request and not (request == peer.GROW and wanted > 1 << 21):
                client.send(peer.request(request, wanted if request == peer.GROW else 0))
            # Any moment of the request's, and later: the ring is read on meanwhile.
            until = time.monotonic() + choice.uniform(0, 0.03)
            while time.monotonic() < until:
                reader.read()
            broker.process.kill()
            while broker.process.poll() is None:
                reader.read()
            client.close()
            broker.process = broker.spawn("--linger", "0")
            resumed = []
            resuming = threading.Thread(target=lambda: resumed.extend(broker.resume(reader.token)))
            resuming.start()
            while resuming.is_alive():
                reader.read()
            client, reply = resumed
            assert reply.code == peer.OK, (reply.text, broker.log.read_text())
            reader.replace(reply)
    finally:
        stop.touch()
        while running.is_alive():
            reader.read()
    container.remove()
    reader.read()
    assert reader.records[-1][0] == peer.EV_END
    last = client.ask(peer.request(peer.DISARM))
    assert (last.emitted, last.lost) == (len(reader.records), (0,) * 5)
    made = {str(path) for path in files.iterdir()}
    assert made and made <= reader.created()
    client.close()
    eventually(lambda: broker.pinned() == [], broker.pinned)


def test_what_nobody_resumes_is_collected(broker, box):
    broker.start()
    container, client = box(), broker.connect()
    assert client.arm(container.fd, container.pidfd).code == peer.OK
    broker.kill()
    client.close()
    assert "complete" in broker.pinned()
    broker.start("--resume-grace", "1")
    eventually(lambda: broker.pinned() == [], broker.pinned)
    other = broker.connect()
    assert other.arm(container.fd, container.pidfd).code == peer.OK


def test_programs_stay_attached_for_the_next_session(broker, box):
    broker.start(linger=3600)
    for _ in range(2):
        container, client = box(), broker.connect()
        assert client.arm(container.fd, container.pidfd).code == peer.OK
        links = [name for name in broker.pinned() if name.startswith("link_")]
        client.close()
        eventually(lambda: not any(name.startswith("ring_") for name in broker.pinned()), broker.pinned)
        assert links and [name for name in broker.pinned() if name.startswith("link_")] == links
    broker.kill()
    broker.start(linger=1)  # adopts no session, and the programs
    eventually(lambda: broker.pinned() == [], broker.pinned)
    broker.terminate()
    broker.start(linger=3600)
    container, client = box(), broker.connect()
    assert client.arm(container.fd, container.pidfd).code == peer.OK
    client.close()
    eventually(lambda: not any(name.startswith("ring_") for name in broker.pinned()), broker.pinned)
    broker.terminate()
    assert broker.pinned() == []


def test_a_part_of_a_set_is_removed(broker, box):
    """As a spoord leaves it that is killed while it pins, or unpins."""
    broker.start()
    container, client = box(), broker.connect()
    reader = Reader(client.arm(container.fd, container.pidfd))
    broker.kill()
    (broker.own_directory() / "complete").rmdir()
    broker.start()
    assert broker.pinned() == []
    assert broker.resume(reader.token)[1].code == peer.NO_SESSION
    assert broker.connect().arm(container.fd, container.pidfd).code == peer.OK


def test_a_session_without_its_ring_is_no_session(broker, box):
    """A spoord that was killed between entering a session and answering."""
    broker.start()
    whole, cut = box(), box()
    clients = [broker.connect(), broker.connect()]
    kept = Reader(clients[0].arm(whole.fd, whole.pidfd))
    before = set(broker.pinned())
    lost = Reader(clients[1].arm(cut.fd, cut.pidfd))
    (ring,) = set(broker.pinned()) - before
    broker.kill()
    (broker.own_directory() / ring).unlink()
    broker.start()
    assert broker.resume(lost.token)[1].code == peer.NO_SESSION
    assert broker.resume(kept.token)[1].code == peer.OK
    assert broker.connect().arm(cut.fd, cut.pidfd).code == peer.OK


@pytest.mark.parametrize("descriptors", [20, 25, 30, 35])
def test_a_start_that_lacks_something_leaves_the_sessions(broker, box, descriptors):
    """What is missing to adopt them, and at which of its steps, is not the sessions' fault."""
    broker.start()
    container, client = box(), broker.connect()
    reader = Reader(client.arm(container.fd, container.pidfd))
    broker.kill()
    pinned = broker.pinned()
    broker.process = broker.spawn(under=["prlimit", f"--nofile={descriptors}"])
    reply = broker.connect().ask(peer.request(peer.RESUME, token=reader.token))
    assert reply.code == peer.UNAVAILABLE and "the pinned sessions wait" in reply.text, reply.text
    broker.process.terminate()
    assert broker.process.wait(60) == 1
    assert broker.pinned() == pinned
    assert container.run("ls / > /dev/null") == 0
    container.remove()
    broker.start()
    client, reply = broker.resume(reader.token)
    assert reply.code == peer.OK, reply.text
    reader.read()
    last = client.ask(peer.request(peer.DISARM))
    assert last.emitted == len(reader.records) > 0 and not any(last.lost)


def test_only_its_recorder_resumes_a_session(broker, box):
    broker.start()
    container, client = box(), broker.connect()
    reader = Reader(client.arm(container.fd, container.pidfd))
    assert any(reader.token)
    # Nothing to resume while its connection is there.
    assert broker.resume(reader.token)[1].code == peer.NO_SESSION
    broker.kill()
    broker.start()

    def attack():
        return all(broker.resume(token)[1].code == peer.NO_SESSION for token in (reader.token, (0, 0)))

    assert peer.as_user(65534, attack)
    wrong = (reader.token[0], reader.token[1] ^ 1)
    assert broker.resume(wrong)[1].code == peer.NO_SESSION
    assert broker.resume((0, 0))[1].code == peer.NO_SESSION
    client, reply = broker.resume(reader.token)
    assert reply.code == peer.OK
    assert broker.resume(reader.token)[1].code == peer.NO_SESSION  # once


def test_its_owner_may_ask_for_the_cgroup_anew(broker, box):
    broker.start()
    container, client = box(), broker.connect()
    reader = Reader(client.arm(container.fd, container.pidfd))
    broker.kill()
    broker.start()
    second = broker.connect()
    assert second.arm(container.fd, container.pidfd).code == peer.OK
    assert broker.resume(reader.token)[1].code == peer.NO_SESSION


def test_other_versions_are_left_alone(broker, box):
    broker.start()
    broker.terminate()
    other = broker.pins / OTHER_VERSION
    (other / "complete").mkdir(parents=True)
    subprocess.run(["bpftool", "map", "create", other / "map_sessions", "type", "hash", "key", "4", "value", "4",
                    "entries", "1", "name", "other"], check=True)
    broker.start("--resume-grace", "1")
    container, client = box(), broker.connect()
    reader = Reader(client.arm(container.fd, container.pidfd))
    broker.kill()
    broker.start()
    client, reply = broker.resume(reader.token)
    assert reply.code == peer.OK
    client.close()
    eventually(lambda: broker.pinned() == [], broker.pinned)
    assert sorted(path.name for path in other.iterdir()) == ["complete", "map_sessions"]


def test_one_spoord_a_directory(broker):
    broker.start()
    second = subprocess.run([os.environ["SPOORD"], "--allow-extra-capabilities", "--socket", f"{broker.socket}2", "--pins", broker.pins],
                            stderr=subprocess.PIPE, text=True, timeout=DEADLINE_S)
    assert second.returncode == 1 and "another spoord uses it" in second.stderr


def test_pins_need_a_bpffs_of_ones_own(broker, tmp_path):
    def refused(directory):
        run = subprocess.run([os.environ["SPOORD"], "--allow-extra-capabilities", "--socket", broker.socket, "--pins", directory],
                             stderr=subprocess.PIPE, text=True, timeout=DEADLINE_S)
        assert run.returncode == 1
        return run.stderr

    assert "not on a bpffs" in refused(tmp_path)
    broker.start()
    broker.terminate()
    os.chmod(broker.own_directory(), 0o770)
    assert "nobody else to write" in refused(broker.pins)
    os.chmod(broker.own_directory(), 0o755)
    os.chown(broker.own_directory(), 65534, 65534)
    assert "must belong to spoord's user" in refused(broker.pins)
