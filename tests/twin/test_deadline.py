"""Setting up has a deadline and every step of it can fail: what comes of it is what `on_unavailable` says, soon.

`run`: the container runs, untraced, and session.json tells why. `refuse`: it is not created, one line says why. Never a
hang, never half a container.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import twin
from harness import BIN, of_each_process, one_line, session_of, until

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "broker"))

import peer  # noqa: E402

# The one is for what never answers; nothing else comes to the other, however busy the machine is.
DEADLINE, AMPLE = "300ms", "60s"
# All that must not happen is a hang, or a wait for the ample one.
SOON_S = 30


def reply(request, code, text, version=peer.VERSION, size=None):
    kind = int.from_bytes(request[6:8], sys.byteorder)
    return peer.REPLY.pack(peer.MAGIC, version, kind, code, 0, *([0] * 8), 0, 0, 0, 0, text.encode(), 0, 0)[:size]


@contextlib.contextmanager
def broker(path, answer):
    """Listens at `path`; answer(connection, request) is called for each request."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(path))
    listener.listen(64)
    open_ones = []

    def serve(connection):
        with contextlib.suppress(OSError):
            while request := connection.recv(4096):
                answer(connection, request)

    def accept():
        with contextlib.suppress(OSError):  # the listener is shut down
            while True:
                connection, _ = listener.accept()
                open_ones.append(connection)
                threading.Thread(target=serve, args=[connection], daemon=True).start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield
    finally:
        for one in (listener, *open_ones):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        accepting.join(5)
        os.unlink(path)


ANSWERS = {
    "slow": lambda connection, request: None,
    "full": lambda connection, request: connection.send(reply(request, peer.QUOTA, "too many rings for this user")),
    "old": lambda connection, request: connection.send(reply(request, peer.BAD_VERSION, "version 0 is spoken here", version=0)),
    "short of words": lambda connection, request: connection.send(reply(request, peer.OK, "", size=40)),
    "babbling": lambda connection, request: connection.send(b"\xff" * peer.REPLY.size),
    "generous": lambda connection, request: connection.send(reply(request, peer.OK, "")),  # but without a ring
    "gone at once": lambda connection, request: connection.shutdown(socket.SHUT_RDWR),
}
# Words of the reason, where they are the broker's or ours to choose.
REASONS = {"full": "too many rings"}


class Alone(twin.Twin):
    """spoor only, with settings of one's own."""

    def __init__(self, settings, deadline=AMPLE):
        super().__init__(twin.Side("spoor", str(BIN / "spoor"), f"setup_deadline: {deadline}\n{settings}"))

    def run(self):
        began = time.monotonic()
        done = subprocess.run([self.side.program, "run", "-b", "bundle", "alone"], executable=self.side.program, cwd=self.box,
                              env=self.environment, capture_output=True, text=True, timeout=SOON_S)
        assert time.monotonic() - began < SOON_S
        return done


def nothing_is_left(t):
    def more():
        # Without a recorder nobody removes the place where the volume was mounted.
        return [name for name in t._more() if not name.endswith("/rootfs/run/spoor")]

    until(lambda: not more(), lambda: f"nothing is left: {more()}", timeout=SOON_S)


def check(settings, choice, reason=None, deadline=AMPLE):
    for volume in twin.own_volumes():
        twin.shutil.rmtree(volume)
    t = Alone(f"on_unavailable: {choice}\n{settings(twin.BOX)}", deadline)
    t.bundle(["/bin/sh", "-c", "echo it runs; exit 3"])
    t.before = t._look()
    done = t.run()
    if choice == "refuse":
        assert done.returncode not in (0, 3) and done.stdout == "", done
        assert (reason or "tracing") in done.stderr, done
        assert "tracing is not possible" in done.stderr, done
    else:
        assert (done.returncode, done.stdout, done.stderr) == (3, "it runs\n", ""), done
        volumes = twin.own_volumes()
        assert len(volumes) == 1, volumes
        session = session_of(volumes[0])
        assert session["state"] == "untraced" and session["complete"] is False, session
        assert (reason or "") in one_line(session["reasons"][0]), session
    nothing_is_left(t)
    if choice == "refuse":
        assert not twin.own_volumes()


CHOICES = pytest.mark.parametrize("choice", ["run", "refuse"])


@CHOICES
@pytest.mark.parametrize("kind", ANSWERS)
def test_a_broker_that_is(kind, choice, tmp_path):
    with broker(tmp_path / "s", ANSWERS[kind]):
        check(lambda _: f"broker:\n  socket: {tmp_path}/s\n  private: never\n", choice, REASONS.get(kind),
              DEADLINE if kind == "slow" else AMPLE)


