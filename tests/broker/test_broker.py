"""spoord trusts nothing that a peer sends."""

import os
import resource
import struct
import threading

import peer
import pytest


def test_hello_states_the_family(connect):
    reply = connect().ask(peer.request(peer.HELLO))
    assert (reply.code, reply.magic, reply.version, reply.family) == (peer.OK, peer.MAGIC, peer.VERSION, 1)
    assert reply.exact and reply.lexical and reply.exact & reply.lexical == 0


def test_a_session_from_first_instruction_to_the_end(connect, box, tmp_path):
    container, client = box(), connect()
    wanted = tmp_path / "wanted"
    wanted.write_text("x")
    reply = client.arm(container.fd, container.pidfd)
    assert reply.code == peer.OK, reply.text
    ring = peer.Ring(reply.fds[0], reply.ring_bytes)
    assert container.run(f"read line < {wanted}; : > {tmp_path}/made; exit 3") == 3 << 8
    container.remove()
    records = list(ring.records())
    assert records[-1][0] == peer.EV_END
    execs = [r for r in records if r[0] == peer.EV_EXEC]
    assert [r[5] for r in execs] == [os.path.realpath("/bin/sh").encode()]
    assert [r[4] for r in records if r[0] == peer.EV_EXIT] == [3 << 8]
    read_op, create_op = 1, 3
    accesses = {(r[1], r[5] + r[6]) for r in records if r[0] == peer.EV_ACCESS}
    assert (read_op, str(wanted).encode()) in accesses
    assert (create_op, f"{tmp_path}/made".encode()) in accesses
    last = client.ask(peer.request(peer.DISARM))
    assert last.code == peer.OK and last.emitted == len(records) and not any(last.lost)


@pytest.mark.parametrize("data", [b"", b"x", peer.request(peer.HELLO)[:-1], peer.request(peer.HELLO) + b"x",
                                  b"\xff" * peer.REQUEST.size, peer.request(peer.HELLO, magic=1), b"x" * 100000])
def test_malformed_messages_are_refused_and_end_the_connection(connect, data):
    client = connect()
    reply = client.ask(data)
    assert reply is None or reply.code == peer.BAD_REQUEST
    if data:
        assert reply is None or client.receive() is None


def test_other_versions_are_refused_by_name(connect):
    reply = connect().ask(peer.request(peer.HELLO, version=1))
    assert reply.code == peer.BAD_VERSION and "version" in reply.text


@pytest.mark.parametrize("kind", [0, 9, 65535, peer.STATS, peer.GROW, peer.DISARM, peer.RENEW])
def test_requests_out_of_place(connect, kind):
    assert connect().ask(peer.request(kind)).code == peer.BAD_REQUEST


def test_arm_takes_exactly_two_descriptors(connect, box):
    container = box()
    for fds in ([], [container.fd], [container.fd, container.pidfd, container.pidfd]):
        reply = connect().ask(peer.request(peer.ARM, 1 << 19), fds)
        assert reply is None or reply.code == peer.BAD_REQUEST


def test_no_other_request_takes_any(connect, box):
    container = box()
    reply = connect().ask(peer.request(peer.HELLO), [container.fd])
    assert reply.code == peer.BAD_REQUEST and "only arm" in reply.text


def test_what_is_no_cgroup(connect, box, tmp_path):
    container = box()
    plain = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    inside = os.open(container.path + "/cgroup.procs", os.O_RDONLY)
    for fd in (plain, inside, container.pidfd):
        assert connect().arm(fd, container.pidfd).code == peer.NOT_A_CGROUP
    os.close(plain)
    os.close(inside)


def test_the_root_is_nobodys(connect, box):
    container = box()
    root = os.open(os.path.dirname(container.path), os.O_RDONLY | os.O_DIRECTORY)
    reply = connect().arm(root, container.pidfd)
    assert reply.code == peer.NOT_OWNER and "root" in reply.text
    os.close(root)


def test_what_is_no_live_process(connect, box):
    container, other = box(), box()
    assert connect().arm(container.fd, other.fd).code != peer.OK
    other.run("exit")
    assert connect().arm(container.fd, other.pidfd).code == peer.BAD_PROCESS


def test_another_users_cgroup(spoord, box):
    theirs, own = box(owner=65533), box(owner=65534)

    def attack():
        refused = peer.Peer(spoord).arm(theirs.fd, theirs.pidfd)
        granted = peer.Peer(spoord).arm(own.fd, own.pidfd)
        return refused.code == peer.NOT_OWNER and not refused.fds and granted.code == peer.OK

    assert peer.as_user(65534, attack)


def test_one_session_a_cgroup_and_a_connection(connect, box):
    container, other = box(), box()
    first = connect()
    assert first.arm(container.fd, container.pidfd).code == peer.OK
    assert connect().arm(container.fd, container.pidfd).code == peer.ALREADY_TRACED
    assert first.arm(other.fd, other.pidfd).code == peer.BAD_REQUEST
    first.close()
    # The session ends with its connection; until spoord has seen that, the answer is the old one.
    while (reply := connect().arm(container.fd, container.pidfd)).code == peer.ALREADY_TRACED:
        pass
    assert reply.code == peer.OK


def test_a_child_cgroup_belongs_to_the_session(connect, box):
    container, client = box(), connect()
    reply = client.arm(container.fd, container.pidfd)
    ring = peer.Ring(reply.fds[0], reply.ring_bytes)
    child = container.path + "/child"
    assert container.run(f"mkdir {child}; echo $$ > {child}/cgroup.procs; /bin/true") == 0
    os.rmdir(child)
    container.remove()
    assert b"true" in b" ".join(r[5] for r in ring.records() if r[0] == peer.EV_EXEC)


AUX_ENV = 6


