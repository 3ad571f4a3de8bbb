"""The same scenario three times: with crun, with spoor that traces nothing, and with spoor that traces.

A scenario is a function of a Twin, which it asks to do things; the Twin notes what can be seen of each. The
notes of the three must be equal, and so must what is left behind. What is made equal before comparing, and
why, is told in docs/drop-in.md; all of it stands in this file. What Podman may miss of an output is conmon.py's.
"""

import dataclasses
import difflib
import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import tty
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "e2e"))

import conmon  # noqa: E402
from harness import BIN, PATIENCE, PROGRAMS, ROOTFUL, STATE_ROOT, cgroups, processes, session_of, until  # noqa: E402

TIMEOUT_S = 60 * PATIENCE
PATIENCE_S = 30
# There is systemd, as in the virtual machines of tests/vm: Podman has it manage cgroups.
SYSTEMD = Path("/run/systemd/system").is_dir()
# The same for all three, so that nothing has to be made equal in a text that names it.
CRUN = "/usr/bin/crun"
RUNTIME_DIR = Path(os.environ["XDG_RUNTIME_DIR"])
BOX = Path(os.environ["TMPDIR"]) / "box"
# Podman calls a rootful runtime without XDG_RUNTIME_DIR: the state is elsewhere then.
STATE_ROOTS = [STATE_ROOT, Path("/run/spoor")] if ROOTFUL else [STATE_ROOT]
SEEN = [RUNTIME_DIR, Path("/run/crun"), Path("/run/spoor")] if ROOTFUL else [RUNTIME_DIR]
# Since crun 1.9: what it has compiled once, for all containers with that filter.
SECCOMP_CACHE = ".cache"
# Podman's own, which differ from run to run or are made once for all containers.
PODMANS = ("libpod", "containers", "podman", "netns", "bus", "systemd")

SCENARIOS = []


@dataclasses.dataclass(frozen=True)
class Side:
    name: str
    program: str
    settings: str | None  # spoor.yaml
    base: str = CRUN  # the runtime that is compared with


SIDES = (
    Side("crun", CRUN, None),
    Side("untraced", str(BIN / "spoor"), "trace: false\n"),
    # Not the machine's speed is tested: nothing may give up on its deadline.
    Side("traced", str(BIN / "spoor"), "setup_deadline: 60s\nvolumes:\n  keep: 100000\n"),
)
# Where the untraced one would show nothing more, or the machine is too slow for it.
PAIR = tuple(side for side in SIDES if side.name != "untraced")
if SYSTEMD:
    SIDES = PAIR
RUNC = "/usr/sbin/runc"
RUNC_SIDES = tuple(Side(f"{one.name} runc", RUNC if one.settings is None else one.program,
                        one.settings and f"runtime: {RUNC}\n{one.settings}", RUNC) for one in SIDES)


@dataclasses.dataclass(frozen=True)
class Scenario:
    play: object
    sessions: int | None  # how many complete trails the traced one leaves
    rootless: bool
    rootful: bool

    @property
    def name(self):
        return self.play.__name__


def scenario(sessions=1, only=None):
    """Registers a function as one; `only`: "rootless" or "rootful"."""

    def register(function):
        SCENARIOS.append(Scenario(function, sessions, only != "rootful", only != "rootless"))
        return function

    return register


def scenarios_of(module):
    return [s for s in SCENARIOS if s.play.__module__ == module and (s.rootful if ROOTFUL else s.rootless)]


# ---------------------------------------------------------------------------- what is made equal

