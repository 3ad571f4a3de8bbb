"""What the scenarios are written with: podman, trails, and a look at what is left behind.

Runs inside `./dev shell`, as the user of the environment (root in the rootful one).
"""

import dataclasses
import itertools
import json
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

BIN = Path("/run/spoor-dev/bin")
PROGRAMS = Path(os.environ.get("SPOOR_TEST_PROGRAMS", "/run/spoor-dev/programs"))
ROOTFUL = os.geteuid() == 0
STATE_ROOT = Path(os.environ["XDG_RUNTIME_DIR"]) / "spoor"
# An emulated machine (tests/vm) takes longer for everything.
PATIENCE = float(os.environ.get("SPOOR_TEST_PATIENCE", "1"))
TIMEOUT_S = 60 * PATIENCE


@dataclasses.dataclass
class Finished:
    code: int
    out: str
    err: str

    def __str__(self):
        return f"code {self.code}\nstdout: {self.out}\nstderr: {self.err}"


def execute(command, environment=None, input=None, cwd=None, timeout=TIMEOUT_S):
    done = subprocess.run([str(part) for part in command], capture_output=True, timeout=timeout, cwd=cwd,
                          input=(input or "").encode(), env={**os.environ, **(environment or {})})
    return Finished(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def until(condition, what, timeout=60.0):
    """Waits for `condition()` to be true and returns its value."""
    timeout *= PATIENCE
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what() if callable(what) else what}")
        time.sleep(0.01)


def logged(log):
    """Standard output and error as conmon's log has them: "TIME STREAM F TEXT", or P for a part of a line."""
    text = {"stdout": "", "stderr": ""}
    for line in log.read_bytes().decode(errors="replace").split("\n")[:-1]:
        _, stream, tag, part = line.split(" ", 3)
        text[stream] += part + ("\n" if tag == "F" else "")
    return text["stdout"], text["stderr"]


class Podman:
    def __call__(self, *arguments, runtime="crun", **options):
        return execute(["podman", "--runtime", runtime, *arguments], **options)

    def run(self, runtime, *arguments, volume=None, **options):
        """podman run --rm; `volume` is where spoor is to leave the trail."""
        where = ["--annotation", f"io.spoor.volume={volume}"] if volume else []
        with tempfile.TemporaryDirectory() as scratch:
            log = Path(scratch, "log")
            done = self("run", "--rm", "--network=none", "--log-driver=k8s-file", f"--log-opt=path={log}", *where, *arguments,
                        runtime=runtime, **options)
            # On a busy machine conmon may have read all that a short container writes, or its beginning, before it sees podman,
            # which then does not get that. What podman itself says is not in the log.
            if log.exists() and "-d" not in arguments:
                done.out, done.err = (told if told.endswith(got) else got
                                      for told, got in zip(logged(log), (done.out, done.err)))
        return done

    def import_image(self, name, directory):
        tar = subprocess.Popen(["tar", "-C", directory, "--owner=0", "--group=0", "-c", "."],
                               stdout=subprocess.PIPE)
        subprocess.run(["podman", "import", "--quiet", "-", name], stdin=tar.stdout, check=True,
                       capture_output=True)
        assert tar.wait() == 0


# ------------------------------------------------------------------------------------------ trails


@dataclasses.dataclass(frozen=True, order=True)
class Row:
    """One access, without its times."""

    pid: int
    op: str
    path: str
    to: str = ""
    error: str = ""


class Trail:
    """The signal files of a volume, read once."""

    def __init__(self, volume):
        trace = Path(volume) / "trace"
        self.session = json.loads((trace / "session.json").read_text())
        self.raw_accesses = self._lines(trace / "accesses.jsonl")
        self.processes = self._lines(trace / "processes.jsonl")
        self.report_file = trace / "tasks" / "-.json"

    @staticmethod
    def _lines(path):
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def rows(self):
        """All rows; a list, so that a repeated one shows."""
        return [Row(row["pid"], row["op"], row["path"], row.get("to", ""), row.get("error", ""))
                for row in self.raw_accesses]

    def flags(self, op, path):
        return [set(row.get("flags", [])) for row in self.raw_accesses if (row["op"], row["path"]) == (op, path)]

    def paths(self, op):
        return {row["path"] for row in self.raw_accesses if row["op"] == op}


def session_of(volume):
    try:
        return json.loads((Path(volume) / "trace" / "session.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}


def finished_trail(volume):
    """The trail when its session has ended; complete, or the test fails with the reason."""
    until(lambda: session_of(volume).get("state") not in (None, "tracing"),
          lambda: f"the session ends: {session_of(volume)}")
    trail = Trail(volume)
    assert trail.session["state"] == "finished", trail.session
    assert trail.session["complete"] is True, trail.session
    assert trail.session["lost"] == 0, trail.session
    return trail


# ----------------------------------------------------------------------------------- left behind


def is_inits_zombie(process):
    """It has ended, and the machine's init has not looked for it yet, which may take that one seconds."""
    state, parent = (process / "stat").read_text().rpartition(")")[2].split()[:2]
    return state == "Z" and parent == "1"


def of_each_process(file):
    """/proc/PID/file, which may be gone by now. Not by Path.glob(), which fails if a process ends while it looks."""
    return [Path("/proc", pid, file) for pid in os.listdir("/proc") if pid.isdigit()]


def processes(*names):
    """Those of the environment whose name begins so; its spoord, with its gatekeepers, only if that is asked for."""
    found = set()
    for status in of_each_process("cgroup"):
        try:
            # Ours are the ones that can be seen below the environment's own cgroup.
            if "/.." in status.read_text().splitlines()[-1]:
                continue
            name = (status.parent / "comm").read_text().strip()
            # Where there is no environment, spoord is in sight.
            if name.startswith(names) and (not name.startswith("spoord") or "spoord" in names) and not is_inits_zombie(status.parent):
                found.add(f"{name}[{status.parent.name}]")
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def cgroups():
    podmans = ("libpod_parent", "conmon")  # made once, for all containers of root
    return {path for path, _, _ in os.walk("/sys/fs/cgroup") if os.path.basename(path) not in podmans}


def tree(root):
    """Not by Path.rglob(), which fails if something goes while it looks."""
    return {os.path.join(path, name) for path, *names in os.walk(root) for name in itertools.chain(*names)}


class Footprint:
    """What a container may leave: nothing but its volume."""

    def __init__(self, podman):
        self.podman = podman
        self.before = self._look()

    def _look(self):
        return {
            "processes": processes("spoor", "crun"),
            "cgroups": cgroups(),
            "state": tree(STATE_ROOT / "containers"),
            "own volumes": tree(STATE_ROOT / "volumes"),
            "crun's state": tree(Path(os.environ["XDG_RUNTIME_DIR"]) / "crun"),
        }

    def _more(self, ignored):
        now = self._look()
        return {key: sorted(map(str, now[key] - self.before[key]))
                for key in now if key not in ignored and now[key] - self.before[key]}

    def is_clean(self, own_volumes_stay=False):
        ignored = {"own volumes"} if own_volumes_stay else set()
        until(lambda: not self._more(ignored), lambda: f"nothing is left: {self._more(ignored)}")


def one_line(text):
    lines = text.rstrip("\n").split("\n")
    assert len(lines) == 1 and lines[0], f"not one line: {text!r}"
    return lines[0]


def as_if_crun(text):
    """podman puts the runtime's name before its words; container ids differ."""
    return re.sub(r"[0-9a-f]{64}", "<id>", re.sub(r"\bspoor: ", "crun: ", text))
