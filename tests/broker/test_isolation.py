"""Two tenants, one of them hostile: every attempt on the other's session is refused with its reason, and
the other's trail stays whole."""

import contextlib
import ctypes
import errno
import mmap
import os
import random
import resource
import select
import struct

import peer
import pytest

ALICE, BOB = 65533, 65534  # Bob is the hostile one
SUBORDINATE = 300000       # a uid of Alice's containers
LIBC = ctypes.CDLL(None, use_errno=True)
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
CLONE_NEWNS = 0x20000
SYS_BPF, BPF_MAP_FREEZE = 321, 22


@pytest.fixture
def alice(spoord, box):
    """Alice's container, traced. Whatever the test does, its trail has to be complete in the end."""
    container = box(owner=ALICE)
    granted = {}

    class Alice:
        pass

    def arm():
        # The connection is made as Alice; the descriptor then serves this process.
        client = connect_as(ALICE, spoord)
        granted["reply"] = client.arm(container.fd, container.pidfd)
        return client

    client = arm()
    reply = granted["reply"]
    assert reply.code == peer.OK, reply.text
    Alice.box, Alice.peer, Alice.reply = container, client, reply
    yield Alice
    ring = peer.Ring(reply.fds[0], reply.ring_bytes)
    assert container.run("ls / > /dev/null; : < /etc/passwd") == 0
    container.remove()
    records = list(ring.records())
    assert records[-1][0] == peer.EV_END
    assert b"/etc/passwd" in {r[5] + r[6] for r in records if r[0] == peer.EV_ACCESS}
    last = client.ask(peer.request(peer.DISARM))
    assert last.code == peer.OK and last.emitted == len(records) and not any(last.lost)
    client.close()


@contextlib.contextmanager
def acting_as(uid):
    os.setresgid(-1, uid, -1)
    os.setresuid(-1, uid, -1)
    try:
        yield
    finally:
        os.setresuid(-1, 0, -1)
        os.setresgid(-1, 0, -1)


def connect_as(uid, path):
    """SO_PEERCRED has the effective ids of connect(2)."""
    with acting_as(uid):
        return peer.Peer(path)


def sessions(client):
    """(cgroup id, uid, container) of each that spoord lists."""
    found, after = [], 0
    while True:
        reply = client.ask(peer.request(peer.LIST, start=after))
        assert reply.code == peer.OK and not reply.fds
        if reply.exact == 0:
            return found
        after = reply.exact
        found.append((reply.exact, reply.lexical, reply.text))


def test_a_list_has_ones_own_sessions_only(spoord, alice, box):
    mine = box(owner=BOB)
    bob = connect_as(BOB, spoord)
    assert sessions(bob) == []
    assert bob.arm(mine.fd, mine.pidfd).code == peer.OK
    hers = (os.fstat(alice.box.fd).st_ino, ALICE, "test")
    his = (os.fstat(mine.fd).st_ino, BOB, "test")
    assert sessions(bob) == sessions(connect_as(BOB, spoord)) == [his]
    assert sessions(alice.peer) == [hers]
    assert {hers, his} <= set(sessions(peer.Peer(spoord)))
    assert bob.ask(peer.request(peer.DISARM)).code == peer.OK
    assert sessions(bob) == []


def test_what_belongs_to_the_other(spoord, alice, box):
    """Her cgroup, by any process; again with what she sent herself; and what is not a cgroup of anybody."""
    mine = box(owner=BOB)
    bob = connect_as(BOB, spoord)
    for pidfd in (alice.box.pidfd, mine.pidfd):
        reply = bob.arm(alice.box.fd, pidfd)
        assert (reply.code, reply.fds) == (peer.NOT_OWNER, []) and "owns neither" in reply.text
    above = os.open(os.path.dirname(alice.box.path), os.O_RDONLY | os.O_DIRECTORY)
    assert bob.arm(above, mine.pidfd).code == peer.NOT_OWNER
    os.close(above)
    for fd in (alice.reply.fds[0], bob.socket.fileno(), mine.pidfd):
        assert bob.arm(fd, mine.pidfd).code == peer.NOT_A_CGROUP
    # A connection has no name for another's session.
    for kind in (peer.STATS, peer.GROW, peer.DISARM, peer.RENEW):
        assert bob.ask(peer.request(kind, 1 << 20, pid=alice.box.pid)).code == peer.BAD_REQUEST
    assert bob.ask(peer.request(peer.RESUME, token=alice.reply.token)).code == peer.NO_SESSION
    # What she asked for, replayed by herself on another connection.
    assert connect_as(ALICE, spoord).arm(alice.box.fd, alice.box.pidfd).code == peer.ALREADY_TRACED


def test_beneath_what_is_ones_own(spoord, alice, box):
    """A container's root may have a uid of the tenant's range: its cgroup lies in the tenant's own."""
    outer = box(owner=BOB)
    child = outer.path + "/child"
    os.mkdir(child)
    os.chown(child, SUBORDINATE, SUBORDINATE)
    fd = os.open(child, os.O_RDONLY | os.O_DIRECTORY)
    bob = connect_as(BOB, spoord)
    # Not before a process is in it: by what else would the kernel be asked where it is?
    assert bob.arm(fd, outer.pidfd).code == peer.NOT_OWNER
    with open(child + "/cgroup.procs", "w") as procs:
        procs.write(str(outer.pid))
    assert connect_as(ALICE, spoord).arm(fd, outer.pidfd).code == peer.NOT_OWNER
    # What root made there and kept is root's.
    os.chown(child, 0, 0)
    assert bob.arm(fd, outer.pidfd).code == peer.NOT_OWNER
    os.chown(child, SUBORDINATE, SUBORDINATE)
    assert bob.arm(fd, outer.pidfd).code == peer.OK
    os.close(fd)
    bob.close()
    outer.run("exit")
    os.rmdir(child)


