"""Many traced containers, at once and one after the other: all complete, nothing left, the last as cheap as the first.

SPOOR_MANY_AT_ONCE and SPOOR_MANY_IN_SEQUENCE say how many: 40 and 60, unless told; 100 and 1000 for the whole truth.
"""

import os
import shutil
import statistics
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import twin
from harness import ROOTFUL, of_each_process, processes, until

AT_ONCE = int(os.environ.get("SPOOR_MANY_AT_ONCE", "40"))
IN_SEQUENCE = int(os.environ.get("SPOOR_MANY_IN_SEQUENCE", "60"))


@pytest.fixture
def traced():
    for volume in twin.own_volumes():
        shutil.rmtree(volume)
    # Not the machine's speed under load is tested: nothing may give up on its deadline.
    t = twin.Twin(twin.Side("traced", str(twin.BIN / "spoor"), "setup_deadline: 60s\nvolumes:\n  keep: 100000\n"))
    t.bundle(["/bin/busybox", "cat", "/proc/version"])
    yield t
    t.left()


def run(t, name, bundle="bundle"):
    """One container; the processor time that it took, in ms, with its runtime but without its recorder."""
    process = subprocess.Popen([t.side.program, "run", "-b", bundle, name], cwd=t.box, env=t.environment,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    with process.stdout:
        out = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0 and out.startswith("Linux version"), (process.returncode, out)
    return (used.ru_utime + used.ru_stime) * 1e3


def broker():
    """Where there is one that we may look into: its pid."""
    for process in of_each_process("comm"):
        try:
            if process.read_text() == "spoord\n" and list((process.parent / "fd").iterdir()):
                return int(process.parent.name)
        except OSError:
            pass
    return None


def held(pid):
    if pid is None:
        return None
    status = Path(f"/proc/{pid}/status").read_text()
    rss = int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])
    return {"descriptors": len(os.listdir(f"/proc/{pid}/fd")), "KiB": rss}


def is_back(pid, before):
    if pid is None:
        return True
    now = held(pid)
    # A spare ring and two gatekeepers more or less; a megabyte of what the allocator keeps.
    return now["descriptors"] <= before["descriptors"] + 8 and now["KiB"] <= before["KiB"] + 1024


def check_end(t, count, pid, before):
    until(lambda: not processes("spoor-recorder"), lambda: processes("spoor-recorder"), timeout=60)
    twin.check_trails(count)
    until(lambda: is_back(pid, before), lambda: f"spoord holds {held(pid)}, before {before}", timeout=30)
    for root in twin.STATE_ROOTS:
        assert not list(root.glob("containers/*"))


def test_at_once(traced):
    pid = broker()
    run(traced, "first")
    before = held(pid)
    # Each its own root: a file system that several share keeps the place where the volume was mounted.
    bundles = []
    for number in range(AT_ONCE):
        bundles.append(f"bundle{number}")
        shutil.copytree(traced.box / "bundle", traced.box / bundles[-1], symlinks=True)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda number: run(traced, f"c{number}", bundles[number]), range(AT_ONCE)))
    check_end(traced, AT_ONCE + 1, pid, before)


def test_in_sequence(traced):
    pid = broker()
    run(traced, "first")
    before = held(pid)
    began = time.monotonic()
    costs = [run(traced, f"c{number}") for number in range(IN_SEQUENCE)]
    print(f"{IN_SEQUENCE} in {time.monotonic() - began:.1f} s")
    third = max(1, IN_SEQUENCE // 3)

    def minima():
        """Of the first and the last third: whoever else uses the machine can only add to a cost."""
        return min(costs[:third]), min(costs[-third:])

    def grows():
        first, last = minima()
        return last >= 1.3 * first + 1

    # For a while they may add to each; what has grown stays so.
    while grows() and len(costs) < IN_SEQUENCE + 3 * third:
        costs.append(run(traced, f"c{len(costs)}"))
    check_end(traced, len(costs) + 1, pid, before)
    first, last = minima()
    print(f"CPU ms, medians: {statistics.median(costs[:third]):.2f}, {statistics.median(costs[-third:]):.2f}; "
          f"minima {first:.2f}, {last:.2f}; spoord {before} -> {held(pid)}")
    assert not grows(), (first, last)


def test_the_broker_is_looked_into():
    """Rootful, spoord is in sight, so that the others look at what it holds."""
    assert (broker() is not None) == ROOTFUL
