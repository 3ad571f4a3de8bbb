"""spoord as packaging/systemd starts it: with the first peer, on a bound socket, as a user of its own
that has two capabilities. systemd-socket-activate(1) is systemd's own code for the first half."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import peer
import pytest

SERVICE_UID = 65534
CAPABILITIES = {"bpf": 39, "perfmon": 38}
AS_SERVICE = ["setpriv", f"--reuid={SERVICE_UID}", f"--regid={SERVICE_UID}", "--clear-groups", "--no-new-privs",
              *(f"--{kind}=-all," + ",".join(f"+{name}" for name in CAPABILITIES)
                for kind in ("inh-caps", "ambient-caps", "bounding-set"))]


def status_of(pid):
    with open(f"/proc/{pid}/status") as status:
        return {key: value.split() for key, value in (line.split(":", 1) for line in status)}


def hello(path):
    """A peer that is connected, and what spoord answered."""
    client = peer.Peer(str(path))
    client.socket.settimeout(60)  # the programs have to be loaded first
    return client, client.ask(peer.request(peer.HELLO))


@pytest.fixture
def place():
    """A directory that other users can reach; pytest's own they cannot."""
    directory = Path(tempfile.mkdtemp(prefix="spoord-test-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


class Program:
    """A program whose log can be waited for. It has to end by SIGTERM, with 0."""

    def __init__(self, place):
        self.log_file = place / "log"
        self.process = None

    def __call__(self, command):
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen(command, stderr=log)
        return self.process

    def says(self, words):
        deadline = time.monotonic() + 60
        while words not in self.log():
            assert self.process.poll() is None and time.monotonic() < deadline, self.log()
            time.sleep(0.005)

    def log(self):
        return self.log_file.read_text()


@pytest.fixture
def spawn(place):
    program = Program(place)
    yield program
    program.process.terminate()
    assert program.process.wait(60) == 0, program.log()


@pytest.fixture
def activated(spawn, place):
    path = place / "socket"
    process = spawn(["systemd-socket-activate", "--seqpacket", f"--listen={path}", *AS_SERVICE,
                     os.environ["SPOORD"]])
    spawn.says("Listening on")  # said after listen(2)
    return process, path


def test_it_starts_with_its_first_peer(activated, spawn):
    process, path = activated
    assert status_of(process.pid)["Name"] != ["spoord"]
    inode = os.stat(path).st_ino
    client, reply = hello(path)
    assert reply is not None and reply.code == peer.OK, spawn.log()
    status = status_of(process.pid)
    assert status["Name"] == ["spoord"]
    assert status["Uid"] == [str(SERVICE_UID)] * 4
    wanted = sum(1 << number for number in CAPABILITIES.values())
    assert int(status["CapBnd"][0], 16) == wanted
    # The programs are loaded: what is left makes maps and attaches.
    for kind in ("CapEff", "CapPrm"):
        assert int(status[kind][0], 16) == 1 << CAPABILITIES["bpf"], (kind, status[kind])
    assert status["NoNewPrivs"] == ["1"]
    for thread in Path(f"/proc/{process.pid}/task").iterdir():
        of_thread = status_of(f"{process.pid}/task/{thread.name}")
        assert of_thread["Seccomp"] == ["2"]
        assert of_thread["CapPrm"] == status["CapPrm"]
    client.close()
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    # The socket is systemd's: the next peer is to start spoord again.
    assert os.stat(path).st_ino == inode


def test_it_traces(activated, box, tmp_path):
    _, path = activated
    container = box()
    client, _ = hello(path)
    reply = client.arm(container.fd, container.pidfd)
    assert reply.code == peer.OK, reply.text
    ring = peer.Ring(reply.fds[0], reply.ring_bytes)
    assert container.run(f": > {tmp_path}/made") == 0
    container.remove()
    records = list(ring.records())
    assert records[-1][0] == peer.EV_END
    assert f"{tmp_path}/made".encode() in {r[5] + r[6] for r in records if r[0] == peer.EV_ACCESS}
    last = client.ask(peer.request(peer.DISARM))
    assert last.emitted == len(records) and not any(last.lost)
    client.close()


def test_it_claims_nothing_for_the_wrong_user(activated, box):
    """spoord's own uid is no measure of what a peer owns."""
    _, path = activated
    os.chmod(path, 0o666)  # the unit's SocketMode
    of_service, own = box(owner=SERVICE_UID), box(owner=65533)

    def attack():
        refused = hello(path)[0].arm(of_service.fd, of_service.pidfd)
        granted = hello(path)[0].arm(own.fd, own.pidfd)
        return refused.code == peer.NOT_OWNER and not refused.fds and granted.code == peer.OK

    assert peer.as_user(65533, attack)


def test_descriptors_for_another_process_are_not_taken(spawn, place):
    """With somebody else's LISTEN_PID the variables were inherited, and descriptor 3 is no socket of ours."""
    theirs, ours = place / "theirs", place / "ours"
    spawn(["systemd-socket-activate", "--seqpacket", f"--listen={theirs}", "env", "LISTEN_PID=1",
           os.environ["SPOORD"], "--allow-extra-capabilities", f"--socket={ours}"])
    spawn.says("Listening on")
    unanswered = peer.Peer(str(theirs))
    spawn.says(f"ready at {ours}")
    client, reply = hello(ours)
    assert reply.code == peer.OK
    unanswered.socket.setblocking(False)
    unanswered.send(peer.request(peer.HELLO))
    with pytest.raises(BlockingIOError):
        unanswered.receive()
    client.close()
    unanswered.close()


def test_more_capabilities_than_needed_are_refused(place):
    """As root has them, and as a unit has them whose writer meant well."""
    command = [os.environ["SPOORD"], f"--socket={place}/socket", "--pins=none"]
    as_root = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=60)
    assert as_root.returncode == 1
    assert "does not need (cap_chown" in as_root.stderr and "--allow-extra-capabilities" in as_root.stderr
    one_more = [word.replace("+perfmon", "+perfmon,+net_admin") for word in AS_SERVICE]
    with_one = subprocess.run([*one_more, *command], stderr=subprocess.PIPE, text=True, timeout=60)
    assert with_one.returncode == 1 and "does not need (cap_net_admin):" in with_one.stderr
    assert not (place / "socket").exists()


def test_extra_capabilities_that_are_allowed_are_given_up(place):
    path = place / "socket"
    process = subprocess.Popen([os.environ["SPOORD"], "--allow-extra-capabilities", f"--socket={path}",
                                "--pins=none"])
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                client, reply = hello(path)
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.005)
        assert reply.code == peer.OK
        status = status_of(process.pid)
        assert int(status["CapPrm"][0], 16) == 1 << CAPABILITIES["bpf"]
        assert int(status["CapBnd"][0], 16) == sum(1 << number for number in CAPABILITIES.values())
        client.close()
    finally:
        process.terminate()
        assert process.wait(60) == 0


