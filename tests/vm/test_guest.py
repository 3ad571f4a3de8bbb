"""What a guest's payload has left (payload/run): every step there and good, every trail whole.

Run by `run` with SPOOR_VM_RESULTS, SPOOR_VM_KERNEL and SPOOR_VM_PARTS.
"""

import errno
import json
import os
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

import kernels  # noqa: E402
import suite  # noqa: E402
from harness import Trail  # noqa: E402
from test_operations import EXPECTED, difference  # noqa: E402

RESULTS = Path(os.environ["SPOOR_VM_RESULTS"])
KERNEL = kernels.named(os.environ["SPOOR_VM_KERNEL"])
PARTS = os.environ["SPOOR_VM_PARTS"].split()
ONLY = os.environ.get("SPOOR_VM_ONLY", "")
NOTHING_CHOSEN = 5  # what pytest ends with then
# Each part's steps, in their order.
STEPS = {
    "package": ["install", "socket"],
    "service": ["doctor", "state", "process", "verifier"],
    "refused": ["doctor", "check", "import", "run", "ended", "strict"],
    "rootful": ["import", "run", "ended"],
    "matrix": ["import", "main", "matrix-main.ended", "cut", "matrix-cut.ended"],
    "rootless": ["import", "run", "ended"],
    "containerd": ["ready", "run", "ended"],
    "strict": ["import", "ready", "other", "agent", "ended", "strict-other.ended"],
    "adoption": ["import", "start", "links", "kill", "links_after", "wait", "ended", "journal"],
    "names": ["filled"],
    "quota": ["import", "limit", "run", "ended"],
    "systemd": ["rootful", "rootless", "containerd"],
    "neighbours": ["import", "before", *(f"neighbours-{family}.{step}" for family in ("auto", "fentry", "syscall-exit")
                                         for step in ("doctor", "start", "calls", "end", "ended")), "after"],
    **{family: ["doctor", "main", f"{family}-main.ended", "cut", f"{family}-cut.ended"] for family in ("fentry", "syscall-exit")},
}
EXPECTED_STEPS = [step if step.startswith(f"{part}-") else f"{part}.{step}" for part in PARTS for step in STEPS[part]]
TABLE = json.loads(suite.TABLE.read_text())
# A program may take this much more of the verifier than the table says before it is a regression.
TOLERANCE = 1.2


def output(step):
    return suite.output(RESULTS, step)


def dearer(found, known):
    return {name: (found[name], known[name]) for name in known
            if any(found[name][what] > TOLERANCE * known[name][what] for what in known[name])}


def steps():
    return {line["name"]: line for line in map(json.loads, (RESULTS / "steps.jsonl").read_text().splitlines())}


def test_the_kernel_is_the_one():
    assert (RESULTS / "uname").read_text().startswith(KERNEL.series + ".")
    modules = (RESULTS / "lsm").read_text().strip().split(",")
    assert ("bpf" in modules) == TABLE[KERNEL.facts]["bpf_lsm"]


@pytest.mark.parametrize("name", EXPECTED_STEPS)
def test_step(name):
    step = steps()[name]
    said = (RESULTS / "steps" / f"{name}.err").read_text()[-2000:]
    good = {0, NOTHING_CHOSEN} if ONLY and name.startswith("systemd.") else {0}
    assert step["code"] in good, f"{step}\n{output(name)[-8000:]}\n{said}"


def test_no_other_steps():
    assert set(steps()) == {*EXPECTED_STEPS, "journal", "kernel"}


if "service" in PARTS:
    def test_spoord_runs_as_its_own_user():
        status = dict(line.split(":", 1) for line in output("service.process").splitlines() if ":" in line)
        user = output("service.process").split()[-1]
        assert user != "0" and set(status["Uid"].split()) == {user}
        assert int(status["CapBnd"], 16) & ~(1 << 38 | 1 << 39) == 0  # CAP_PERFMON, CAP_BPF
        assert "User=spoor" in output("service.state")

    def test_doctor_sees_the_service():
        said = output("service.doctor")
        assert "FAIL" not in said
        assert re.search(rf"hook family +{TABLE[KERNEL.facts]['family']}\b", said), said

    def test_verifier_costs():
        """Instructions and states for each program, against the table."""
        found = suite.verifier_costs(RESULTS)
        known = TABLE[KERNEL.facts]["verifier"]
        assert set(found) == set(known), "the table lists other programs: ./dev vm --accept"
        assert not dearer(found, known), "more than the table says; if that has to be: ./dev vm --accept"
        some = min(known)
        for what in ("instructions", "states"):
            one = {name: {**costs, what: int(TOLERANCE * costs[what]) + (name == some)} for name, costs in known.items()}
            assert set(dearer(one, known)) == {some}, "a fifth more passes, and what is above that does not"


if "refused" in PARTS:
    TOO_OLD = "is too old: it has no BPF arrays of any size in maps (Linux 5.10)"

    @pytest.mark.parametrize("step", ["doctor", "check", "strict"])
    def test_the_refusal_names_what_is_missing(step):
        said = " ".join(output(f"refused.{step}").split())
        assert f"kernel {(RESULTS / 'uname').read_text().strip()} {TOO_OLD}" in said

    def test_untraced_containers_say_why():
        session = json.loads((RESULTS / "volumes/refused/trace/session.json").read_text())
        assert (session["state"], session["complete"]) == ("untraced", False)
        assert TOO_OLD in session["reasons"][0]


