import os
import shutil
from pathlib import Path

import pytest

from harness import PROGRAMS, ROOTFUL, Footprint, Podman, processes, until

APPLETS = "sh ls cat echo true false id kill sleep ps mkdir touch mv env seq head tail setsid unshare stat".split()


def pytest_collection_modifyitems(items):
    # A skipped test is a test that nobody ran.
    for item in items:
        if item.get_closest_marker("skip") or item.get_closest_marker("skipif"):
            raise pytest.UsageError(f"{item.nodeid} would be skipped")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.skipped:
        report.outcome = "failed"


@pytest.fixture(scope="session", autouse=True)
def operator_settings(tmp_path_factory):
    """Not the machine's speed is tested. For root, io.spoor.volume may only name places that the operator allows."""
    directory = Path.home() / ".config" / "spoor"
    directory.mkdir(parents=True)
    settings = "setup_deadline: 60s\n"  # which the quick front understands
    if ROOTFUL:
        settings += f"volumes:\n  roots: [{os.path.realpath(tmp_path_factory.getbasetemp())}]\n"
    (directory / "spoor.yaml").write_text(settings)


@pytest.fixture(scope="session")
def podman(tmp_path_factory):
    podman = Podman()
    root = tmp_path_factory.mktemp("busybox")
    (root / "bin").mkdir()
    shutil.copy("/bin/busybox", root / "bin")
    for applet in APPLETS:
        (root / "bin" / applet).symlink_to("busybox")
    podman.import_image("busybox", root)
    for program in ("ops", "hello", "areas"):
        root = tmp_path_factory.mktemp(program)
        shutil.copy(PROGRAMS / program, root)
        podman.import_image(program, root)
    yield podman
    # conmon outlives its container by a second; one that stays is held by something of ours that
    # kept a pipe open.
    until(lambda: not processes("conmon"), lambda: f"conmon ends: {processes('conmon')}")


@pytest.fixture
def volume(tmp_path):
    directory = tmp_path / "volume"
    directory.mkdir()
    return directory


@pytest.fixture
def footprint(podman):
    return Footprint(podman)


@pytest.fixture
def with_settings(tmp_path):
    """A runtime: spoor with a configuration file of its own.

    podman passes no SPOOR_CONFIG on, so the file's name goes through a script.
    """

    def make(yaml):
        directory = tmp_path / f"settings-{len(list(tmp_path.iterdir()))}"
        directory.mkdir()
        (directory / "spoor.yaml").write_text(yaml)
        runtime = directory / "spoor"
        runtime.write_text(f"#!/bin/sh\nSPOOR_CONFIG={directory}/spoor.yaml exec /run/spoor-dev/bin/spoor \"$@\"\n")
        runtime.chmod(0o755)
        return str(runtime)

    return make
