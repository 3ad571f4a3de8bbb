import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "e2e"))

import twin  # noqa: E402
from harness import PROGRAMS, ROOTFUL, Podman  # noqa: E402

collect_ignore = [*([] if twin.SYSTEMD else ["test_systemd.py"]), *([] if ROOTFUL else ["test_operator.py"])]
APPLETS = "sh ls cat echo true false id kill sleep ps mkdir touch env seq head tail setsid wc sort tty stty".split()


def pytest_itemcollected(item):
    """For -k."""
    item.extra_keyword_matches.add("rootful" if ROOTFUL else "rootless")


@pytest.fixture(scope="session", autouse=True)
def settings():
    for side in twin.SIDES:
        twin.Twin.prepare(side)
    for runtime in (twin.CRUN, twin.RUNC):
        subprocess.run([runtime, "list"], check=True, capture_output=True)  # its state directory stays
        directory = twin.RUNTIME_DIR / Path(runtime).name
        directory.mkdir(mode=0o700, exist_ok=True)


@pytest.fixture(scope="session")
def image(tmp_path_factory, settings):
    """busybox and the probe, as the image "twin"."""
    root = tmp_path_factory.mktemp("image")
    (root / "bin").mkdir()
    (root / "tmp").mkdir()
    shutil.copy("/bin/busybox", root / "bin")
    shutil.copy(PROGRAMS / "probe", root)
    for applet in APPLETS:
        (root / "bin" / applet).symlink_to("busybox")
    Podman().import_image("twin", root)
    subprocess.run(["podman", "build", "-q", "-t", "twin-pause", "-f", "-", root], check=True, capture_output=True,
                   input=b'FROM twin\nCMD ["/probe", "wait"]\n')
    # What podman and crun make once stays.
    subprocess.run(["podman", "run", "--rm", "--network=none", "twin", "true"], check=True, capture_output=True)
