"""What people get wrong: one clear line, exit code 1 of the runtime, nothing left."""

import os
from pathlib import Path

import pytest

from harness import ROOTFUL, execute, one_line


def refused(done):
    """By podman's account: 126, or 127 where it sees "not found" in the runtime's words."""
    assert done.code in (126, 127) and done.out == "", done
    return True


def a_file(place):
    place.write_text("not a directory\n")


def a_dangling_link(place):
    place.symlink_to(place.parent / "nowhere")


def unwritable(_place):
    return Path("/sys/kernel" if ROOTFUL else "/run/spoor-dev/source").resolve()


def below_a_file(place):
    place.write_text("")
    return place / "volume"


@pytest.mark.parametrize("make", [a_file, a_dangling_link, unwritable, below_a_file])
def test_volume(podman, footprint, tmp_path, make):
    place = tmp_path / "volume"
    named = make(place) or place
    before = sorted(os.listdir(tmp_path))
    done = podman.run("spoor", "busybox", "true", volume=named)
    assert refused(done)
    line = one_line(done.err)
    assert "volume" in line and str(place if make is below_a_file else named) in line, line
    assert sorted(os.listdir(tmp_path)) == before
    footprint.is_clean()


@pytest.mark.parametrize("annotation, expected", [
    ("io.spoor.volumes=/x", "io.spoor.volumes"),
    ("io.spoor.trace=perhaps", "io.spoor.trace"),
    ("io.spoor.mode=loud", "io.spoor.mode"),
    ("io.spoor.mount=not/absolute", "io.spoor.mount"),
    ("io.spoor.volume=relative", "io.spoor.volume"),
])
def test_annotation(podman, footprint, annotation, expected):
    done = podman.run("spoor", "--annotation", annotation, "busybox", "true")
    assert refused(done)
    assert expected in one_line(done.err)
    footprint.is_clean()


def test_the_log_has_the_error_too(tmp_path, footprint):
    bundle = tmp_path / "bundle"
    (bundle / "rootfs").mkdir(parents=True)
    (bundle / "config.json").write_text(
        '{"ociVersion": "1.0.0", "root": {"path": "rootfs"}, "process": {"args": ["/x"], "cwd": "/"},'
        ' "annotations": {"io.spoor.nonsense": "1"}}')
    for form in ("text", "json"):
        log = tmp_path / f"log.{form}"
        done = execute(["/run/spoor-dev/bin/spoor", "--log", log, "--log-format", form, "run", "--bundle", bundle, "x"])
        assert done.code == 1, done
        assert "io.spoor.nonsense" in one_line(done.err)
        assert "io.spoor.nonsense" in one_line(log.read_text())
    footprint.is_clean()


@pytest.mark.parametrize("yaml, expected", [
    ("colour: red\n", ["spoor.yaml:1", "colour"]),
    ("trace: 7\n", ["spoor.yaml:1", "trace"]),
    ("trace: true\nbroker:\n  socket: [a]\n", ["spoor.yaml:3", "socket"]),
    ("trace: {\n", ["spoor.yaml"]),
])
def test_configuration(podman, footprint, with_settings, yaml, expected):
    done = podman.run(with_settings(yaml), "busybox", "true")
    assert refused(done)
    line = one_line(done.err)
    assert all(part in line for part in expected), line
    footprint.is_clean()
