"""known_gaps.txt: case name -> what is missing."""

from pathlib import Path


def known_gaps():
    lines = (Path(__file__).parent / "known_gaps.txt").read_text().splitlines()
    return dict(line.split(maxsplit=1) for line in lines if line and not line.startswith("#"))
