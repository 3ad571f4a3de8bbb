"""nx in a traced container, in a workspace of the test's own.

Used in `./dev shell`, in a copy of a directory that has workspace/ (with nx installed) and adaptor/.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

HERE = Path.cwd()
ADAPTOR = "/tmp/spoor-nx"  # in the container
TIMEOUT_S = 300


class Workspace:
    def __init__(self, directory, volumes):
        self.directory = directory
        self.volumes = volumes
        # Links for the packages, which nobody writes to; real files for what is changed here.
        shutil.copytree(HERE / "workspace", directory, ignore=shutil.ignore_patterns("node_modules"))
        shutil.copytree(HERE / "workspace/node_modules", directory / "node_modules", symlinks=True, copy_function=os.link)
        self.runs = 0

    def project_json(self, name):
        return self.directory / "libs" / name / "project.json"

    def change(self, path, change):
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    def take_suggestions(self, file, report):
        """As a person would: what is suggested is added to lists that stand there, else put there as it is."""
        target = report["taskId"].split(":")[1]

        def paste(content):
            own = content["targets"][target]
            for key, entries in json.loads(report["spoor"]["suggestions"]["projectJson"])["targets"][target].items():
                own[key] = own[key] + [entry for entry in entries if entry != "..."] if key in own else entries
        self.change(file, paste)

    def run(self, *arguments, options=(), code=0, preload=True):
        """nx in a traced container, without its cache; has to end with `code`. `options`: podman's."""
        self.runs += 1
        volume = self.volumes / f"trail-{self.runs}"
        volume.mkdir()
        # The recorder may be kept waiting for a processor.
        variables = {"NX_DAEMON": "false", "NX_NO_CLOUD": "true", "NX_TUI": "false", "SPOOR_DEBUG": "1",
                     "SPOOR_NX_WAIT_MS": "60000"}
        if preload:
            variables["NODE_OPTIONS"] = f"--require {ADAPTOR}/preload.js"
        done = subprocess.run(
            ["spoorctl", "run", "--json", "--volume", volume, "-w", self.directory,
             f"--podman-arg=-v={HERE}/adaptor:{ADAPTOR}:ro", *(f"--podman-arg={option}" for option in options), "--",
             "env", *(f"{key}={value}" for key, value in variables.items()),
             "node_modules/.bin/nx", *arguments, "--skip-nx-cache"],
            capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        assert done.returncode == code, done.stderr
        assert "\nspoor: " not in done.stderr, done.stderr
        trail = Trail(volume)
        assert trail.session["complete"] is True, trail.session
        assert trail.session["warnings"] == [], trail.session["warnings"]
        # Each signal was taken in.
        assert list((volume / "agent").iterdir()) == []
        return trail


class Trail:
    def __init__(self, volume):
        self.trace = volume / "trace"
        self.session = json.loads((self.trace / "session.json").read_text())

    def report(self, task, warnings=()):
        """`warnings`: what is to be warned of; None: whatever."""
        report = json.loads((self.trace / "tasks" / f"{task}.json").read_text())
        assert report["taskId"] == task
        assert report["spoor"]["complete"] is True, report["spoor"]["reasons"]
        assert warnings is None or report["spoor"]["warnings"] == list(warnings), report["spoor"]["warnings"]
        return report

    def unexpected(self, task):
        """Undeclared (reads, writes) of a task."""
        report = self.report(task)
        return tuple({row["path"] for row in report[key]} for key in ("unexpectedReads", "unexpectedWrites"))

    def tasks(self):
        return {path.stem for path in (self.trace / "tasks").iterdir()} - {"-"}
