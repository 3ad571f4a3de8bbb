import shutil

import pytest

from nx_workspace import HERE, Workspace


@pytest.fixture
def workspace(tmp_path, request):
    # Beside the packages, as links do not leave their file system.
    directory = HERE / request.node.name
    yield Workspace(directory, tmp_path)
    shutil.rmtree(directory)
