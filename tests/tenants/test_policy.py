"""The operator's /etc/spoor/spoor.yaml (spoor.yaml beside this file) under podman: what is forced, what is forbidden."""

import os

import peer
import pytest
from conftest import audit
from test_two_users import BROKER, is_whole, session, start


def granted(user, volume):
    """What the audit log says of the one session whose trail is here, and that it is whole."""
    line, = audit(event="request", request="arm", outcome="granted", uid=user.uid, container=is_whole(user, volume)["containerId"])
    return line


@pytest.mark.parametrize("annotation", ["io.spoor.mode=off", "io.spoor.trace=false"])
def test_off_is_not_to_be_had(users, annotation):
    first, _ = users
    name = annotation.replace("=", "-")
    _, done = start(first, name, "true", options=["--annotation", annotation])
    assert done.code != 0, done
    assert f"{annotation} is not allowed to tenant first, whose modes are warn, strict" in done.err, done


def test_a_setting_of_the_users_gives_way(users):
    """Their own file says off; that is no error, and they are traced."""
    first, _ = users
    home = first("sh", "-c", "mkdir -p ~/.config/spoor; echo 'mode: off' > ~/.config/spoor/spoor.yaml; echo ~")
    try:
        volume, done = start(first, "own-setting", "cat", "/proc/version")
        assert done.code == 0, done
        assert granted(first, volume)["mode"] == "warn"
    finally:
        first("rm", home.out.strip() + "/.config/spoor/spoor.yaml")


@pytest.mark.parametrize("wish", [[], ["--annotation", "io.spoor.mode=warn"], ["--annotation", "io.spoor.mode=off"]])
def test_strict_is_forced(users, wish):
    """Whatever the second user asks for; spoord is told, and says so in its audit log."""
    _, second = users
    name = f"forced-{wish[-1].split('=')[-1] if wish else 'unasked'}"
    volume, done = start(second, name, "cat", "/proc/version", options=wish)
    assert done.code == 0, done
    assert granted(second, volume)["mode"] == "strict"
    annotations = session(second, volume)["annotations"]
    assert annotations["io.spoor.mode"] == "strict", annotations


def test_who_asks_spoord_by_themselves_gets_no_other_mode(users):
    """Without spoor, which would not ask for it: podman runs crun, and the user asks for a container of their own."""
    first, _ = users
    done = first("podman", "--runtime", "crun", "run", "-d", "--network=none", "--name", "forger", "busybox", "sleep", "600")
    assert done.code == 0, done
    try:
        cgroup, pid = first("podman", "inspect", "--format", "{{.State.CgroupPath}} {{.State.Pid}}", "forger").out.split()
        directory, pidfd = os.open("/sys/fs/cgroup" + cgroup, os.O_RDONLY | os.O_DIRECTORY), os.pidfd_open(int(pid))
        client = peer.Peer(BROKER)
        off = 1 << 31 | 0b110 << 8
        for word, said in ((off, "mode off is not allowed to tenant first"), (0, "does not say which mode")):
            reply = client.ask(peer.request(peer.ARM, 1 << 16, pid=word), [directory, pidfd])
            assert reply.code == peer.MODE and said in reply.text, (reply.code, reply.text)
        assert len(audit(at_least=2, event="request", outcome="refused", code="mode", uid=first.uid)) == 2
        granted = client.ask(peer.request(peer.ARM, 1 << 16, pid=off | 1), [directory, pidfd])
        assert granted.code == peer.OK, granted.text
        client.close()
        os.close(directory)
        os.close(pidfd)
    finally:
        first("podman", "rm", "--force", "--time", "0", "forger")
