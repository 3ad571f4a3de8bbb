"""Two unprivileged users with podman, one spoord: traced containers at once, and neither reaches the other's.

SPOOR_TENANTS_AT_ONCE says how many containers each starts at once: 4, unless told; 50 for the whole truth.
"""

import json
import os
import re
from concurrent.futures import ThreadPoolExecutor

import peer
from conftest import audit
from harness import until

AT_ONCE = int(os.environ.get("SPOOR_TENANTS_AT_ONCE") or "4")
BROKER = "/run/spoor/spoord.sock"


def start(user, name, *command, options=(), detached=False):
    volume = user.place / f"volume-{name}"
    done = user("mkdir", volume)
    assert done.code == 0, done
    run = ["podman", "--runtime", "spoor", "run", "--network=none", "--name", name, "--annotation",
           f"io.spoor.volume={volume}", *(["-d"] if detached else ["--rm"]), *options, "busybox", *command]
    return volume, user(*run)


def session(user, volume):
    """As its owner sees it, once it has ended."""

    def ended():
        said = user("cat", volume / "trace" / "session.json")
        found = json.loads(said.out) if said.code == 0 else {}
        return found.get("state") not in (None, "tracing") and found

    return until(ended, lambda: f"{volume}: {user('cat', volume / 'trace' / 'session.json')}")


def is_whole(user, volume):
    found = session(user, volume)
    assert (found["state"], found["complete"], found["lost"]) == ("finished", True, 0), found
    accesses = user("cat", volume / "trace" / "accesses.jsonl").out
    assert '"/proc/version"' in accesses, accesses
    return found


def test_at_once(users):
    def one(job):
        user, number = job
        volume, done = start(user, f"{user.name}-{number}", "cat", "/proc/version")
        assert done.code == 0, done
        return user, volume

    jobs = [(user, number) for number in range(AT_ONCE) for user in users]
    with ThreadPoolExecutor(len(jobs)) as pool:
        containers = [(user, is_whole(user, volume)["containerId"]) for user, volume in pool.map(one, jobs)]
    for user, container in containers:
        granted, = audit(event="request", request="arm", outcome="granted", uid=user.uid, container=container)
        ended, = audit(event="end", uid=user.uid, container=container)
        assert granted["tenant"] == user.name and granted["session"] == ended["session"], (granted, ended)
        assert ended["counters"]["records"] and not any(ended["counters"]["lost"].values()), ended


def test_what_the_other_one_has(users):
    """The second user even hands over the descriptor of the container's cgroup; spoord asks whose it is."""
    first, second = users
    volume, done = start(second, "victim", "sh", "-c", "cat /proc/version; sleep 600", detached=True)
    assert done.code == 0, done
    inspected = second("podman", "inspect", "--format", "{{.State.CgroupPath}} {{.State.Pid}} {{.Id}}", "victim")
    cgroup, pid, container = inspected.out.split()
    directory, pidfd = second.open("/sys/fs/cgroup" + cgroup), os.pidfd_open(int(pid))
    own = os.pidfd_open(os.getpid())
    for process in (pidfd, own):
        client = peer.Peer(BROKER)
        reply = client.arm(directory, process)
        assert reply.code == peer.NOT_OWNER and not reply.fds, (reply.code, reply.text)
        client.close()
    told = audit(at_least=2, event="request", request="arm", outcome="refused", code="not_owner", uid=first.uid,
                 cgroupId=os.fstat(directory).st_ino)
    assert len(told) == 2 and {line["tenant"] for line in told} == {"first"}
    # Who has no session there reads, grows and ends none; who has no token resumes none.
    client = peer.Peer(BROKER)
    for kind in (peer.STATS, peer.GROW, peer.DISARM):
        assert client.ask(peer.request(kind, 1 << 20)).code == peer.BAD_REQUEST
    assert client.ask(peer.request(peer.RESUME, token=(1, 2))).code == peer.NO_SESSION
    # Its own of earlier tests are, until spoord knows that nobody comes back for them.
    until(lambda: client.ask(peer.request(peer.LIST)).exact == 0, "the other's container is not told of")
    client.close()
    for descriptor in (directory, pidfd, own):
        os.close(descriptor)
    listed = [user("spoorctl", "sessions") for user in users]
    assert all(said.code == 0 for said in listed), listed
    assert container[:12] not in listed[0].out and container[:12] in listed[1].out, listed
    ended = second("podman", "rm", "--force", "--time", "0", "victim")
    assert ended.code == 0, ended
    is_whole(second, volume)
