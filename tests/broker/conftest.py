import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import peer

# For kernels that let spoord use BPF LSM or fentry: ./dev vm says when it is on one.
collect_ignore = [] if "SPOOR_TEST_HOOKS" in os.environ else ["test_resolved_names.py"]


def cgroup2_mount():
    with open("/proc/self/mountinfo") as mounts:
        for line in mounts:
            fields = line.split()
            if fields[fields.index("-") + 1] == "cgroup2" and os.access(fields[4], os.W_OK):
                return fields[4]
    pytest.fail("these tests need a writable cgroup2 mount")


class Box:
    """A cgroup with one process in it, which waits to be told what to execute."""

    serial = 0

    def __init__(self, owner=None):
        Box.serial += 1
        self.path = f"{cgroup2_mount()}/spoor-test-{os.getpid()}-{Box.serial}"
        os.mkdir(self.path)
        if owner is not None:
            os.chown(self.path, owner, owner)
        self.fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        ready, self.go = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.go)
            command = os.read(ready, 4096).decode()
            if command:
                os.execv("/bin/sh", ["sh", "-c", command])
            os._exit(0)
        os.close(ready)
        self.pidfd = os.pidfd_open(self.pid)
        with open(self.path + "/cgroup.procs", "w") as procs:
            procs.write(str(self.pid))
        self.ended = False

    def begin(self, command):
        os.write(self.go, command.encode())

    def wait(self):
        self.ended = True
        return os.waitpid(self.pid, 0)[1]

    def run(self, command):
        self.begin(command)
        return self.wait()

    def remove(self):
        if not self.ended:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.ended = True
        for fd in (self.fd, self.go, self.pidfd):
            os.close(fd)
        os.rmdir(self.path)


@pytest.fixture
def box():
    made = []

    def make(owner=None):
        made.append(Box(owner))
        return made[-1]

    yield make
    for one in made:
        if os.path.exists(one.path):
            one.remove()


@pytest.fixture(scope="session")
def spoord():
    assert os.geteuid() == 0, "spoord needs CAP_BPF and CAP_PERFMON: run these tests as root"
    directory = tempfile.mkdtemp(prefix="spoord-test-")  # pytest's own are closed to other users
    os.chmod(directory, 0o755)
    path, log_path = directory + "/socket", directory + "/log"
    with open(log_path, "w") as log:
        process = subprocess.Popen([os.environ["SPOORD"], "--allow-extra-capabilities", "--socket", path,
                                    "--max-ring", str(1 << 21), "--pins", "none"], stderr=log)
    deadline = time.monotonic() + 60
    while True:
        try:
            client = peer.Peer(path)
            break
        except OSError:
            assert process.poll() is None, open(log_path).read()
            assert time.monotonic() < deadline, "spoord did not come up"
            time.sleep(0.02)
    # It listens before its programs are loaded, which may take longer than a test waits for an answer.
    assert client.ask(peer.request(peer.HELLO)).code == peer.OK, open(log_path).read()
    client.close()
    yield path
    assert process.poll() is None, "spoord died: " + open(log_path).read()
    process.terminate()
    assert process.wait(60) == 0
    assert not os.path.exists(path), "spoord left its socket behind"
    shutil.rmtree(directory)


@pytest.fixture
def connect(spoord):
    made = []

    def make():
        made.append(peer.Peer(spoord))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def fuse(tmp_path):
    """Mounts a file system that leaves requests of a kind unanswered. Its daemon is this process's child."""
    daemons = []

    def make(unanswered):
        place = tmp_path / "fuse"
        place.mkdir()
        daemons.append((subprocess.Popen([sys.executable, "-B", Path(__file__).parent / "unanswering_fuse.py", place,
                                          unanswered], stdout=subprocess.PIPE), place))
        assert daemons[-1][0].stdout.readline() == b"ready\n"
        return place

    def end():  # with which everything is answered by an error
        while daemons:
            daemon, place = daemons.pop()
            daemon.kill()
            daemon.wait()
            subprocess.run(["umount", "--lazy", place], check=True)

    def wait_for(count):  # requests that nobody answers
        for _ in range(count):
            assert daemons[-1][0].stdout.readline() == b"unanswered\n"

    make.end, make.wait_for = end, wait_for
    yield make
    end()
