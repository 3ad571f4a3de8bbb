"""More events than the ring has room for: held back, or lost and told."""

import contextlib
import json
import os
import shutil
import signal
import subprocess

import pytest

from harness import PROGRAMS, STATE_ROOT, Trail, finished_trail, session_of, until

PROCESSES, FILES = 4, 20000


@pytest.fixture(scope="module")
def storm(podman, tmp_path_factory):
    """Arguments of podman run for a storm of opens in /data, and the directory behind it."""
    image, data = tmp_path_factory.mktemp("storm"), tmp_path_factory.mktemp("data")
    shutil.copy(PROGRAMS / "fs_storm", image)
    (image / "bin").mkdir()
    shutil.copy("/bin/busybox", image / "bin/sh")
    podman.import_image("storm", image)
    subprocess.run([PROGRAMS / "fs_storm", data, "0", "0", str(FILES), "0"], check=True)
    return data


def storm_command(forks=100):
    return f"/fs_storm /data {PROCESSES} {FILES} {FILES} {forks}"


def files_read(trail):
    read = {}
    for row in trail.rows:
        if row.op == "read" and row.path.startswith("/data/d"):
            read.setdefault(row.pid, set()).add(row.path)
    return sorted(len(paths) for paths in read.values())


class Detached:
    """A container in the background that waits for /data/go before it runs `script`."""

    def __init__(self, podman, spoor, data, volume, script):
        self.podman, self.spoor, self.data = podman, spoor, data
        self.name = f"pressure-{os.getpid()}"
        for name in ("go", "done", "drained", "frozen"):
            (data / name).unlink(missing_ok=True)
        script = f"until [ -e /data/go ]; do :; done; {script}"
        started = podman("run", "-d", "--name", self.name, "--network=none", "-v", f"{data}:/data",
                         "--annotation", f"io.spoor.volume={volume}", "storm", "/bin/sh", "-c", script, runtime=spoor)
        assert started.code == 0, started

    def remove(self):
        self.podman("rm", "-f", "-t", "0", self.name, runtime=self.spoor)

    def say(self, word):
        (self.data / word).write_text("")

    @contextlib.contextmanager
    def stopped_recorder(self, state_root):
        (file,) = (state_root / "containers").glob("*/recorder")
        recorder = int(file.read_text().split()[0])
        os.kill(recorder, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(recorder, signal.SIGCONT)


@pytest.fixture
def detached(podman):
    made = []

    def make(*arguments):
        made.append(Detached(podman, *arguments))
        return made[-1]

    yield make
    for container in made:
        container.remove()


def test_freeze_holds_the_container_until_the_ring_is_drained(podman, storm, volume, with_settings, detached):
    """The recorder finds a ring more than half full that may not grow."""
    state_root = STATE_ROOT.parent / "spoor-freeze"
    spoor = with_settings(f"state_root: {state_root}\non_pressure: freeze\nring: {{initial: 1MiB, max: 1MiB}}\n")
    # What the container sees of its freezer afterwards: of v2 the file at the top of its namespace.
    look = "f=/sys/fs/cgroup/cgroup.freeze; if [ -e $f ]; then read x < $f; else x=none; fi; echo $x > /data/frozen"
    opens = 3000
    # Whether the recorder finds the ring so when it goes on is up to the scheduler: not more than ten times.
    for _ in range(10):
        container = detached(spoor, storm, volume, f"/fs_storm /data 1 {opens} {opens} 0 > /dev/null; : > /data/done; "
                                                   f"until [ -e /data/drained ]; do :; done; {look}")
        with container.stopped_recorder(state_root):
            container.say("go")
            until((storm / "done").exists, "the storm is over")
        container.say("drained")
        trail = finished_trail(volume)
        container.remove()
        assert (storm / "frozen").read_text().strip() in ("0", "none")
        assert files_read(trail) == [opens]
        assert trail.session["ringBytes"] == 1 << 20
        if any("the container was held" in warning for warning in trail.session["warnings"]):
            return
    pytest.fail(f"never held: {trail.session['warnings']}")


def test_a_storm_is_traced_to_the_last_file(podman, storm, volume, with_settings):
    spoor = with_settings("on_pressure: freeze\nring: {max: 4MiB}\n")
    # A machine with ten times more to do than it can keeps the recorder waiting until even this ring is full: not ten times.
    for _ in range(10):
        done = podman.run(spoor, "-v", f"{storm}:/data", "storm", "/bin/sh", "-c", storm_command(2000), volume=volume)
        assert done.code == 0, done
        until(lambda: session_of(volume).get("state") == "finished", lambda: f"finished: {session_of(volume)}")
        if session_of(volume)["complete"]:
            break
    trail = finished_trail(volume)
    assert files_read(trail) == [FILES] * PROCESSES
    assert trail.session["ringBytes"] <= 4 << 20
    assert trail.session["recorder"]["peakRssKiB"] <= 64 << 10
    assert len(trail.processes) >= PROCESSES + 2000


def test_a_flood_cannot_hide_an_access_unsaid(storm, volume, with_settings, detached):
    """The recorder stands still while more comes than fits: what is lost is told to be."""
    state_root = STATE_ROOT.parent / "spoor-flood"
    spoor = with_settings(f"state_root: {state_root}\nring: {{initial: 64KiB, max: 64KiB}}\n")
    (storm / "secret").write_text("x")
    container = detached(spoor, storm, volume, f"{storm_command()} > /dev/null; read x < /data/secret; : > /data/done")
    with container.stopped_recorder(state_root):
        container.say("go")
        until((storm / "done").exists, "the storm is over")
    until(lambda: session_of(volume).get("state") == "finished", lambda: f"finished: {session_of(volume)}")
    session = Trail(volume).session
    assert session["complete"] is False
    assert session["lost"] == session["lostByCause"]["ringFull"] > 0
    assert any("the ring was full" in reason for reason in session["reasons"]), session
    report = json.loads((volume / "trace/tasks/-.json").read_text())
    assert report["spoor"]["complete"] is False
