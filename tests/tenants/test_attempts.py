"""What one user tries at the other's session while both have traced containers: each attempt is refused with the reason
that docs/broker-protocol.md has for it, the audit log has that refusal with who asked, and the other's session is complete.

The root of the hierarchy, which no user of this environment sees, is tried in tests/broker/test_root_cgroup.py.
"""

import itertools
import json
import mmap
import os
import resource
import signal
import socket
import struct
import subprocess

import peer
import pytest
from conftest import LOG, audit
from harness import until
from test_two_users import BROKER, is_whole, start

MODES = 1 << 31 | 0b110 << 8 | 1  # warn, and what the first user's tasks may have (spoor.yaml)
KIB64 = 1 << 16
PROBES = 300  # of the other's container, while the attempts begin
SERIAL = itertools.count()


def inspected(user, name):
    """(cgroup, pid, id) of a running container."""
    done = user("podman", "inspect", "--format", "{{.State.CgroupPath}} {{.State.Pid}} {{.Id}}", name)
    cgroup, pid, identity = done.out.split()
    return "/sys/fs/cgroup" + cgroup, int(pid), identity


class Victim:
    """A traced container of the second user's, which goes on to its end when it is let go."""

    SCRIPT = (f"cat /proc/version > /dev/null; i=0; while [ $i -lt {PROBES} ]; do [ -e /hers/$i ]; i=$((i+1)); done; "
              "read x < /gate/go; cat /proc/uptime > /dev/null; [ -e /hers/last ]; exit 7")

    def __init__(self, user):
        self.user, self.name = user, f"victim-{next(SERIAL)}"
        gate = user.place / f"gate-{self.name}"
        done = user("sh", "-c", f"mkdir {gate} && mkfifo {gate}/go")
        assert done.code == 0, done
        self.gate = gate / "go"
        self.volume, done = start(user, self.name, "sh", "-c", self.SCRIPT, options=["-v", f"{gate}:/gate"], detached=True)
        assert done.code == 0, done
        path, pid, self.container = inspected(user, self.name)
        self.cgroup, self.pidfd, self.pid = user.open(path), os.pidfd_open(pid), pid
        self.cgroup_id = os.fstat(self.cgroup).st_ino

    def goes_on_to_its_end(self):
        done = self.user("sh", "-c", f"echo > {self.gate}; podman wait {self.name}; podman rm {self.name}")
        assert (done.code, done.out.split()[0]) == (0, "7"), done
        is_whole(self.user, self.volume)
        told = self.user("grep", "-c", '"/hers/[0-9]*"', self.volume / "trace" / "accesses.jsonl")
        assert int(told.out) == PROBES, told
        for path in ("/proc/uptime", "/hers/last"):
            assert self.user("grep", "-q", f'"{path}"', self.volume / "trace" / "accesses.jsonl").code == 0, path
        end, = audit(event="end", uid=self.user.uid, container=self.container)
        assert end["counters"]["records"] >= PROBES and not any(end["counters"]["lost"].values()), end
        for descriptor in (self.cgroup, self.pidfd):
            os.close(descriptor)


