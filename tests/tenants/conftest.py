import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / name) for name in ("e2e", "broker")]

import beside  # noqa: E402
from harness import Finished, execute, until  # noqa: E402

LOG = Path("/run/spoor-dev/spoord.log")
PATIENCE_S = 300  # not the speed of the machine is tested


class First:
    """The user that the tests run as."""

    name = "first"
    uid = os.geteuid()
    place = Path(os.environ["TMPDIR"])

    def __call__(self, *command):
        return execute(command, timeout=PATIENCE_S)


class Second:
    """The other one."""

    name = "second"
    uid = beside.SOCKET.parent.stat().st_uid
    place = beside.SOCKET.parent / "tmp"

    def ask(self, order):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.settimeout(PATIENCE_S + 10)
            client.connect(str(beside.SOCKET))
            client.send(json.dumps(order).encode())
            said, descriptors, _, _ = socket.recv_fds(client, beside.MOST, 1)
            return json.loads(said), descriptors

    def __call__(self, *command):
        said, _ = self.ask({"run": [str(word) for word in command], "timeout": PATIENCE_S})
        return Finished(**said)

    def open(self, directory):
        said, descriptors = self.ask({"open": directory})
        assert said["code"] == 0, os.strerror(said["code"])
        return descriptors[0]


def import_busybox(user, tar):
    done = user("podman", "import", "--quiet", tar, "busybox")
    assert done.code == 0, done


@pytest.fixture(scope="session")
def users():
    until(beside.SOCKET.exists, "the second user is there")
    root = First.place / "busybox"
    (root / "bin").mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin")
    for applet in ("sh", "cat", "sleep", "true"):
        (root / "bin" / applet).symlink_to("busybox")
    tar = First.place / "busybox.tar"
    subprocess.run(["tar", "-C", root, "--owner=0", "--group=0", "-cf", tar, "."], check=True)
    tar.chmod(0o644)
    both = First(), Second()
    for user in both:
        import_busybox(user, tar)
    return both


def audit(at_least=1, **wanted):
    """The lines of the audit log that say this, once there are as many."""

    def lines():
        text = LOG.read_text(errors="replace")
        told = [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines() if line.startswith("{")]
        found = [line for line in told if all(line.get(key) == value for key, value in wanted.items())]
        return found if len(found) >= at_least else None

    return until(lines, f"the audit log says {wanted}")