def test_a_mount_does_not_move_a_cgroup(spoord, alice, box):
    """Her cgroup, mounted beneath his own: ".." leads to his, and says nothing."""
    mine = box(owner=BOB)
    place = mine.path + "/place"
    os.mkdir(place)
    os.chown(place, BOB, BOB)

    def attack():
        fd = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
        seen = os.stat("..", dir_fd=fd)
        reply = peer.Peer(spoord).arm(fd, alice.box.pidfd)
        return os.fstat(fd).st_ino == os.fstat(alice.box.fd).st_ino and seen.st_uid == BOB and \
            reply.code == peer.NOT_OWNER and not reply.fds

    pid = os.fork()
    if pid == 0:
        ok = LIBC.unshare(CLONE_NEWNS) == 0 and \
            LIBC.mount(b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None) == 0 and \
            LIBC.mount(alice.box.path.encode(), place.encode(), None, ctypes.c_ulong(MS_BIND), None) == 0
        os._exit(0 if ok and peer.as_user(BOB, attack) else 1)
    assert os.waitpid(pid, 0)[1] == 0
    os.rmdir(place)


def test_a_connection_whose_maker_has_ended(spoord, box):
    """Who gets hold of it later asks in somebody else's name."""
    container = box(owner=BOB)
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setresgid(BOB, BOB, BOB)
            os.setresuid(BOB, BOB, BOB)
            client = peer.Peer(spoord)
            maker = os.pidfd_open(os.getpid())
            if os.fork() == 0:
                select.select([maker], [], [], 60)
                reply = client.arm(container.fd, container.pidfd)
                os.write(writing, f"{reply.code} {reply.text}".encode())
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    os.close(writing)
    code, text = os.read(reading, 4096).decode().split(" ", 1)
    os.close(reading)
    assert int(code) == peer.BAD_PROCESS and "made the connection" in text


def test_ten_thousand_connections(spoord, alice):
    def attack():
        resource.setrlimit(resource.RLIMIT_NOFILE, (12000, 12000))
        held, turned_away = [peer.Peer(spoord) for _ in range(10000)], 0
        for client in held:
            try:
                reply = client.ask(peer.request(peer.HELLO))
            except OSError:  # closed before the request could be sent
                reply = None
            turned_away += reply is None or reply.code == peer.QUOTA
        return turned_away >= 10000 - 1024

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, max(hard, 12000)))
    assert peer.as_user(BOB, attack)
    assert alice.peer.ask(peer.request(peer.STATS)).code == peer.OK


def test_random_messages(spoord, alice):
    """The right size and magic, anything else: no answer but a refusal, or what harms nobody."""
    chance = random.Random(1)
    bob = connect_as(BOB, spoord)
    for _ in range(400):
        data = bytearray(chance.randbytes(peer.REQUEST.size))
        struct.pack_into("=IHH", data, 0, peer.MAGIC, peer.VERSION, chance.randrange(0, 12))
        reply = bob.ask(bytes(data))
        assert reply is not None and not reply.fds
        assert reply.code in (peer.BAD_REQUEST, peer.NO_SESSION, peer.QUOTA) or reply.kind in (peer.HELLO, peer.LIST)
    bob.close()


def test_a_ring_is_all_that_one_gets(spoord, alice, box):
    """The kernel's side of it cannot be written, and freezing the map harms oneself."""
    mine = box(owner=BOB)
    bob = connect_as(BOB, spoord)
    reply = bob.arm(mine.fd, mine.pidfd)
    fd, page = reply.fds[0], mmap.PAGESIZE
    for offset in (page, 2 * page):  # the producer's position; the records
        with pytest.raises(PermissionError):
            mmap.mmap(fd, page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=offset)
    consumer = mmap.mmap(fd, page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=0)
    for position in (1, 1 << 40, (1 << 64) - 8):
        consumer[0:8] = struct.pack("=Q", position)
        assert bob.ask(peer.request(peer.STATS)).code == peer.OK
    consumer.close()
    attribute = ctypes.create_string_buffer(struct.pack("=I", fd) + bytes(124))
    with acting_as(BOB):
        frozen = LIBC.syscall(SYS_BPF, BPF_MAP_FREEZE, attribute, 128)
        assert frozen == 0 or ctypes.get_errno() in (errno.EPERM, errno.EBUSY, 524, errno.EOPNOTSUPP)
    mine.run("ls / > /dev/null")
    assert bob.ask(peer.request(peer.DISARM)).code == peer.OK


def test_two_tenants_at_once(spoord, alice, box):
    """Their records do not mix, whatever runs at the same time."""
    mine = box(owner=BOB)
    bob = connect_as(BOB, spoord)
    reply = bob.arm(mine.fd, mine.pidfd)
    ring = peer.Ring(reply.fds[0], reply.ring_bytes)
    hers = peer.Ring(alice.reply.fds[0], alice.reply.ring_bytes)
    mine.run("cat /etc/hostname > /dev/null; i=0; while [ $i -lt 50 ]; do [ -e /of-bob/$i ]; i=$((i + 1)); done")
    assert list(hers.records()) == [], "she has not run yet"
    seen = {r[5] + r[6] for r in ring.records() if r[0] == peer.EV_ACCESS}
    assert len({path for path in seen if path.startswith(b"/of-bob/")}) == 50