# Chosen anew for each container or each moment, by the kernel, by Podman, or by the clock.
CHOSEN = (
    (re.compile(r"\b[0-9a-f]{64}\b"), "<id>"),
    (re.compile(r"\b(?:[0-9a-f]{32}|[0-9a-f]{11,12})\b"), "<id>"),
    (re.compile(r"\b(buildah|podman)\d+"), r"\1<number>"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?(Z|[+-]\d\d:?\d\d( \w+)?))?"), "<time>"),
    (re.compile(r'("pid" ?: ?|\bpid=)[1-9]\d*'), r"\1<pid>"),
    (re.compile(r"(?m)^(\w+: line \d+: +)\d+ "), r"\1<pid> "),  # bash, of who died by a signal
    # Podman puts the name under which the runtime is registered before its words.
    (re.compile(r"\bspoor: "), "crun: "),
    # And quotes the command that failed.
    (re.compile(re.escape(f"{BIN}/spoor")), CRUN),
)
# What the volume adds inside a container that is traced, and nothing else may be added.
OWN_BUNDLE = re.compile(r'"[^"]*/spoor/containers/[^/"]*/bundle"')  # a copy for a runtime without --config
OWN_MOUNTS = re.compile(r"^mount /run/spoor(/agent)? .*\n", re.M)
def made_equal(text):
    for pattern, replacement in CHOSEN:
        text = pattern.sub(replacement, text)
    return text


def is_no_business_of_ours(name):
    """Of one from processes(): ended, and waited for by nobody yet; a detached container's parent is the machine's init.
    Or a thread of the kernel."""
    try:
        status = Path("/proc", name[name.rindex("[") + 1:-1], "status").read_text()
        return "\nState:\tZ" in status or "\nPPid:\t2\n" in status
    except (FileNotFoundError, ProcessLookupError):
        return True


def files_beneath(directory):
    """Of what vanishes meanwhile nothing."""
    return {os.path.join(path, name) for path, *names in os.walk(directory) for name in names[0] + names[1]}


# -------------------------------------------------------------------------------------- the Twin


