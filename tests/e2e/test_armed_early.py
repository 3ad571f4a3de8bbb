"""On cgroup v2 the container's cgroup is armed before the createRuntime hook asks (shim/recorder/arming.h). A prestart hook,
which the runtime calls before that one, waits for the session; what it does then is a test's matter."""

import json
from pathlib import Path

import pytest

from harness import BIN, STATE_ROOT, execute, finished_trail, until
from test_killed_shim import bundle

NAME = "early"
ON_V2 = Path("/sys/fs/cgroup/cgroup.controllers").exists()
# The state that the runtime writes has the process's number.
HOOK = """#!/bin/sh
pid=$(sed 's/.*"pid": *\\([0-9]*\\).*/\\1/')
looks=0
until {bin}/spoorctl sessions --json > {place}/sessions && grep -q '"{name}"' {place}/sessions; do
    looks=$((looks + 1))
    [ $looks -lt {looks_max} ] || exit 9
done
{then}
"""
MOVE = "cd /sys/fs/cgroup/{name} && mkdir moved && echo $pid > moved/cgroup.procs"


class Container:
    def __init__(self, place):
        self.place = place
        self.volume = STATE_ROOT / "volumes" / NAME
        self.annotations = None

    def run(self, then, looks_max=1000):
        bundle(self.place, self.annotations)
        hook = self.place / "hook"
        hook.write_text(HOOK.format(bin=BIN, place=self.place, name=NAME, looks_max=looks_max, then=then.format(name=NAME)))
        hook.chmod(0o755)
        file = self.place / "config.json"
        spec = json.loads(file.read_text())
        spec["process"]["args"] = ["/bin/sh", "-c", ": < /etc/absent"]
        spec["hooks"] = {"prestart": [{"path": str(hook)}]}
        file.write_text(json.dumps(spec))
        return execute([BIN / "spoor", "run", "--bundle", self.place, NAME])

    def saw(self):
        """What the hook was told of the session before ours asked for one."""
        return [session for session in json.loads((self.place / "sessions").read_text()) if session["containerId"] == NAME]

    def is_traced(self, done):
        assert "absent" in done.err, done
        trail = finished_trail(self.volume)
        assert "/etc/absent" in trail.paths("absent"), trail.rows()
        # Neither the runtime's preparations nor hooks.
        assert [process["argv"][0] for process in trail.processes] == ["/bin/sh"], trail.processes


@pytest.fixture
def container(tmp_path, footprint):
    yield Container(tmp_path)
    footprint.is_clean(own_volumes_stay=True)
    listed = execute([BIN / "spoorctl", "sessions", "--json"])
    assert listed.code == 0 and NAME not in listed.out, listed


if ON_V2:

    def test_it_is(container):
        done = container.run(then="")
        container.is_traced(done)
        assert [session["records"] for session in container.saw()] == [0]

    def test_the_hook_finds_it_in_another_cgroup(container):
        container.is_traced(container.run(MOVE))

    def test_a_container_that_fails_then_leaves_nothing(container):
        done = container.run("exit 1")
        assert done.code != 0 and "error executing hook" in done.err, done
        assert len(container.saw()) == 1
        until(lambda: not container.volume.exists(), lambda: list(container.volume.rglob("*")))

    def test_a_container_that_fails_then_leaves_a_users_volume_as_it_was(container):
        volume = container.place / "volume"
        (volume / "trace").mkdir(parents=True)
        (volume / "trace" / "session.json").write_text("of another container")
        container.annotations = {"io.spoor.volume": str(volume)}
        done = container.run("exit 1")
        assert done.code != 0 and "error executing hook" in done.err, done
        assert len(container.saw()) == 1
        assert (volume / "trace" / "session.json").read_text() == "of another container"

else:

    def test_on_cgroup_v1_it_is_not(container):
        done = container.run(then="", looks_max=20)
        assert "error executing hook" in done.err, done
        assert not container.saw()
