"""Whoever the container's root is on the host, and whoever owns the volume: the recorder writes the trail,
and what the container does is in it."""

import os
from pathlib import Path

import pytest

from harness import ROOTFUL, STATE_ROOT, finished_trail

IMAGE = "busybox"

# The container's root: the user itself, one of the user's subordinate ids, nobody at all.
ROOTLESS = {
    "default": [],
    "keep-id": ["--userns=keep-id"],
    "keep-id-as-root": ["--userns=keep-id", "--user=0"],
    "auto": ["--userns=auto"],
    "auto-size": ["--userns=auto:size=500", "--user=7"],
    "nomap": ["--userns=nomap"],
    "uidmap": ["--uidmap=0:1:1000", "--gidmap=0:1:1000"],
    "uidmap-with-the-user": ["--uidmap=0:1:1000", "--uidmap=1000:0:1", "--gidmap=0:1:1000", "--user=1000"],
    "host": ["--userns=host"],
    "user": ["--user=33:33"],
}
ROOTFUL_CASES = {
    "default": [],
    "uidmap": ["--uidmap=0:200000:1000", "--gidmap=0:200000:1000"],
    "uidmap-user": ["--uidmap=0:200000:1000", "--gidmap=0:200000:1000", "--user=33"],
}
CASES = ROOTFUL_CASES if ROOTFUL else ROOTLESS
SCRIPT = "cat /proc/self/uid_map > /dev/null; /bin/ls /bin > /dev/null; id -u"


def check(done, volume):
    assert done.code == 0 and done.out.strip().isdigit() and done.err == "", done
    trail = finished_trail(volume)
    assert "/bin" in trail.paths("list")
    assert any(path.endswith("/uid_map") for path in trail.paths("read")), trail.paths("read")
    assert [line for line in trail.processes if line["argv"] == ["/bin/ls", "/bin"]]
    return trail


@pytest.mark.parametrize("how", CASES.values(), ids=CASES)
@pytest.mark.parametrize("whose", ["own", "mount"])
def test_the_trail_is_written(podman, tmp_path, footprint, how, whose):
    volume = tmp_path / "volume"
    volume.mkdir()
    where = {"own": [], "mount": ["-v", f"{volume}:/run/spoor"]}[whose]
    name = f"userns-{os.getpid()}-{tmp_path.name}"
    done = podman.run("spoor", *how, *where, "--name", name, "--cidfile", tmp_path / "cid", IMAGE, "sh", "-c", SCRIPT)
    if whose == "own":
        # Podman passes root's runtime directory to nobody.
        volume = (Path("/run/spoor") if ROOTFUL else STATE_ROOT) / "volumes" / (tmp_path / "cid").read_text()
    check(done, volume)
    footprint.is_clean(own_volumes_stay=whose == "own")
