"""What is run in the machines: the payload from a build tree, and the judgement of what came back.

The guest only records (payload/run). Whether that is right is said here, by pytest: test_guest.py, and the tests
of the operation matrix, which read the recorded run instead of making one.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent
# In their order: from the first that tells spoord its hook family on, it is not the kernel's best any more.
PARTS = ["package", "service", "rootful", "matrix", "rootless", "containerd", "adoption", "strict", "names", "quota", "systemd", "fentry",
         "syscall-exit", "neighbours", "refused"]
# The matrix with the best hook family that the kernel has, and with families that spoord is told.
MATRIX_PARTS = ["matrix", "fentry", "syscall-exit"]
JUDGE_S = 600
TABLE = HERE / "expected.json"


def parts_for(wanted):
    return [part for part in PARTS if part in ("package", "service") or part in wanted]


def make_payload(directory, package, programs, cases):
    """All but the list of parts. `cases`: {"main": names, "cut": names} of the matrix."""
    sys.path.insert(0, str(TESTS / "e2e"))
    import ops_data

    shutil.copytree(HERE / "payload", directory)
    shutil.copy(package, directory / "spoor.deb")
    shutil.copy(programs / "neighbour", directory)
    for program in ("ops", "matrix", "strict"):
        image = directory / "images" / program
        image.mkdir(parents=True)
        shutil.copy(programs / program, image)
    lower = directory / "images/matrix/image"
    lower.mkdir()
    (lower / "file").write_text("0123456789")
    ops_data.make(directory / "data")
    # What the parts "names" and "systemd" play: the tests themselves, and what they take.
    for suite in ("twin", "containerd", "e2e", "broker"):
        shutil.copytree(TESTS / suite, directory / "source/tests" / suite,
                        ignore=shutil.ignore_patterns("__pycache__", "*.c", "CMakeLists.txt"))
    subprocess.run(["protoc", f"--proto_path={TESTS}/containerd", f"--python_out={directory}/source/tests/containerd",
                    TESTS / "containerd/cri.proto"], check=True)
    (directory / "programs").mkdir()
    shutil.copy(programs / "probe", directory / "programs")
    for which, names in cases.items():
        (directory / f"cases-{which}").write_text(" ".join(names))


def output(results, step):
    return (results / "steps" / f"{step}.out").read_text()


def verifier_costs(results):
    """{program: instructions and states} on the guest's kernel."""
    lines = [line.split("\t") for line in output(results, "service.verifier").splitlines()[1:]]
    return {name: {"instructions": int(instructions), "states": int(states)} for name, instructions, states in lines}


def left_out(results):
    """{case: what the guest lacks} of the matrix."""
    lines = [json.loads(line) for which in ("main", "cut") for line in output(results, f"matrix.{which}").splitlines()]
    return {line["case"]: line["skipped"] for line in lines if line["skipped"] is not None}


def family(results, part):
    """The hook family that a part's container was traced with."""
    return json.loads((results / "volumes" / f"{part}-main/trace/session.json").read_text())["family"]


def numbers(results, step):
    """Of lines "NAME NUMBER"."""
    return {name: int(number) for name, number in (line.split() for line in output(results, step).splitlines())}


NEIGHBOUR_FAMILIES = ["auto", "fentry", "syscall-exit"]


def neighbour_costs(results):
    """{who traces another: {call: nanoseconds}} for a process that is not traced: nobody, again nobody, a hook family's name."""
    costs = {"no session": numbers(results, "neighbours.before")}
    for told in NEIGHBOUR_FAMILIES:
        session = json.loads((results / f"volumes/neighbours-{told}/trace/session.json").read_text())
        costs[session["family"]] = numbers(results, f"neighbours-{told}.calls")
    costs["no session, again"] = numbers(results, "neighbours.after")
    return costs


def figures(results, parts):
    """What was measured, as lines for people."""
    for name, times in re.findall(r"name (\S+).*?recursion_misses (\d+)", (results / "programs").read_text()):
        yield f"the kernel left {name} out {times} times"
    if "neighbours" in parts:
        costs = neighbour_costs(results)
        plain = {name: min(ns, costs["no session, again"][name]) for name, ns in costs["no session"].items()}
        yield f"{'a call costs':20}" + "".join(f"{name:>24}" for name in plain)
        yield f"{'the least':20}" + "".join(f"{ns:>21} ns" for ns in plain.values())
        for who, found in costs.items():
            yield f"{who:20}" + "".join(f"{found[name] / plain[name]:24.2f}" for name in plain)
    if "strict" in parts:
        found = numbers(results, "strict.agent")
        yield (f"an open of a declared file: {found['cost.warn']} ns in warn mode, "
               f"{found['cost.strict'] / found['cost.warn']:.2f} of that in strict mode")


ACCEPTING = threading.Lock()  # the table is one file


def accept(kernel, results, parts):
    """Makes what was found what is expected; for people to look over in the diff."""
    with ACCEPTING:
        table = json.loads(TABLE.read_text())
        entry = table.setdefault(kernel.facts, {"left_out": {}})
        entry["bpf_lsm"] = "bpf" in (results / "lsm").read_text().strip().split(",")
        if "service" in parts:
            entry["verifier"] = verifier_costs(results)
        if "matrix" in parts:
            entry["left_out"] = left_out(results)
            entry["family"] = family(results, "matrix")
        TABLE.write_text(json.dumps(table, indent=1, sort_keys=True) + "\n")


def judge(kernel, results, programs, parts, only, junit):
    """Runs the tests over a machine's results; True if all passed. The report is in `junit`."""
    junit.unlink(missing_ok=True)
    environment = {**os.environ, "SPOOR_VM_RESULTS": str(results), "SPOOR_VM_KERNEL": kernel.name,
                   "SPOOR_VM_PARTS": " ".join(parts), "SPOOR_VM_ONLY": only,
                   "SPOOR_TEST_PROGRAMS": str(programs),
                   "XDG_RUNTIME_DIR": "/run"}
    suites = {"": HERE / "test_guest.py"} | {part: TESTS / "matrix" for part in MATRIX_PARTS if part in parts}
    good, said = True, []
    for part, tests in suites.items():
        report = junit.with_name(f"{junit.stem}.{part}.xml") if part else junit
        report.unlink(missing_ok=True)
        done = subprocess.run([sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--color=no", "-rfE",
                               "--tb=short", f"--junitxml={report}", "-o", f"junit_suite_name=vm {kernel.name} {part}", tests],
                              env={**environment, "SPOOR_VM_MATRIX": part}, timeout=JUDGE_S,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        good = good and done.returncode == 0
        text = done.stdout.decode(errors="replace")
        said.append(text if done.returncode else f"{part or 'guest'}: {text.strip().splitlines()[-1]}")
    return good, "\n".join(said)
