"""What annotations ask for, by the quick way (the set-up beside crun's start, shim/front) and by the older one: the same
container, trail and volume, or the same error; and the quick way is taken for what is written plainly."""

import json
import os
import shutil
import subprocess

import pytest

from harness import BIN, ROOTFUL, STATE_ROOT, execute, finished_trail, one_line, session_of, tree, until
from test_killed_shim import bundle

NAME = "asked"
PLACE = STATE_ROOT / "asked for"  # where root's volumes may be, too
VOLUME = str(PLACE / "volume")
NOTED = "#!/bin/bash\necho \"$1\" >>{note}\nexec -a \"$0\" {bin}/spoor-runtime \"$@\"\n"
LOOK = "echo /run/*/*; for d in /run/* /run/*/agent; do (: >$d/.w) 2>/dev/null && echo $d can be written; done; exit 3"


def volume(**annotations):
    return {"io.spoor.volume": VOLUME, **{f"io.spoor.{name}": value for name, value in annotations.items()}}


PLAIN = {  # annotations, what is there already
    "nothing": ({}, None),
    "others'": ({"org.example": "io.spoor.nothing", "a": "<\"\\>"}, None),
    "volume": (volume(), None),
    "volume that is there": (volume(), lambda: (PLACE / "volume").mkdir()),
    "volume that was used": (volume(), lambda: [(PLACE / "volume" / part).mkdir(parents=True) for part in ("trace", "agent")]),
    "trace": ({"io.spoor.trace": "true"}, None),
    "warn": ({"io.spoor.mode": "warn"}, None),
    "mount": ({"io.spoor.mount": "/run/trail"}, None),
    "all": (volume(trace="true", mode="strict", mount="/run/trail"), None),
}
OTHERS = {  # the same, by a parser
    "a path that is not plain": ({"io.spoor.volume": VOLUME + "/", "io.spoor.mount": "//run/./trail"}, None),
    "switched off": (volume(trace="false"), None),
    "off, and a volume": (volume(mode="off"), None),
    "off, and trace": ({"io.spoor.mode": "off", "io.spoor.trace": "true"}, None),
}
(OTHERS if ROOTFUL else PLAIN)["parent by a link"] = (
    {"io.spoor.volume": str(PLACE / "link" / "volume")}, lambda: ((PLACE / "real").mkdir(), (PLACE / "link").symlink_to("real")))
WRONG = {  # and a word of the error
    "an unknown one": (volume(volumes="/x"), None, "io.spoor.volumes"),
    "trace": (volume(trace="perhaps"), None, "io.spoor.trace"),
    "mode": (volume(mode="loud"), None, "io.spoor.mode"),
    "mode, empty": (volume(mode=""), None, "io.spoor.mode"),
    "mount": (volume(mount="not/absolute"), None, "io.spoor.mount"),
    "mount, upwards": (volume(mount="/run/../run/trail"), None, "io.spoor.mount"),
    "relative volume": ({"io.spoor.volume": "relative"}, None, "io.spoor.volume"),
    "a file": (volume(), lambda: (PLACE / "volume").touch(), "is no directory"),
    "a link": (volume(), lambda: (PLACE / "volume").symlink_to(PLACE), "is a symbolic link"),
    "a file in the place of a part": (volume(), lambda: ((PLACE / "volume").mkdir(), (PLACE / "volume" / "trace").touch()), "is no directory"),
    "a link in the place of a part": (volume(), lambda: ((PLACE / "volume").mkdir(), (PLACE / "volume" / "agent").symlink_to("/")),
                                      "is a symbolic link"),
    "no parent": ({"io.spoor.volume": VOLUME + "/more/trail"}, None, "No such file"),
    "beneath a file": ({"io.spoor.volume": VOLUME + "/trail"}, lambda: (PLACE / "volume").touch(),
                       "only root can write" if ROOTFUL else "Not a directory"),
    "where nobody may write": ({"io.spoor.volume": "/sys/kernel/trail" if ROOTFUL else "/run/spoor-dev/trail"}, None,
                               "volumes.roots" if ROOTFUL else "Permission denied"),
}
if ROOTFUL:
    WRONG |= {
        "a parent that others can write": (volume(), lambda: PLACE.chmod(0o777), "only root can write"),
        "a parent of somebody else's": (volume(), lambda: os.chown(PLACE, 1, 1), "only root can write"),
        "elsewhere": ({"io.spoor.volume": "/var/lib/spoor/volumes.d/x"}, None, "No such file"),
    }


