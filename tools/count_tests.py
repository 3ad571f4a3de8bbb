#!/usr/bin/python3
"""Prints "PASSED FAILED" for a ctest run, or for one of pytest.

    count_tests.py CTEST_REPORT RESULTS
    count_tests.py PYTEST_REPORT

RESULTS holds the reports of those entries that are pytest runs, named after them; such an entry
counts as the tests in it. Whatever did not pass (failed, skipped, disabled, not run, died before
its report) has failed.
"""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def cases(report):
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        bad = any(case.find(kind) is not None for kind in ("failure", "error", "skipped"))
        yield case.get("name"), not bad and case.get("status", "run") == "run"


def main():
    report, results = Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None
    passed = failed = 0
    for name, good in cases(report):
        inner = results and results / f"{name}.xml"
        outcomes = [good]
        if inner and inner.exists():
            outcomes = [ok for _, ok in cases(inner)]
            if not good and all(outcomes):
                outcomes.append(False)
        passed += outcomes.count(True)
        failed += outcomes.count(False)
    print(passed, failed)


main()
