"""`spoorctl run`: the shortest way to a trail."""

import json
import os
import subprocess

import pytest

from harness import Footprint, execute, finished_trail


@pytest.fixture
def work(tmp_path):
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "input.txt").write_text("data\n")
    return directory


def spoorctl_run(*arguments, cwd):
    return execute(["spoorctl", "run", *arguments], cwd=cwd)


def test_on_the_hosts_own_programs(work, volume, footprint):
    done = spoorctl_run("--volume", volume, "--", "sh", "-c", "cat input.txt > output.txt; cat nothing; exit 3",
                        cwd=work)
    assert done.code == 3, done
    assert (work / "output.txt").read_text() == "data\n"
    # Long paths are shortened in the middle.
    assert "/work/input.txt\n" in done.out and "/work/output.txt\n" in done.out
    trail = finished_trail(volume)
    assert str(work / "input.txt") in trail.paths("read")
    assert str(work / "output.txt") in trail.paths("create")
    assert str(work / "nothing") in trail.paths("absent")
    assert [process["exit"] for process in trail.processes if process["pid"] == 1] == [{"code": 3}]
    footprint.is_clean()


def test_json(work, footprint):
    # Again and again: on a busy machine podman does not get all that a container writes.
    script = "i=0; until [ -e stop ] || [ $((i+=1)) -gt 600 ]; do cat input.txt; sleep 0.1; done"
    with subprocess.Popen(["spoorctl", "run", "--json", "--", "sh", "-c", script], cwd=work, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        assert process.stderr.readline() == b"data\n"
        (work / "stop").touch()
        out, err = process.communicate()
    assert process.returncode == 0 and set(err.splitlines()) <= {b"data"}, err
    shown = json.loads(out)
    assert shown["session"]["state"] == "finished" and shown["session"]["complete"] is True
    footprint.is_clean()


def test_a_port_that_the_kernel_chose(work, volume):
    script = "import socket; s = socket.create_server((\"127.0.0.1\", 0)); open(\"port\", \"w\").write(str(s.getsockname()[1]))"
    done = spoorctl_run("--volume", volume, "--", "python3", "-c", script, cwd=work)
    assert done.code == 0, done
    port = (work / "port").read_text()
    assert f"inet:127.0.0.1:{port}" in finished_trail(volume).paths("bind")


def test_in_an_image(podman, work, volume):
    done = spoorctl_run("--image", "localhost/busybox", "--volume", volume, "-w", work, "--", "sh", "-c",
                        "cat input.txt > output.txt", cwd="/")
    assert done.code == 0 and (work / "output.txt").read_text() == "data\n", done
    assert "/bin/busybox" in finished_trail(volume).paths("exec")


def test_in_a_directory(podman, tmp_path_factory, tmp_path, volume):
    root = next(tmp_path_factory.getbasetemp().glob("busybox*"))
    done = spoorctl_run("--rootfs", root, "--volume", volume, "--", "/bin/sh", "-c", "echo x > /new", cwd=tmp_path)
    assert done.code == 0, done
    assert "/new" in finished_trail(volume).paths("create")
    assert not (root / "new").exists()


@pytest.mark.parametrize("command, code", [(["false"], 1), (["nosuchprogram"], 127)])
def test_exit_code(work, command, code):
    assert spoorctl_run("--", *command, cwd=work).code == code


def test_nothing_stays(podman, work, tmp_path):
    footprint = Footprint(podman)
    before = sorted(tmp_path.parent.parent.iterdir())
    assert spoorctl_run("--", "true", cwd=work).code == 0
    assert sorted(tmp_path.parent.parent.iterdir()) == before
    footprint.is_clean()


def test_sessions_lists_what_is_traced_now(podman, volume, footprint):
    name = f"listed-{os.getpid()}"
    started = podman.run("spoor", "-d", "--name", name, "busybox", "sleep", "600", volume=volume)
    assert started.code == 0, started
    try:
        listed = execute(["spoorctl", "sessions", "--json"])
        assert listed.code == 0, listed
        mine = [one for one in json.loads(listed.out) if one["containerId"] == started.out.strip()]
        assert len(mine) == 1 and mine[0]["uid"] == os.getuid() and mine[0]["lost"] == 0, listed
        assert started.out.strip()[:12] in execute(["spoorctl", "sessions"]).out
    finally:
        podman("rm", "-f", "-t", "0", name, runtime="spoor")
    assert started.out.strip() not in execute(["spoorctl", "sessions", "--json"]).out
    footprint.is_clean()


def test_doctor_knows_how_many_containers_signals_are_seen(footprint):
    limit = int(open("/proc/sys/fs/inotify/max_user_instances").read())
    done = execute(["spoorctl", "doctor"])
    assert ("task signals" in done.out) == (limit < 512), (limit, done)
    assert ("max_user_instances" in done.out) == (limit < 512)