class Runtime:
    """A spoor that notes how it asks spoor-runtime, and a configuration that says nothing of tracing."""

    def __init__(self, place):
        self.place, self.note = place, place / "note"
        (place / "spoor.yaml").write_text("setup_deadline: 60s\n")  # not the machine's speed is tested
        self.environment = {"XDG_CONFIG_HOME": str(place / "none"), "SPOOR_CONFIG": str(place / "spoor.yaml")}
        bundle(place)
        shutil.copy(BIN / "spoor", place / "spoor")
        (place / "spoor-runtime").write_text(NOTED.format(note=self.note, bin=BIN))
        (place / "spoor-runtime").chmod(0o755)
        self.play({}, None, BIN / "spoor")  # makes the directories that a first container finds missing

    def play(self, annotations, prepare, program):
        """(what its caller sees, the session, what its volume has), once it has ended; leaves nothing."""
        file = self.place / "config.json"
        spec = json.loads(file.read_text())
        spec["annotations"] = annotations
        spec["process"]["args"] = ["/bin/sh", "-c", LOOK]
        file.write_text(json.dumps(spec))
        shutil.rmtree(PLACE, ignore_errors=True)
        PLACE.mkdir(parents=True, mode=0o755)
        if prepare:
            prepare()
        before = tree(PLACE)
        done = execute([program, "run", "--bundle", self.place, NAME], environment=self.environment)
        own = STATE_ROOT / "volumes" / NAME
        session = {}
        for trail in [own, *(path.parent for path in PLACE.rglob("trace") if (path / "session.json").exists())]:
            if session_of(trail):
                session = finished_trail(trail).session
        left = (tree(PLACE) - before, sorted(os.listdir(own)) if own.exists() else None)
        shutil.rmtree(own, ignore_errors=True)
        shutil.rmtree(PLACE)
        until(lambda: not tree(STATE_ROOT / "containers"), lambda: f"its state is gone: {tree(STATE_ROOT / 'containers')}")
        return str(done), {key: session.get(key) for key in ("annotations", "state", "complete", "image", "warnings")}, left

    def both(self, annotations, prepare):
        """The same by both ways; and what spoor-runtime was called for by the quick one's program."""
        self.note.unlink(missing_ok=True)
        quick = self.play(annotations, prepare, self.place / "spoor")
        asked = self.note.read_text().split("\n")[0]
        older = self.play(annotations, prepare, BIN / "spoor-runtime")
        assert quick == older
        return quick, asked


@pytest.fixture
def runtime(tmp_path, footprint):
    yield Runtime(tmp_path)
    footprint.is_clean()


def test_what_is_plain(runtime):
    for name, (annotations, prepare) in PLAIN.items():
        (done, session, _), asked = runtime.both(annotations, prepare)
        assert done.startswith("code 3\n") and session["state"] == "finished", (name, done, session)
        assert asked == "set-up", name
        where = annotations.get("io.spoor.mount", "/run/spoor")
        assert f"stdout: {where}/agent {where}/trace\n{where}/agent can be written\n\nstderr" in done, (name, done)


def test_what_is_not(runtime):
    for name, (annotations, prepare) in OTHERS.items():
        (done, _, _), asked = runtime.both(annotations, prepare)
        assert done.startswith("code 3\n"), (name, done)
        assert asked == "run", name


def test_what_is_wrong(runtime):
    for name, (annotations, prepare, word) in WRONG.items():
        (done, session, left), asked = runtime.both(annotations, prepare)
        assert done.startswith("code 1\nstdout: \nstderr: spoor: ") and asked == "run", (name, asked, done)
        assert word in one_line(done.partition("stderr: ")[2]), (name, done)
        assert session["state"] is None and left == (set(), None), (name, session, left)
