"""kill -9 of spoor between any two of its steps: nothing is left that the next container's end does not remove.

Where spoor sets up tracing before it becomes crun; test_killed_set_up has the other way.
"""

import json
import os
import re
import shutil
import subprocess

from harness import BIN, STATE_ROOT, execute, processes, tree, until

CALL = re.compile(r"^(\w+)\(")
STEPS_MAX = 60  # evenly spread over all


def bundle(place, annotations=None):
    root = place / "rootfs" / "bin"
    root.mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "sh")
    done = execute(["crun", "spec", "--rootless"], cwd=place)
    assert done.code == 0, done
    spec = json.loads((place / "config.json").read_text())
    spec["process"]["terminal"] = False
    if annotations:
        spec["annotations"] = annotations
    (place / "config.json").write_text(json.dumps(spec))


def strace(place, *options):
    """`spoor create` up to crun: the system calls in their order."""
    log = place / "strace.log"
    name = "killed"
    subprocess.run(["strace", "-o", log, *options, BIN / "spoor", "create", "--bundle", place, name],
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
    execute(["crun", "delete", "-f", name])
    return [match[1] for match in map(CALL.match, log.read_text().splitlines()) if match]


def own_steps(calls):
    """Those of spoor itself, each as (call, how many of its name by then)."""
    last = max(at for at, call in enumerate(calls) if call == "execve" and at > 0) if calls.count("execve") > 1 else len(calls)
    seen, steps = {}, []
    for call in calls[1:last]:
        seen[call] = seen.get(call, 0) + 1
        steps.append((call, seen[call]))
    return steps


def age(directory):
    """As if what stands there were old: newcomers are left alone."""
    for path in directory.iterdir() if directory.exists() else []:
        os.utime(path, (1, 1))


def no_recorder_is_left(after):
    until(lambda: not processes("spoor-recorder"), lambda: f"recorders end after {after}: {processes('spoor-recorder')}")


def test_no_step_leaks(tmp_path, footprint):
    bundle(tmp_path, {"io.spoor.mount": "/run/./spoor"})  # which is not plain
    steps = own_steps(strace(tmp_path))
    no_recorder_is_left("the first run")
    assert len(steps) > 50, steps
    shutil.rmtree(STATE_ROOT / "volumes", ignore_errors=True)  # of the run that nobody killed
    left_something = 0
    for call, number in steps[:: -(-len(steps) // STEPS_MAX)]:
        strace(tmp_path, "-e", f"inject={call}:signal=KILL:when={number}")
        no_recorder_is_left((call, number))
        left_something += bool(tree(STATE_ROOT / "containers"))
    assert left_something, "no step was hit"
    for directory in ("containers", "volumes"):
        age(STATE_ROOT / directory)
    # What the end of any container does; this one has no state directory (any more).
    done = execute([BIN / "spoor", "hook", "poststop", "--state", STATE_ROOT / "containers" / "other"], input="{}")
    assert done.code == 0, done
    footprint.is_clean()
