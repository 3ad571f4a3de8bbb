#!/usr/bin/python3
"""Takes a volume's disk away in the middle of a run, as a power cut does, and reads what is left.

The volume is on an ext4 of its own, which is shut down at once, without its log being flushed
(EXT4_IOC_SHUTDOWN): what is there after it has been mounted again is what had reached the disk. Container and
runtime must not notice.

Runs as root, inside ./dev shell --root.
"""

import fcntl
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import Podman, session_of, until

EXT4_IOC_SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)
NO_LOG_FLUSH = struct.pack("I", 2)
# The promise is one second: the recorder waits for three quarters of one, and then for the disk.
OLDEST_S = 1.0


def run(*command):
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)


def make_disk(place):
    image, point = place / "disk", place / "mounted"
    with open(image, "wb") as file:
        file.truncate(64 << 20)
    run("mkfs.ext4", "-q", "-F", image)
    point.mkdir()
    run("mount", "-o", "loop", image, point)
    return image, point


def sync_takes(place):
    """What a disk busy with other tests takes for the least that is to be kept. Not on the one that is cut: it would keep more."""
    fd = os.open(place / "kept", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        begun = time.monotonic()
        os.write(fd, b"x\n")
        os.fdatasync(fd)
        return time.monotonic() - begun
    finally:
        os.close(fd)


def cut_power(point):
    fd = os.open(point, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(fd, EXT4_IOC_SHUTDOWN, NO_LOG_FLUSH)
        return time.time()
    finally:
        os.close(fd)


def busybox(place):
    root = place / "root"
    (root / "bin").mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin")
    for applet in ("sh", "sleep", "touch", "rm"):
        (root / "bin" / applet).symlink_to("busybox")
    podman = Podman()
    podman.import_image("busybox", root)
    return podman


def whole_lines(path):
    """The last one may be cut; none before it."""
    text = path.read_bytes()
    return [json.loads(line) for line in text[: text.rfind(b"\n") + 1].splitlines()]


def seconds(line):
    whole, fraction = line["time"].rstrip("Z").split(".")
    return time.mktime(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) - time.timezone + float("0." + fraction)


def main():
    place = Path(tempfile.mkdtemp(prefix="spoor-power-"))
    settings = Path.home() / ".config" / "spoor"
    settings.mkdir(parents=True, exist_ok=True)
    (settings / "spoor.yaml").write_text(f"setup_deadline: 60s\nvolumes:\n  roots: [{place}]\n")
    image, point = make_disk(place)
    try:
        podman = busybox(place)
        volume = point / "volume"
        volume.mkdir()
        done = podman("run", "-d", "--network=none", "--annotation", f"io.spoor.volume={volume}", "busybox", "sh",
                      "-c", "i=0; while true; do touch /tmp.$i; i=$((i+1)); sleep 0.02; done", runtime="spoor")
        assert done.code == 0, done
        container = done.out.strip()
        accesses = volume / "trace" / "accesses.jsonl"
        # Long enough that what is left has several syncs behind it.
        until(lambda: accesses.exists() and sum(1 for line in accesses.open() if '"create"' in line) > 80,
              "the trail grows")
        oldest = OLDEST_S + 1.0 + 10 * sync_takes(place)  # a machine busy with other tests lets two threads run later, too
        cut = cut_power(point)
        time.sleep(1.0)  # it goes on without its volume
        assert podman("inspect", "-f", "{{.State.Running}}", container).out.strip() == "true"
        removed = podman("rm", "-f", "-t", "0", container, runtime="spoor")
        assert removed.code == 0, removed
        until(lambda: subprocess.run(["umount", point], stderr=subprocess.DEVNULL).returncode == 0, "it is let go")
        run("mount", "-o", "loop", image, point)
        session = session_of(volume)
        assert session["state"] == "tracing", session
        assert session.get("complete") is not True, session
        lines = whole_lines(accesses)
        made = [line for line in lines if line["op"] == "create"]
        numbers = [int(line["path"].rsplit(".", 1)[1]) for line in made if line["path"].startswith("/tmp.")]
        assert numbers == list(range(len(numbers))) and numbers, "lines are missing in the middle"
        age = cut - seconds(made[-1])
        print(f"{len(lines)} lines; the last is of {age:.2f} s before the cut, {oldest:.2f} may be")
        assert age <= oldest, age
    finally:
        subprocess.run(["umount", "-l", point], stderr=subprocess.DEVNULL)
        shutil.rmtree(place, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
