"""A workspace as people have them, built by nx in a traced container: tsc, vite, a server, a batch, and a script that
declares too little.

Runs in `./dev shell`, in a copy of what prepare_example.sh made: workspace/ (examples/nx) and adaptor/.
"""

import shlex

TASKS = {"text:build", "greeting:build", "notes:build", "page:build", "page:serve", "page:check"}
PLANTED = ({"TEAM.md"}, {"apps/notes/last-run.txt"})

# What hides a process from whoever watches environments, sessions or parents. {}: the command, quoted.
DISGUISES = {
    "text": "setsid --wait sh -c {}",
    # With NODE_OPTIONS, as each node that is told to load something asks for its working directory's package.json.
    "greeting": "env -i PATH=\"$PATH\" NODE_OPTIONS=\"$NODE_OPTIONS\" sh -c {}",
    # Twice forked: nobody's child; cat ends when the last of them has.
    "notes": "( ( sh -c {} & ) & ) | cat",
}


def everything(run):
    return run("run-many", "-t", "build", "check", "--parallel=4")


def of_the_workspace(names):
    """Without what the container's programs are made of."""
    return {name for name in names if not name.startswith("/") and not name.startswith("node_modules/")}


def test_only_the_planted_ones_whatever_the_processes_do(workspace):
    plain = everything(workspace.run)
    assert plain.tasks() == TASKS
    for task in TASKS:
        assert plain.unexpected(task) == (PLANTED if task == "notes:build" else (set(), set())), task
        assert plain.report(task)["spoor"]["hermetic"] is (task != "page:check"), task
    [talk] = plain.report("page:check")["spoor"]["connections"]
    assert (talk["op"], talk["address"]) == ("connect", f"unix:{workspace.directory}/apps/page/dist.sock")

    for project, disguise in DISGUISES.items():
        file = next(workspace.directory.glob(f"*/{project}/project.json"))

        def wrap(content, disguise=disguise):
            target = content["targets"]["build"]
            target["command"] = disguise.format(shlex.quote(target["command"]))
        workspace.change(file, wrap)
    disguised = everything(workspace.run)
    assert disguised.tasks() == TASKS
    for task in TASKS - {"page:serve"}:
        before, after = plain.report(task), disguised.report(task)
        assert disguised.unexpected(task) == plain.unexpected(task), task
        for key in ("inputs", "outputs"):
            assert of_the_workspace(after[key]) == of_the_workspace(before[key]), (task, key)


def test_after_the_suggestions_nothing_is_left_and_a_batch(workspace):
    trail = workspace.run("build", "notes")
    report = trail.report("notes:build")
    [read], [write] = report["unexpectedReads"], report["unexpectedWrites"]
    commands = {process["pid"]: process["cmd"] for process in report["processTree"]}
    assert commands[read["pid"]] == commands[write["pid"]] == "node apps/notes/notes.mjs"
    workspace.take_suggestions(workspace.directory / "apps/notes/project.json", report)
    assert workspace.run("build", "notes").unexpected("notes:build") == (set(), set())

    batch = workspace.run("run-many", "-t", "compile", "--batch")
    assert batch.tasks() == {"shapes:compile", "areas:compile"}
    for project, other in (("shapes", "areas"), ("areas", "shapes")):
        assert f"dist/libs/{project}/src/index.js" in batch.report(f"{project}:compile")["outputs"]
        # One worker: nobody can tell for which of its tasks it touches a file.
        for path in set().union(*batch.unexpected(f"{project}:compile")):
            assert path.startswith((f"libs/{other}/", f"dist/libs/{other}/")), path