class Twin:
    def __init__(self, side):
        self.side = side
        self.box = BOX
        self.notes = []
        self.untraced = False  # no container of its kind can be traced, which its session says
        self.sessions = None  # complete trails that a traced one leaves, where only the scenario can tell
        self.executed = set()  # what until_executed() has seen
        shutil.rmtree(BOX, ignore_errors=True)
        BOX.mkdir()
        self.own_name = "crun" if side.settings is None else "spoor"  # as registered with podman
        self.config = Path(os.environ["TMPDIR"]) / f"settings-{side.name.split()[0]}"
        self._settings(side)
        self.environment = {**os.environ, "RUNTIME": side.program, "LOGGED": " ".join(conmon.OPTIONS),
                            "CONTAINERS_CONF": str(self.config / "containers.conf")}
        self.before = self._look()

    @staticmethod
    def _settings(side):
        # Where spoor finds it although podman passes on little more than HOME.
        directory = Path.home() / ".config" / "spoor"
        shutil.rmtree(directory, ignore_errors=True)
        if side.settings is not None:
            directory.mkdir(parents=True)
            (directory / "spoor.yaml").write_text(side.settings)

    @staticmethod
    def prepare(side):
        """Once, before the first scenario: the side's containers.conf."""
        directory = Path(os.environ["TMPDIR"]) / f"settings-{side.name}"
        directory.mkdir()
        text = Path("/etc/containers/containers.conf").read_text()
        registered = 'crun = ["/usr/bin/crun"]'
        assert registered in text
        in_place = text.replace(registered, f'crun = ["{side.program}"]')
        in_place = in_place.replace("[engine]", '[engine]\ninfra_image = "localhost/twin-pause"')
        (directory / "containers.conf").write_text(
            re.sub(r'(?m)^spoor = .*$', f'spoor = ["{side.program}"]', in_place))

    # ------------------------------------------------------------------------------------ notes

    def note(self, what, value=""):
        text = made_equal(str(value))
        if self.side.name.startswith("traced"):
            text = OWN_BUNDLE.sub(f'"{BOX}/bundle"', OWN_MOUNTS.sub("", text))
        self.notes.append((what, text))

    def note_file(self, name):
        file = self.box / name
        self.note(f"file {name}", file.read_text(errors="replace") if file.exists() else "<none>")

    # ------------------------------------------------------------------------- calls of the runtime

    def _run(self, command, what, stdin=b"", environment=None, quiet=False, check=None, timeout=TIMEOUT_S, **options):
        conmon.LOG.unlink(missing_ok=True)
        done = subprocess.run(command, capture_output="stdout" not in options, timeout=timeout, input=stdin,
                              env=self.environment if environment is None else environment,
                              cwd=options.pop("cwd", self.box), **options)
        out, err = conmon.whole(*((stream or b"").decode(errors="replace") for stream in (done.stdout, done.stderr)))
        if check is not None:
            assert done.returncode == check, f"{self.side.name}: {what}: {done.returncode}\n{out}\n{err}"
        if not quiet:
            self.note(what, f"code {done.returncode}\nstdout:\n{out}\nstderr:\n{err}")
        return done.returncode, out

    def oci(self, *arguments, environment=None, **options):
        """The runtime, called /usr/bin/crun."""
        words = [self.side.base, *map(str, arguments)]
        if environment is not None:
            # With nothing in it spoor finds no settings and traces: that is for scenarios that say so.
            options["environment"] = environment
        return self._run(words, " ".join(words), executable=self.side.program, **options)

    def shell(self, script, **options):
        """bash, where `runtime` is the runtime, called /usr/bin/crun; $LOGGED is for `podman run` (conmon.py)."""
        return self._run(["bash", "-c", f'runtime() {{ (exec -a {self.side.base} "$RUNTIME" "$@"); }}\n{script}'], script,
                         **options)

    def open(self, *arguments, **options):
        """The runtime in the background; a Popen with pipes."""
        return subprocess.Popen([self.side.base, *map(str, arguments)], executable=self.side.program, cwd=self.box,
                                env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, **options)

    def note_end(self, process, with_output=True):
        """Of one from open(): its code, and what it wrote that was not read before."""
        self.note("code", process.wait(TIMEOUT_S))
        if with_output:
            self.note("rest of stdout", process.stdout.read())
            self.note("stderr", process.stderr.read())
        process.stdout.close()
        process.stderr.close()

    def bundle(self, args=("/probe",), change=None, name="bundle", terminal=False):
        """A bundle that runs the probe; `change` gets the spec."""
        bundle = self.box / name
        for directory in ("", "bin", "proc", "sys", "dev", "run", "tmp", "etc"):
            (bundle / "rootfs" / directory).mkdir(parents=True, exist_ok=True)
        shutil.copy(PROGRAMS / "probe", bundle / "rootfs")
        shutil.copy("/bin/busybox", bundle / "rootfs" / "bin" / "busybox")
        (bundle / "rootfs" / "bin" / "sh").symlink_to("busybox")
        subprocess.run([self.side.base, "spec", *([] if ROOTFUL else ["--rootless"])], cwd=bundle, check=True)
        spec = json.loads((bundle / "config.json").read_text())
        spec["process"].update(args=list(args), terminal=terminal)
        spec["process"].pop("rlimits", None)  # root here may not raise them
        spec["root"]["readonly"] = False
        if change:
            change(spec)
        (bundle / "config.json").write_text(json.dumps(spec))
        return bundle

    def state(self, name="twin"):
        done = subprocess.run([self.side.base, "state", name], capture_output=True, env=self.environment, timeout=TIMEOUT_S)
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def until_executed(self):
        """Until one more container runs busybox: who is deleted before his program runs was never started."""
        self.executed |= until(lambda: processes("busybox") - self.executed, "a container's program runs", timeout=PATIENCE_S)

    def until_stopped(self, name="twin"):
        until(lambda: self.state(name).get("status") == "stopped", lambda: self.state(name), timeout=PATIENCE_S)

    def terminal(self, path):
        """Listens for a console at `path`; call what comes back for all that was written to it."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(TIMEOUT_S)
        output = []

        def read():
            with listener:
                peer, _ = listener.accept()
                with peer:
                    name, fds, _, _ = socket.recv_fds(peer, 256, 4)
                output.append(f"{len(fds)} descriptors for {os.path.basename(name.decode())!r}\n")
                try:
                    while data := os.read(fds[0], 65536):
                        output.append(data.decode(errors="replace"))
                except OSError:  # EIO: all ends of the terminal are closed
                    pass
                os.close(fds[0])

        reader = threading.Thread(target=read)
        reader.start()

        def finish():
            reader.join(TIMEOUT_S)
            assert not reader.is_alive(), "the terminal stays open"
            return "".join(output)

        return finish

    # --------------------------------------------------------------------------- calls of podman

    def podman(self, *arguments, runtime=None, **options):
        """podman with the side's program in place of crun, or by the name given."""
        words = ["podman", *(["--runtime", runtime] if runtime else []), *conmon.with_log(arguments)]
        return self._run(words, " ".join(["podman", *map(str, arguments)]), **options)

    def podman_on_terminal(self, *arguments, answers=(), by_chance="(?!)"):
        """With a terminal for all three; what it shows is noted. `answers`: (what is shown, what is typed then) in turn.
        `by_chance`: a pattern of what is shown or not."""
        master, slave = pty.openpty()
        if answers:  # what is typed before podman takes the terminal over is not to be shown by it
            tty.setraw(slave)
        conmon.LOG.unlink(missing_ok=True)
        process = subprocess.Popen(["podman", *conmon.with_log(arguments)], stdin=slave, stdout=slave, stderr=slave,
                                   env=self.environment, cwd=self.box, start_new_session=True)
        os.close(slave)
        shown, seen, answers = b"", 0, list(answers)
        late = threading.Timer(TIMEOUT_S, process.kill)  # and its end closes the terminal
        late.start()
        try:
            while True:
                while answers and answers[0][0] in shown[seen:]:
                    prompt, typed = answers.pop(0)
                    seen = shown.index(prompt, seen) + len(prompt)
                    os.write(master, typed)
                if not (data := os.read(master, 65536)):
                    break
                shown += data
        except OSError:  # EIO: nobody holds the other end any more
            pass
        late.cancel()
        assert not answers, f"{answers[0][0]} is not shown: {shown}"
        os.close(master)
        code = process.wait(TIMEOUT_S)
        assert code != -signal.SIGKILL, f"ends in {TIMEOUT_S} s: {shown}"
        # The terminal sends a key's signal and echoes the key then: before or after what the process answers.
        text, _ = conmon.whole(shown.decode(errors="replace").replace("\r\n", "\n"))
        text = re.sub(rf"\^[C\\]|{by_chance}", "", text).rstrip()
        self.note(" ".join(map(str, ["podman", *arguments])), f"code {code}\n{text}")

    def sort_mounts(self):
        """Podman adds its mounts in an order that changes from container to container."""
        for i, (what, text) in enumerate(self.notes):
            lines = text.splitlines()
            mounts = iter(sorted(line for line in lines if line.startswith("mount ")))
            self.notes[i] = what, "\n".join(next(mounts) if line.startswith("mount ") else line for line in lines)

    # ------------------------------------------------------------------------------- left behind

    def _look(self):
        mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        ignored = tuple([f"{RUNTIME_DIR}/{name}" for name in PODMANS] + [f"{root}/volumes/" for root in STATE_ROOTS]
                        + [f"{directory}/{SECCOMP_CACHE}" for directory in (RUNTIME_DIR / "crun", "/run/crun")])
        files = {path for top in SEEN for path in files_beneath(top) if not path.startswith(ignored)}
        return {"process": {re.sub(r"\[.*", "", name): name for name in processes("") if not is_no_business_of_ours(name)},
                "mount": set(mounts), "cgroup": cgroups(), "file": files | files_beneath(BOX)}

    def _more(self):
        now = self._look()
        # Ours: where the volumes are; podman's: a mount that comes and goes.
        ours = {f"{root}{name}" for root in STATE_ROOTS for name in ("", "/volumes", "/containers")}
        return sorted(f"{kind} {name}" for kind in now for name in set(now[kind]) - set(self.before[kind])
                      if name not in ours and not name.endswith("/storage/overlay"))

    def left(self, expected=None):
        """Notes what is left; for the twins of crun, when it is the same as crun left."""
        if expected is None:
            until(lambda: not [name for name in self._more() if name.startswith("process ")],
                  lambda: f"{self.side.name}: processes end: {self._more()}", timeout=PATIENCE_S)
        else:
            until(lambda: made_equal("\n".join(self._more())) == expected,
                  lambda: f"{self.side.name} leaves, in place of what crun does:\n" + "\n".join(difflib.unified_diff(
                      expected.splitlines(), made_equal("\n".join(self._more())).splitlines(), n=0, lineterm="")),
                  timeout=PATIENCE_S)
        text = made_equal("\n".join(self._more()))
        self.note("left behind", text)
        self._clean()
        return text

    def _clean(self):
        """Of what crun itself leaves, what the next one would meet."""
        for path in sorted(cgroups() - self.before["cgroup"], reverse=True):
            os.rmdir(path)
        state = RUNTIME_DIR / os.path.basename(self.side.base)
        for name in set(os.listdir(state)) - {SECCOMP_CACHE} if state.exists() else []:
            subprocess.run([self.side.base, "delete", "-f", name], env=self.environment, capture_output=True)
            shutil.rmtree(state / name, ignore_errors=True)