@pytest.mark.parametrize("count, kind, said", [
    ("2", socket.SOCK_SEQPACKET, "LISTEN_FDS is 2: spoord takes one socket"),
    ("x", socket.SOCK_SEQPACKET, "LISTEN_FDS is x: spoord takes one socket"),
    (None, socket.SOCK_SEQPACKET, "LISTEN_FDS is not set: spoord takes one socket"),
    ("1", socket.SOCK_STREAM, "no listening SOCK_SEQPACKET socket"),
    ("1", None, "descriptor 3: "),
])
def test_sockets_that_are_not_the_one_it_takes(place, count, kind, said):
    """A unit that passes other sockets is told so, and no socket is made beside it."""
    arguments = [os.environ["SPOORD"], "--allow-extra-capabilities", "--pins", "none", "--socket", str(place / "own")]
    read, write = os.pipe()
    with socket.socket(socket.AF_UNIX, kind or socket.SOCK_STREAM) as passed:
        passed.bind(str(place / "passed"))
        passed.listen()
        pid = os.fork()
        if pid == 0:
            os.dup2(write, 2)
            if kind is None:
                os.close(3)
            elif passed.fileno() != 3:
                os.dup2(passed.fileno(), 3)
            os.set_inheritable(3, True) if kind is not None else None
            environment = {"LISTEN_PID": str(os.getpid()), **({"LISTEN_FDS": count} if count else {})}
            os.execve(arguments[0], arguments, environment)
        os.close(write)
        with os.fdopen(read) as log:
            text = log.read()
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
    assert said in text, text
    assert not (place / "own").exists()
