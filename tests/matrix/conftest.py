import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / room) for room in ("e2e", "support")]

import settings  # noqa: E402
from harness import PROGRAMS, ROOTFUL, Podman  # noqa: E402


@pytest.fixture(scope="session")
def podman(tmp_path_factory):
    """With an image from scratch that holds the program, and a file for the overlay's lower layer."""
    roots = os.path.realpath(tmp_path_factory.getbasetemp())
    # Root may put volumes only where the operator allows it.
    settings.patient(f"volumes:\n  roots: [{roots}]\n" if ROOTFUL else "")
    podman = Podman()
    root = tmp_path_factory.mktemp("image")
    shutil.copy(PROGRAMS / "matrix", root)
    (root / "image").mkdir()
    (root / "image" / "file").write_text("0123456789")
    podman.import_image("matrix", root)
    return podman