def test_an_exec_tells_its_task_keys(connect, box):
    container, client = box(), connect()
    reply = client.arm(container.fd, container.pidfd, keys=b"SPOOR_TASK\0OTHER_KEY\0")
    assert reply.code == peer.OK, reply.text
    ring = peer.Ring(reply.fds[0], reply.ring_bytes)
    # Strings longer than a record can hold stand before, between and behind.
    long = "$(printf %09000d 0)"
    assert container.run(f"env -i A={long} SPOOR_TASKS=no XSPOOR_TASK=no SPOOR_TASK=web:build B={long} "
                         f"OTHER_KEY= C=SPOOR_TASK=no /bin/true") == 0
    container.remove()
    records = list(ring.records())
    assert [r[6] for r in records if r[0] == peer.EV_AUX and r[1] == AUX_ENV] == [b"SPOOR_TASK=web:build", b"OTHER_KEY="]
    assert not any(client.ask(peer.request(peer.DISARM)).lost)


@pytest.mark.parametrize("keys", [b"x" * 48 + b"\0", b"a\0" * 9, b"a\0\0b\0", b"x" * 216])
def test_malformed_task_keys(connect, box, keys):
    container = box()
    assert connect().arm(container.fd, container.pidfd, keys=keys).code == peer.BAD_REQUEST


@pytest.mark.parametrize("renewed", [True, False])
def test_a_renewed_process_is_told_again(connect, box, tmp_path, renewed):
    container, client = box(), connect()
    wanted, fifo = tmp_path / "wanted", tmp_path / "fifo"
    wanted.write_text("x\n")
    os.mkfifo(fifo)
    reply = client.arm(container.fd, container.pidfd)
    ring = peer.Ring(reply.fds[0], reply.ring_bytes)
    running = threading.Thread(target=container.run, args=(f"read x < {wanted}; read x < {fifo}; read x < {wanted}",))
    running.start()
    with open(fifo, "w"):  # opens when the shell has come there
        records = list(ring.records())
        shell = next(r for r in records if r[0] == peer.EV_EXEC)
        start, pid = shell[7:9]
        assert pid == container.pid
        if renewed:
            assert client.renew(pid, start).code == peer.OK
        assert client.renew(pid, start + 1).code == peer.BAD_PROCESS
        assert client.renew(os.getpid(), start).code == peer.BAD_PROCESS
    running.join()
    records += ring.records()
    read_op = 1
    reads = [r for r in records if r[:2] == (peer.EV_ACCESS, read_op) and r[5] == str(wanted).encode()]
    assert len(reads) == (2 if renewed else 1)
    assert client.renew(pid, start).code == peer.BAD_PROCESS  # it has ended


def test_nobody_renews_what_another_traces(connect, box, tmp_path):
    mine, theirs, attacker, victim = box(), box(), connect(), connect()
    attacker.arm(mine.fd, mine.pidfd)
    grant = victim.arm(theirs.fd, theirs.pidfd)
    ring = peer.Ring(grant.fds[0], grant.ring_bytes)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    running = threading.Thread(target=theirs.run, args=(f"read x < {fifo}",))
    running.start()
    with open(fifo, "w"):
        start, pid = next(r for r in ring.records() if r[0] == peer.EV_EXEC)[7:9]
        assert attacker.renew(pid, start).code == peer.BAD_PROCESS
        assert victim.renew(pid, start).code == peer.OK
    running.join()


def test_rings_grow_within_the_quota(connect, box):
    container, client = box(), connect()
    first = client.arm(container.fd, container.pidfd, 1 << 16)
    assert first.ring_bytes == 1 << 16
    for wanted in (1 << 16, 3 << 16, 1 << 22):
        assert client.ask(peer.request(peer.GROW, wanted)).code == peer.QUOTA
    grown = client.ask(peer.request(peer.GROW, 1 << 17))
    assert (grown.code, grown.ring_bytes) == (peer.OK, 1 << 17)
    ring = peer.Ring(grown.fds[0], grown.ring_bytes)
    container.run("exit")
    assert any(r[0] == peer.EV_EXEC for r in ring.records())


def test_a_wish_for_a_huge_ring_is_cut(connect, box):
    container = box()
    assert connect().arm(container.fd, container.pidfd, 0xFFFFFFFF).ring_bytes == 1 << 21


def test_scribbling_over_a_ring_harms_nobody_else(connect, box):
    mine, theirs = box(), box()
    attacker, victim = connect(), connect()
    grant = attacker.arm(mine.fd, mine.pidfd)
    ring = peer.Ring(grant.fds[0], grant.ring_bytes)
    for position in (0, 1, 1 << 40, (1 << 64) - 8):
        ring.consumer[0:8] = struct.pack("=Q", position)
    other = victim.arm(theirs.fd, theirs.pidfd)
    mine.run("ls / > /dev/null")
    theirs.run("ls / > /dev/null")
    theirs.remove()
    records = list(peer.Ring(other.fds[0], other.ring_bytes).records())
    last = victim.ask(peer.request(peer.DISARM))
    assert last.emitted == len(records) and not any(last.lost)


def test_a_full_ring_is_counted(connect, box):
    container, client = box(), connect()
    client.arm(container.fd, container.pidfd, 1 << 16)
    container.run("i=0; while [ $i -lt 2000 ]; do [ -e /nothing/$i ]; i=$((i+1)); done")
    container.remove()
    last = client.ask(peer.request(peer.DISARM))
    assert last.lost[0] > 0, "2000 records fitted into 64 KiB unread"


def test_many_connections(spoord, connect):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
    crowd = [peer.Peer(spoord) for _ in range(1000)]
    assert connect().ask(peer.request(peer.HELLO)).code == peer.OK
    for one in crowd:
        one.close()