class OwnCgroup:
    """One of the first user's, with a shell in it that executes another one when it is first told to do something."""

    SHELL = """read line; exec sh -c 'while read line; do eval "$line"; echo done; done'"""

    def __init__(self):
        self.path = f"/sys/fs/cgroup/attempt-{next(SERIAL)}"
        os.mkdir(self.path)
        self.process = subprocess.Popen(["sh", "-c", self.SHELL], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.began = False
        with open(self.path + "/cgroup.procs", "w") as processes:
            processes.write(str(self.process.pid))
        self.fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        self.pidfd = os.pidfd_open(self.process.pid)

    def does(self, command):
        self.process.stdin.write(f"{command}\n".encode() if self.began else f"\n{command}\n".encode())
        self.process.stdin.flush()
        self.began = True
        assert self.process.stdout.readline() == b"done\n"

    def remove(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        for descriptor in (self.fd, self.pidfd):
            os.close(descriptor)
        os.rmdir(self.path)


class Stage:
    """Who attacks, what they have, and what is said of them."""

    def __init__(self, user, victim, container):
        self.user, self.victim, self.container = user, victim, container
        self.said_before = LOG.stat().st_size
        self.made = []
        self.sessions = 0

    def connect(self):
        self.made.append(peer.Peer(BROKER))
        return self.made[-1]

    def cgroup(self):
        own = OwnCgroup()
        self.made.append(own)
        return own

    def arm(self, client, cgroup, pidfd, ring_bytes=KIB64):
        reply = client.ask(peer.request(peer.ARM, ring_bytes, pid=MODES), [cgroup, pidfd])
        self.sessions += reply.code == peer.OK
        return reply

    def lines(self, **wanted):
        """What the audit log has said since the beginning of the test."""
        with open(LOG, "rb") as log:
            log.seek(self.said_before)
            text = log.read()
        told = [json.loads(line) for line in text[:text.rfind(b"\n") + 1].splitlines() if line.startswith(b"{")]
        return [line for line in told if all(line.get(key) == value for key, value in wanted.items())]

    def is_refused(self, reply, code, reason, **wanted):
        """The refusal, and its line in the audit log."""
        assert reply is not None and (reply.code, reply.fds) == (code, []) and reason in reply.text, \
            reply and (reply.code, reply.text)
        wanted = {"event": "request", "outcome": "refused", "code": peer.CODES[code], "reason": reply.text,
                  "uid": self.user.uid, "gid": os.getegid(), "pid": os.getpid(), "tenant": self.user.name, **wanted}
        return until(lambda: self.lines(**wanted), lambda: f"the audit log says {wanted}: {self.lines()}")[-1]

    def end(self):
        for one in reversed(self.made):
            one.close() if isinstance(one, peer.Peer) else one.remove()
        until(lambda: len(self.lines(event="end", pid=os.getpid())) == self.sessions, "the next test finds none of them")


@pytest.fixture(scope="module")
def attackers_container(users):
    """The first user has a traced container all the time, too."""
    first, _ = users
    volume, done = start(first, "attacker", "sh", "-c", "cat /proc/version; sleep 600", detached=True)
    assert done.code == 0, done
    path, pid, _ = inspected(first, "attacker")
    yield path, pid
    done = first("podman", "rm", "--force", "--time", "0", "attacker")
    assert done.code == 0, done
    is_whole(first, volume)


@pytest.fixture
def stage(users, attackers_container):
    first, second = users
    one = Stage(first, Victim(second), attackers_container)
    yield one
    one.end()
    one.victim.goes_on_to_its_end()


def test_the_others_cgroup(stage):
    """Its owner has even handed over the descriptor. With a process of the other's, and with one of the attacker's."""
    for pidfd in (stage.victim.pidfd, stage.cgroup().pidfd):
        reply = stage.arm(stage.connect(), stage.victim.cgroup, pidfd)
        stage.is_refused(reply, peer.NOT_OWNER, f"uid {stage.user.uid} owns neither the cgroup nor one above it",
                         request="arm", cgroupId=stage.victim.cgroup_id)
    until(lambda: len(stage.lines(event="request", code="not_owner")) == 2, "each of them has a line of its own")


def test_what_all_of_the_others_lie_beneath(stage):
    """The cgroup that has been delegated to them, as a user's slice is."""
    above = stage.victim.user.open("/sys/fs/cgroup")
    reply = stage.arm(stage.connect(), above, stage.victim.pidfd)
    stage.is_refused(reply, peer.NOT_OWNER, "owns neither", request="arm", cgroupId=os.fstat(above).st_ino)
    os.close(above)


def test_a_forged_message(stage):
    """Of another origin, in another's name, and in a session that is not one's own."""
    client = stage.connect()
    reply = client.ask(peer.request(peer.HELLO, magic=0x524f4f50))
    stage.is_refused(reply, peer.BAD_REQUEST, "malformed", request="invalid")
    assert client.receive() is None, "the connection is closed"
    client = stage.connect()
    other = struct.pack("iII", stage.victim.pid, stage.victim.user.uid, stage.victim.user.uid)
    with pytest.raises(PermissionError):
        client.socket.sendmsg([peer.request(peer.HELLO)], [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, other)])
    own = stage.cgroup()
    named = peer.request(peer.ARM, KIB64, stage.victim.container.encode(), pid=MODES)
    reply = client.ask(named, [stage.victim.cgroup, own.pidfd])
    stage.is_refused(reply, peer.NOT_OWNER, "owns neither", request="arm", container=stage.victim.container)
    for kind, name in ((peer.STATS, "stats"), (peer.GROW, "grow"), (peer.DISARM, "disarm"), (peer.RENEW, "renew")):
        reply = client.ask(peer.request(kind, 1 << 20, pid=stage.victim.pid))
        stage.is_refused(reply, peer.BAD_REQUEST, "no session on this connection", request=name)


def test_a_replayed_message(stage):
    """What was granted once, sent again: the attacker's own request, the other's, and a token that is not theirs."""
    own, first = stage.cgroup(), stage.connect()
    granted = stage.arm(first, own.fd, own.pidfd)
    assert granted.code == peer.OK, granted.text
    stage.is_refused(stage.arm(stage.connect(), own.fd, own.pidfd), peer.ALREADY_TRACED, "traced already",
                     request="arm", cgroupId=os.fstat(own.fd).st_ino)
    again = peer.request(peer.ARM, 1 << 19, stage.victim.container.encode(), pid=1 << 31 | 0b100 << 8 | 2)
    stage.is_refused(stage.connect().ask(again, [stage.victim.cgroup, stage.victim.pidfd]), peer.NOT_OWNER, "owns neither",
                     request="arm", cgroupId=stage.victim.cgroup_id)
    reply = stage.connect().ask(peer.request(peer.RESUME, token=granted.token))
    stage.is_refused(reply, peer.NO_SESSION, "no session to resume with this token", request="resume")


def test_a_stale_pidfd(stage):
    own = stage.cgroup()
    own.process.send_signal(signal.SIGKILL)
    own.process.wait()
    stage.is_refused(stage.arm(stage.connect(), own.fd, own.pidfd), peer.BAD_PROCESS, "has ended", request="arm")


def test_a_plain_directory(stage, tmp_path):
    plain = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    for pidfd in (stage.cgroup().pidfd, stage.victim.pidfd):
        stage.is_refused(stage.arm(stage.connect(), plain, pidfd), peer.NOT_A_CGROUP, "not a cgroup directory", request="arm")
    os.close(plain)


def are_malformed(stage, *packets):
    for message, descriptors in packets:
        client = stage.connect()
        stage.is_refused(client.ask(message, descriptors), peer.BAD_REQUEST, "malformed", request="invalid")
        assert client.receive() is None, "the connection is closed"
    until(lambda: len(stage.lines(event="request", code="bad_request")) == len(packets), "each is in the audit log")


def test_oversized_messages(stage):
    hello = peer.request(peer.HELLO)
    are_malformed(stage, (hello + b"x", []), (hello * 200, []))


def test_truncated_messages(stage):
    """By a byte, to its head, to a byte; and one that brings descriptors along."""
    own, hello = stage.cgroup(), peer.request(peer.HELLO)
    arm = peer.request(peer.ARM, KIB64, pid=MODES)
    are_malformed(stage, (hello[:-1], []), (hello[:8], []), (b"x", []), (arm[:-1], [own.fd, own.pidfd]))


def test_ten_thousand_connections(stage):
    most = 1024  # docs/tenants.md, `connections`
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 12000), hard))
    crowd = [stage.connect() for _ in range(10000)]  # connecting waits while the queue is full
    turned_away = []
    for client in crowd:
        try:
            reply = client.ask(peer.request(peer.HELLO))
        except OSError:  # closed before the request could be sent: the refusal is there all the same, or was taken back
            reply = None
        if reply is None or reply.code == peer.QUOTA:
            turned_away.append(reply)
    assert len(turned_away) >= 10000 - most
    for reason in {reply.text for reply in turned_away if reply}:
        assert reason.startswith("tenant first "), reason
    wanted = {"event": "request", "request": "connect", "outcome": "refused", "code": "quota", "uid": stage.user.uid,
              "pid": os.getpid(), "tenant": stage.user.name}
    assert until(lambda: stage.lines(**wanted), "the audit log has refusals")