@CHOICES
def test_a_broker_that_has_died(choice, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as dead:
        dead.bind(str(tmp_path / "s"))
    check(lambda _: f"broker:\n  socket: {tmp_path}/s\n  private: never\n", choice, str(tmp_path / "s"))


@CHOICES
def test_a_broker_whose_queue_is_full(choice, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener, contextlib.ExitStack() as waiting:
        listener.bind(str(tmp_path / "s"))
        listener.listen(0)
        with contextlib.suppress(BlockingIOError):
            while True:
                client = waiting.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
                client.setblocking(False)
                client.connect(str(tmp_path / "s"))
        check(lambda _: f"broker:\n  socket: {tmp_path}/s\n  private: never\n", choice, deadline=DEADLINE)


RECORDERS = {
    "missing": None,
    "no program": "not a program\n",
    "failing": "#!/bin/sh\nexit 1\n",
    "hanging": "#!/bin/bash\nexec -a recorder-that-hangs sleep 1000\n",
}


@CHOICES
@pytest.mark.parametrize("kind", RECORDERS)
def test_a_recorder_that_is(kind, choice, tmp_path):
    program = tmp_path / "recorder"
    if RECORDERS[kind] is not None:
        program.write_text(RECORDERS[kind])
        program.chmod(0o755)
    check(lambda _: f"recorder: {program}\n", choice, deadline=DEADLINE if kind == "hanging" else AMPLE)


@CHOICES
def test_a_volume_that_cannot_be_written(choice, tmp_path):
    """This is an error of whoever named it, whatever may be unavailable."""
    t = Alone(f"on_unavailable: {choice}\n")
    t.bundle(change=lambda spec: spec.update(annotations={"io.spoor.volume": "/proc/nowhere/volume"}))
    done = t.run()
    assert done.returncode == 1 and done.stdout == "", done
    assert "volume" in one_line(done.stderr)
    assert not (twin.RUNTIME_DIR / "crun" / "alone").exists()


def test_a_hook_that_is_killed(tmp_path):
    """The runtime sees a hook that failed: there is no container then, and nothing of it."""
    with broker(tmp_path / "s", ANSWERS["slow"]):
        t = Alone(f"broker:\n  socket: {tmp_path}/s\n  private: never\n")
        t.bundle()
        t.before = t._look()
        process = t.open("run", "-b", "bundle", "alone")

        def hook():
            for line in of_each_process("cmdline"):
                with contextlib.suppress(OSError):
                    if b"\0hook\0create-runtime\0" in line.read_bytes():
                        return int(line.parent.name)
            return None

        os.kill(until(hook, "the hook runs"), signal.SIGKILL)
        out, _ = process.communicate(timeout=SOON_S)
        assert process.returncode != 0 and out == ""
    nothing_is_left(t)


@CHOICES
@pytest.mark.parametrize("name", ["runsc", "krun", "kata-runtime"])
def test_a_runtime_that_cannot_be_traced(name, choice, tmp_path):
    """Its containers have a kernel of their own."""
    program = tmp_path / name
    program.write_text('#!/bin/sh\nexec /usr/bin/crun "$@"\n')
    program.chmod(0o755)
    check(lambda _: f"runtime: {program}\n", choice, "a kernel of their own")


@CHOICES
def test_a_runtime_that_calls_no_such_hook(choice, tmp_path):
    """As its own `features` say: nothing would ever begin to trace."""
    program = tmp_path / "other"
    program.write_text('#!/bin/sh\n[ "$1" = features ] && echo \'{"hooks": ["poststop"]}\' || exec /usr/bin/crun "$@"\n')
    program.chmod(0o755)
    check(lambda _: f"runtime: {program}\n", choice, "calls no createRuntime hook")


@pytest.mark.parametrize("features", ["echo '{\"hooks\": [\"prestart\", \"createRuntime\"]}'; exit", "exit 64"], ids=["told", "none"])
def test_a_runtime_of_another_name(features, tmp_path):
    """youki, say: traced if its `features` have the hook, or if it knows no such verb; told of it by a copy of the bundle."""
    program = tmp_path / "youki"
    program.write_text(f'#!/bin/sh\n[ "$1" = features ] && {{ {features}; }}\necho "$@" >>{tmp_path}/calls\nexec /usr/bin/crun "$@"\n')
    program.chmod(0o755)
    for volume in twin.own_volumes():
        twin.shutil.rmtree(volume)
    t = Alone(f"on_unavailable: refuse\nruntime: {program}\n")
    t.bundle(["/bin/sh", "-c", "echo it runs; exit 3"])
    t.before = t._look()
    done = t.run()
    assert (done.returncode, done.stdout, done.stderr) == (3, "it runs\n", "")
    assert "/alone/bundle" in (tmp_path / "calls").read_text()
    twin.check_trails(1)
    nothing_is_left(t)


@pytest.mark.parametrize("runtime", ["/nonexistent/runtime", "/etc/passwd", "/tmp", "crun"])
def test_a_runtime_that_is_none(runtime):
    """Whatever may be unavailable: without it there is nothing to run."""
    t = Alone(f"runtime: {runtime}\n")
    t.bundle()
    t.before = t._look()
    done = t.run()
    assert (done.returncode, done.stdout) == (1, "") and runtime in one_line(done.stderr), done
    nothing_is_left(t)