def own_volumes():
    return sorted(volume for root in STATE_ROOTS for volume in root.glob("volumes/*"))


def check_trails(sessions, untraced=False):
    """The traced one was traced: its trails are there, and complete. Or none of them, where that cannot be."""
    volumes = own_volumes()

    def ended():
        return all(session_of(volume).get("state") not in (None, "tracing") for volume in volumes)

    until(ended, lambda: [session_of(volume) for volume in volumes], timeout=PATIENCE_S)
    bad = [(session["state"], session["reasons"]) for session in map(session_of, volumes)
           if (session["state"], session["complete"]) != (("untraced", False) if untraced else ("finished", True))]
    assert not bad, bad
    assert len(volumes) == sessions, [volume.name for volume in volumes]


def play(scenario, podmans=False, sides=SIDES):
    """Plays it on `sides` and compares. `podmans`: containers are made by podman."""
    first = left = None
    for side in sides:
        for volume in own_volumes():
            shutil.rmtree(volume)
        twin = Twin(side)
        try:
            scenario.play(twin)
        except Exception as error:
            raise AssertionError(f"{side.name}: {type(error).__name__}: {error}\n"
                                 + until_then(first, twin.notes, side.name)) from error
        if podmans:
            twin.sort_mounts()
        if first is None:
            left = twin.left()
            first = twin.notes
            continue
        twin.left(left)
        compare(first, twin.notes, side.name)
        if side.name.startswith("traced"):
            check_trails(twin.sessions if scenario.sessions is None else scenario.sessions, twin.untraced)
        else:
            assert not own_volumes()


def lines_of(notes):
    return [line for what, value in notes for line in (f"## {what}", *value.splitlines())]


def until_then(first, notes, name):
    """What a scenario that did not come to its end noted, beside what the first side did until there."""
    if first is None:
        return "\n".join(lines_of(notes))
    return "\n".join(difflib.unified_diff(lines_of(first[:len(notes) + 1]), lines_of(notes), "crun", name, n=1000, lineterm=""))


def compare(plain, shimmed, name):
    texts = [lines_of(notes) for notes in (plain, shimmed)]
    if texts[0] != texts[1]:
        raise AssertionError("\n".join(difflib.unified_diff(*texts, "crun", name, n=4, lineterm="")))
