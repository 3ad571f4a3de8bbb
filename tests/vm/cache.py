"""Directories in build/vm that are made once for given inputs."""

import fcntl
import hashlib
import json
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path


def digest_of(*parts):
    """One name for strings, JSON values, and the contents of files and directories."""
    digest = hashlib.sha256()
    for part in parts:
        files = [part] if isinstance(part, Path) and part.is_file() else []
        if isinstance(part, Path) and part.is_dir():
            files = sorted(path for path in part.rglob("*") if path.is_file())
        digest.update(b"\0part\0")
        for file in files:
            digest.update(f"{file.name}\0".encode() + file.read_bytes() + b"\0")
        if not isinstance(part, Path):
            digest.update(json.dumps(part, sort_keys=True).encode())
    return digest.hexdigest()[:16]


def made(directory, key, make):
    """directory/KEY, filled by make(path) if it is not there whole; other keys' results are removed."""
    directory.mkdir(parents=True, exist_ok=True)
    result = directory / key
    if not result.exists():
        for old in directory.iterdir():
            shutil.rmtree(old)
        partial = directory / f"{key}.partial"
        partial.mkdir()
        make(partial)
        partial.rename(result)
    return result


@contextmanager
def only_one(build):
    """Two runs at once would make the same things; the second one waits."""
    build.mkdir(parents=True, exist_ok=True)
    with open(build / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"vm: another run is at {build}; this one waits for its end", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(*command, timeout_s=600, **options):
    """A command that has to succeed; what it said is in the error."""
    words = [str(word) for word in command]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout_s, **options)
    out = done.stdout.decode(errors="replace")
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words[:3])} … ended with {done.returncode}:\n{out[-3000:]}")
    return out
