"""Real programs, seen by strace and by spoor in the same run. Needs ./dev shell."""

import dataclasses
import random

import pytest

import compare
import programs
import run_oracle
import settings
import strace_parse

# Enough that an empty log or trail is no agreement.
LEAST_ACCESSES = {"webpack": 5000, "npm_install": 3000, "cmake": 3000, "gcc": 1500, "git": 1500}


@pytest.fixture(scope="module", autouse=True)
def patient():
    settings.patient()


@pytest.mark.parametrize("name", programs.PROGRAMS)
def test_trail_and_strace_agree(tmp_path, name):
    work, out = tmp_path / "work", tmp_path / "out"
    work.mkdir()
    out.mkdir()
    command = [str(part) for part in programs.PROGRAMS[name](work)]
    outcome = run_oracle.run_program(command, work.resolve(), out.resolve())
    print(f"== {name}")
    compare.report(outcome.missing, outcome.invented, outcome.expectation, outcome.found)
    assert len(outcome.found) >= LEAST_ACCESSES.get(name, 300)
    assert not outcome.missing and not outcome.invented and not outcome.expectation.unknown


def test_plants_in_a_real_run_are_found(tmp_path):
    """The comparison of a real run is as sharp as that of the small ones: every row counts."""
    work, out = tmp_path / "work", tmp_path / "out"
    work.mkdir()
    out.mkdir()
    log, trail = run_oracle.run_traced([str(part) for part in programs.shell(work)], work, out)
    with open(log, encoding="ascii") as lines:
        calls = strace_parse.parse_log(lines)
    expectation = compare.compare(calls, trail, work, run_oracle.host_links())[2]
    found = trail.access_set(without=compare.tracers(trail))
    missing, invented = expectation.explain(found)
    chosen = random.Random(1).sample(sorted(found), 200)
    silent = [access for access in chosen
              if not expectation.explain(found - {access})[0] - missing and not optional(expectation, access)]
    assert not silent
    for access in chosen:
        plant = dataclasses.replace(access, path=access.path + b"~")
        assert plant in expectation.explain(found | {plant})[1] - invented


def optional(expectation, access):
    """Rows that may be there or not: a file opened with O_CREAT twice, once to make it and once as
    it was; a probe by descriptor of a file that was made."""
    return access in expectation.covered or access in expectation.covered.values() or any(
        access in alternative for alternatives in expectation.either for alternative in alternatives)