def test_scribbling_over_the_ring(stage):
    """What only spoord's programs write the kernel lets nobody map writable; what a reader may write is its own loss."""
    own, client = stage.cgroup(), stage.connect()
    granted = stage.arm(client, own.fd, own.pidfd)
    assert granted.code == peer.OK, granted.text
    for offset in (mmap.PAGESIZE, 2 * mmap.PAGESIZE):  # the producer's position, the records
        with pytest.raises(PermissionError):
            mmap.mmap(granted.fds[0], mmap.PAGESIZE, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=offset)
    ring = peer.Ring(granted.fds[0], granted.ring_bytes)
    for position in (1, 1 << 40, (1 << 64) - 8):
        ring.consumer[0:8] = struct.pack("=Q", position)
        own.does("cat /proc/version > /dev/null")
    reply = client.ask(peer.request(peer.GROW, 1 << 28))
    stage.is_refused(reply, peer.QUOTA, "bytes that a ring may have", request="grow", limit="ring_bytes_each")
    last = client.ask(peer.request(peer.DISARM))
    assert last.code == peer.OK, last.text
    end = until(lambda: stage.lines(event="end", uid=stage.user.uid, pid=os.getpid(), cgroupId=os.fstat(own.fd).st_ino),
                "the audit log has the end")[-1]
    assert (end["reason"], end["counters"]["records"]) == ("disarmed", last.emitted)
    assert sum(end["counters"]["lost"].values()) > 0, "a position that lies is a ring without room"


def test_more_containers_than_allowed(stage):
    most = 60  # spoor.yaml
    reply, sessions = None, 0
    while sessions <= most:
        own = stage.cgroup()
        reply = stage.arm(stage.connect(), own.fd, own.pidfd)
        if reply.code != peer.OK:
            break
        sessions += 1
    assert sessions == most - 1, "the container counts, too"
    stage.is_refused(reply, peer.QUOTA, f"has {most} of {most} containers", request="arm", limit="containers")


def test_more_requests_than_allowed(stage):
    """Three seconds' worth and more at one stroke: two are had (docs/tenants.md, `requests`)."""
    clients, each, refused = [stage.connect() for _ in range(80)], 50, []
    for _ in range(10):  # a machine that is busy just then may take as long as these may
        for client in clients:
            for _ in range(each):
                client.send(peer.request(peer.LIST))
        replies = [client.receive() for client in clients for _ in range(each)]
        assert {reply.code for reply in replies} <= {peer.OK, peer.QUOTA}
        refused += [reply for reply in replies if reply.code == peer.QUOTA]
        if refused:
            break
    assert refused
    stage.is_refused(refused[0], peer.QUOTA, "requests a second", request="list", limit="requests")
