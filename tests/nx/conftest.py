import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import settings  # noqa: E402
from nx_workspace import HERE, Workspace  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def patient():
    settings.patient()


@pytest.fixture
def workspace(tmp_path, request):
    # Beside the packages, as links do not leave their file system.
    directory = HERE / request.node.name
    yield Workspace(directory, tmp_path)
    shutil.rmtree(directory)
