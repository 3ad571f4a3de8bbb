import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "e2e"))

from harness import PROGRAMS, ROOTFUL, Podman  # noqa: E402


@pytest.fixture(scope="session")
def podman(tmp_path_factory):
    """With an image from scratch that holds the program, and a file for the overlay's lower layer."""
    if ROOTFUL:  # root may put volumes only where the operator allows it
        directory = Path.home() / ".config" / "spoor"
        directory.mkdir(parents=True, exist_ok=True)
        roots = os.path.realpath(tmp_path_factory.getbasetemp())
        (directory / "spoor.yaml").write_text(f"volumes:\n  roots: [{roots}]\n")
    podman = Podman()
    root = tmp_path_factory.mktemp("image")
    shutil.copy(PROGRAMS / "matrix", root)
    (root / "image").mkdir()
    (root / "image" / "file").write_text("0123456789")
    podman.import_image("matrix", root)
    return podman