if "systemd" in PARTS:
    def scenarios():
        """{name: what is wrong with it, or None} of what the guest played."""
        found = {}
        for report in sorted((RESULTS / "reports").glob("*.xml")):
            for case in ElementTree.parse(report).getroot().iter("testcase"):
                wrong = [each for each in case if each.tag in ("failure", "error", "skipped")]
                found[f"{report.stem} {case.get('file')} {case.get('name')}"] = wrong[0].text if wrong else None
        return found

    SCENARIOS = scenarios()

    @pytest.mark.parametrize("name", SCENARIOS)
    def test_scenario(name):
        assert SCENARIOS[name] is None, SCENARIOS[name]

    def test_scenarios_were_played():
        assert SCENARIOS


TRACED = [part for part in PARTS if part in ("rootful", "rootless", "containerd")]
if TRACED:
    @pytest.mark.parametrize("part", TRACED)
    def test_trail(part):
        trail = Trail(RESULTS / "volumes" / part)
        session = trail.session
        assert (session["state"], session["complete"], session["lost"], session["reasons"]) == ("finished", True, 0, [])
        assert difference(trail.rows, EXPECTED) == {"missing": [], "invented": []}
        assert sorted(process["pid"] for process in trail.processes) == [1, 2, 3]


if "matrix" in PARTS:
    def test_what_the_matrix_leaves_out_is_known():
        assert suite.left_out(RESULTS) == TABLE[KERNEL.facts]["left_out"]

    def test_the_family_is_the_best_that_the_kernel_has():
        assert suite.family(RESULTS, "matrix") == TABLE[KERNEL.facts]["family"]


if "strict" in PARTS:
    REFUSED = {"guarded.secret", "guarded.secret.again", "guarded.create", "guarded.truncate", "guarded.rename",
               "guarded.symlink", "child.secret"}

    REFUSES = "refuse_file_open" in TABLE[KERNEL.facts]["verifier"]  # BPF LSM, and not Linux 5.10

    def strict_results(step):
        return suite.numbers(RESULTS, step)

    def strict_trace(name):
        return json.loads((RESULTS / "volumes/strict/trace" / name).read_text())

    def test_a_strict_task_is_refused_what_it_has_not_declared():
        found = strict_results("strict.agent")
        if not REFUSES:
            # Killed is who still runs when the recorder has read of it.
            assert found["guarded.status"] in (0, 9)
            own = strict_trace("tasks/t:guarded.json")["spoor"]
            assert own["failedBy"]["path"].startswith("src/") and "refused" not in own["failedBy"]
            return
        assert {name for name, result in found.items() if result == errno.EACCES} == REFUSED
        assert (found["guarded.absent"], found["guarded.created"]) == (errno.ENOENT, errno.ENOENT), "nothing was made"
        rest = set(found) - REFUSED - {"guarded.absent", "guarded.created", "cost.strict", "cost.warn"}
        assert {name: found[name] for name in rest} == dict.fromkeys(rest, 0)
        own = strict_trace("tasks/t:guarded.json")["spoor"]
        assert {(entry["op"], entry["path"]) for entry in own["refused"]} == {
            ("read", "src/secret"), ("create", "src/made"), ("truncate", "src/declared"), ("create", "src/moved"),
            ("symlink", "src/link")}
        assert own["failedBy"]["refused"] and own["failedBy"]["path"] == "src/secret"
        lines = [json.loads(line) for line in (RESULTS / "volumes/strict/trace/violations.jsonl").read_text().splitlines()]
        assert {line["taskId"] for line in lines} == {"t:guarded"} and all(line["refused"] for line in lines)
        assert "refused" not in strict_trace("tasks/t:neighbour.json")["spoor"]

    def test_each_name_that_is_opened_is_told():
        """Also if the hook has found the open before it, of the same struct file, to be told."""
        probed = Trail(RESULTS / "volumes/strict").paths("probe")
        assert {f"/ws/src/declared{end}" for end in ("", ".a", ".b", ".c")} <= set(probed)

    def test_another_container_is_not_refused():
        assert strict_results("strict.other") == {"other.secret": 0}


if "quota" in PARTS:
    def test_a_quota_that_is_used_up():
        """The container goes on, the session says what is missing, and lines are whole."""
        assert output("quota.run") == "over\n"
        volume = RESULTS / "volumes/quota/trace"
        session = json.loads((volume / "session.json").read_text())
        assert (session["state"], session["complete"], session["lost"]) == ("finished", False, 0)
        assert any("accesses.jsonl" in reason and "Disk quota exceeded" in reason for reason in session["reasons"]), session
        assert [json.loads(line) for line in (volume / "accesses.jsonl").read_text().splitlines()]


if "adoption" in PARTS:
    def links(step):
        """The attachments of spoor's programs: their numbers and what they are attached to."""
        return set(re.findall(r"^(\d+): (\S+)", output(step), re.M))

    def test_a_killed_spoords_programs_are_adopted():
        family = TABLE[KERNEL.facts]["family"]
        trail = Trail(RESULTS / "volumes/adoption")
        session = trail.session
        assert (session["state"], session["complete"], session["lost"], session["reasons"]) == ("finished", True, 0, [])
        assert session["family"] == family
        assert "adopted session" in output("adoption.journal")
        assert links("adoption.links") and links("adoption.links") == links("adoption.links_after")
        assert ("lsm_mac" in output("adoption.links_after")) == (family == "lsm")
        assert {"/ws/real/killed", "/ws/real/adopted"} == trail.paths("mkdir")


FORCED = [part for part in PARTS if part in ("fentry", "syscall-exit")]
if FORCED:
    @pytest.mark.parametrize("family", FORCED)
    def test_the_family_is_the_one_spoord_was_told(family):
        assert suite.family(RESULTS, family) == family
