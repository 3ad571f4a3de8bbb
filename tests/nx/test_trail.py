"""Nx in a container that spoor traces: each task's report says what the task had not declared.

Runs in `./dev shell`, in a copy of what prepare_trail.sh made: workspace/ with nx, adaptor/.
"""

import json
import shutil

from nx_workspace import HERE

BUILDS = {"one:build", "two:build", "three:build"}
# What tools/write.js, an executor of the workspace itself, is made of; and nx asks the root's package.json.
EXECUTOR = {"package.json", "tools/package.json", "tools/executors.json", "tools/schema.json", "tools/write.js"}
PLANTED = {
    "one:build": ({"libs/one/README.md"}, {"libs/one/build.pid", "libs/one/at-start.seen"}),
    "two:build": (set(), {"libs/two/build.pid"}),
    "three:build": (EXECUTOR, {"libs/three/build.pid"}),
}


def test_the_planted_ones_and_no_others(workspace):
    trail = workspace.run("run-many", "-t", "build", "--parallel=3")
    assert trail.tasks() == BUILDS
    for task, planted in PLANTED.items():
        assert trail.unexpected(task) == planted, task
        spoor = trail.report(task)["spoor"]
        assert (spoor["ended"], spoor["status"], spoor["code"]) == ("signal", "success", 0)
    # What was declared was seen as well, a name full of wildcards among it.
    assert {"libs/two/src/two.txt", "libs/one/dist/one.txt"} <= set(trail.report("two:build")["inputs"])
    assert {"libs/three/src/[slug] {a,b}.txt", "libs/three/src/!bang.txt"} <= set(trail.report("three:build")["inputs"])
    assert "libs/one/dist/one.txt" in trail.report("one:build")["outputs"]
    # The process that did it is the task's own.
    [read] = trail.report("one:build")["unexpectedReads"]
    reader = {process["pid"]: process for process in trail.report("one:build")["processTree"]}[read["pid"]]
    assert reader["cmd"].startswith("cat "), reader
    lines = [json.loads(line) for line in (trail.trace / "violations.jsonl").read_text().splitlines()]
    assert {line["taskId"] for line in lines} == BUILDS


def test_after_the_suggestions_nothing_is_left(workspace):
    trail = workspace.run("run-many", "-t", "build")

    for task in BUILDS:
        workspace.take_suggestions(workspace.project_json(task.split(":")[0]), trail.report(task))
    again = workspace.run("run-many", "-t", "build")
    assert again.tasks() == BUILDS
    for task in BUILDS:
        assert again.unexpected(task) == (set(), set()), task


def test_strict(workspace):
    """The first undeclared access ends the task, and nx does not start what depends on it."""
    def wait(content):
        """For the end that comes from without, where nothing is refused: `cat` fails else."""
        content["targets"]["build"]["options"]["command"] += " && sleep 100"

    workspace.change(workspace.project_json("one"), wait)
    trail = workspace.run("run-many", "-t", "build", options=["--annotation=io.spoor.mode=strict"], code=1)
    spoor = trail.report("one:build")["spoor"]
    assert (spoor["mode"], spoor["status"]) == ("strict", "failure")
    assert trail.unexpected("one:build")[1] & PLANTED["one:build"][1]
    for task in ("two:build", "three:build"):
        report = trail.report(task)
        assert report["spoor"]["status"] == "skipped"
        assert report["processTree"] == []


def test_a_batch(workspace):
    trail = workspace.run("run-many", "-t", "pack", "--batch")
    assert trail.tasks() == {"four:pack", "five:pack"}
    for project in ("four", "five"):
        assert f"libs/{project}/dist/packed.txt" in trail.report(f"{project}:pack")["outputs"]
        assert trail.report(f"{project}:pack")["spoor"]["status"] == "success"


def test_an_nx_within_a_task(workspace):
    trail = workspace.run("all", "outer")
    assert trail.tasks() == {"outer:all", "one:build:release"}
    assert trail.unexpected("one:build:release") == PLANTED["one:build"]
    assert not any("libs/one/dist" in path for path in trail.report("outer:all")["outputs"])


def test_the_plugin_alone(workspace):
    modules = workspace.directory / "node_modules/@spoor"
    modules.mkdir()
    shutil.copytree(HERE / "adaptor", modules / "nx")
    workspace.change(workspace.directory / "nx.json", lambda content: content.update(plugins=["@spoor/nx"]))
    trail = workspace.run("run-many", "-t", "build", preload=False)
    assert trail.tasks() == BUILDS
    assert trail.unexpected("one:build") == PLANTED["one:build"]
    assert trail.unexpected("two:build") == PLANTED["two:build"]


def test_without_the_adaptor_tasks_are_known_and_not_judged(workspace):
    trail = workspace.run("run-many", "-t", "build", preload=False)
    assert trail.tasks() == BUILDS
    for task in BUILDS:
        report = trail.report(task, warnings=None)
        assert report["unexpectedReads"] == [] and report["unexpectedWrites"] == []
        assert report["spoor"]["declaration"]["judgesReads"] is False
    assert "libs/one/README.md" in trail.report("one:build", warnings=None)["inputs"]
