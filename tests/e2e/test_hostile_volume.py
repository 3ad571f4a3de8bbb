"""A volume that works against its writer: nothing outside of it is touched, the container does not notice,
and the session says what became of the trail."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from harness import ROOTFUL, STATE_ROOT, Trail, execute, session_of, until

# Rootless podman's containers live in the mount namespace that `podman unshare` enters.
INSIDE = [] if ROOTFUL else ["podman", "unshare"]


def inside(*command):
    done = execute([*INSIDE, *command])
    assert done.code == 0, done
    return done.out


@pytest.fixture
def small_disk(podman, tmp_path):
    """A file system of 64 KiB to keep volumes on."""
    place = tmp_path / "disk"
    place.mkdir()
    inside("mount", "-t", "tmpfs", "-o", "size=64k,mode=0755", "tmpfs", place)
    yield place
    inside("umount", "-l", place)


def session_on(volume):
    return json.loads(inside("cat", volume / "trace" / "session.json"))


def test_a_disk_that_fills_up(podman, small_disk, footprint):
    volume = small_disk / "volume"
    done = podman.run("spoor", "busybox", "sh", "-c",
                      'i=0; while [ $i -lt 1000 ]; do [ -e /nothing/here/with/a/long/name/$i ]; i=$((i+1)); done; echo over',
                      volume=volume)
    assert (done.code, done.out, done.err) == (0, "over\n", ""), done
    footprint.is_clean()
    session = session_on(volume)
    assert session["state"] == "finished" and session["complete"] is False
    assert any("accesses.jsonl" in reason and "No space left" in reason for reason in session["reasons"]), session
    assert session["lost"] == 0, "what could not be written was received"
    for line in inside("cat", volume / "trace" / "accesses.jsonl").splitlines():
        json.loads(line)


def test_a_disk_that_is_full_already(podman, small_disk, footprint):
    execute([*INSIDE, "dd", "if=/dev/zero", f"of={small_disk}/filler", "bs=4k", "count=64"])
    done = podman.run("spoor", "busybox", "sh", "-c", "echo hi; exit 3", volume=small_disk / "volume")
    assert (done.code, done.out, done.err) == (3, "hi\n", ""), done
    footprint.is_clean()
    # There is no room for a session.json, and nothing half-written is taken for one.
    assert not inside("find", small_disk / "volume" / "trace", "-type", "f", "-size", "+0").strip()
    assert not inside("find", small_disk / "volume" / "trace", "-name", "session.json").strip()


def test_a_disk_without_inodes(podman, small_disk, footprint):
    inside("mount", "-o", "remount,nr_inodes=5", small_disk)  # the root, volume, trace, agent, one more
    done = podman.run("spoor", "busybox", "echo", "hi", volume=small_disk / "volume")
    assert (done.code, done.out, done.err) == (0, "hi\n", ""), done
    footprint.is_clean()


@pytest.mark.parametrize("how", ["annotation", "mount"])
def test_a_disk_that_is_read_only(podman, small_disk, footprint, how):
    """There is no place to say anything in: one line, and no container."""
    inside("mount", "-o", "remount,ro", small_disk)
    if how == "annotation":
        done = podman.run("spoor", "busybox", "echo", "never", volume=small_disk / "volume")
    else:
        done = podman.run("spoor", "-v", f"{small_disk}:/run/spoor", "busybox", "echo", "never")
    assert done.code == 126 and done.out == "", done
    assert "Read-only file system" in done.err and str(small_disk) in done.err, done
    footprint.is_clean()


# What the recorder appends by; who is over a quota gets the same error from each (here by strace, as few file systems have quotas).
WRITES = "write,pwrite64,writev,pwritev,pwritev2"


def test_a_quota_that_is_used_up(podman, volume, footprint, tmp_path):
    """While the container runs: the files that are there grow no more."""
    gate, name = tmp_path / "gate", f"quota-{os.getpid()}"
    gate.mkdir()
    os.mkfifo(gate / "go")
    done = podman("run", "-d", "--network=none", "--name", name, "--annotation", f"io.spoor.volume={volume}", "-v", f"{gate}:/gate",
                  "busybox", "sh", "-c", "[ -e /nothing/before ]; read x < /gate/go; i=0; "
                  "while [ $i -lt 1000 ]; do [ -e /nothing/$i ]; i=$((i+1)); done; echo over; exit 3", runtime="spoor")
    assert done.code == 0, done
    until(lambda: '"/nothing/before"' in (volume / "trace" / "accesses.jsonl").read_text(), "the trail has begun")
    state = Path("/run/spoor") if ROOTFUL else STATE_ROOT  # podman passes root's runtime directory to nobody
    recorder = (state / "containers" / done.out.strip() / "recorder").read_text().split()[0]
    injected = tmp_path / "injected"
    strace = subprocess.Popen(["strace", "-f", "-qq", "-o", injected, "-e", f"trace={WRITES}", "-e", f"inject={WRITES}:error=EDQUOT",
                               "-P", volume / "trace" / "accesses.jsonl", "-P", volume / "trace" / "processes.jsonl", "-p", recorder])
    threads = [file / "status" for file in Path("/proc", recorder, "task").iterdir()]
    until(lambda: all(f"TracerPid:\t{strace.pid}\n" in status.read_text() for status in threads), "strace holds all of it")
    (gate / "go").write_text("x\n")
    ended = podman("wait", name)
    assert (ended.code, ended.out) == (0, "3\n"), ended
    logs = podman("logs", name)
    assert (logs.out, logs.err) == ("over\n", ""), logs
    until(lambda: session_of(volume).get("state") == "finished", lambda: f"the session ends: {session_of(volume)}")
    assert strace.wait(timeout=60) == 0
    assert podman("rm", name).code == 0
    footprint.is_clean()
    assert "EDQUOT" in injected.read_text()
    session = session_of(volume)
    assert session["complete"] is False and session["lost"] == 0, session
    assert any("accesses.jsonl" in reason and "Disk quota exceeded" in reason for reason in session["reasons"]), session
    for line in (volume / "trace" / "accesses.jsonl").read_text().splitlines():
        json.loads(line)


@pytest.fixture
def outside(tmp_path):
    """What must stay as it is."""
    place = tmp_path / "outside"
    (place / "directory").mkdir(parents=True)
    (place / "file").write_text("untouched\n")
    (place / "directory" / "kept").write_text("untouched\n")
    yield place
    assert {str(path.relative_to(place)) for path in place.rglob("*")} == {"directory", "directory/kept", "file"}
    assert (place / "file").read_text() == (place / "directory" / "kept").read_text() == "untouched\n"


# The container has the whole volume writable at another place: trace/ is not protected from it.
ATTACKS = {
    "links": 'ln -s {outside}/file',
    "links-to-directories": 'ln -s {outside}/directory',
    "fifos": 'mkfifo',
    "directories": 'mkdir -p',
}


@pytest.mark.parametrize("plant", ATTACKS.values(), ids=ATTACKS)
def test_things_in_the_place_of_files_while_they_are_written(podman, volume, outside, footprint, plant):
    script = """
        i=0
        while [ $i -lt 40 ]; do
            for name in session.json accesses.jsonl processes.jsonl violations.jsonl tasks/-.json tasks/t.json; do
                rm -rf /evil/trace/$name
                %s /evil/trace/$name 2>/dev/null
            done
            [ -e /nothing/$i ]
            i=$((i + 1))
        done
        echo over
    """ % plant.format(outside=outside)
    done = podman.run("spoor", "-v", f"{volume}:/run/spoor", "-v", f"{volume}:/evil", "busybox", "sh", "-c", script)
    assert (done.code, done.out, done.err) == (0, "over\n", ""), done
    footprint.is_clean()
    session = session_of(volume)
    assert session["state"] == "finished" and session["complete"] is False, session
    for name in ("accesses.jsonl", "processes.jsonl"):
        assert any(f"trace/{name} was removed, replaced or changed" in reason for reason in session["reasons"]), session


@pytest.mark.parametrize("name", ["trace", "trace/tasks", "agent"])
def test_directories_that_are_exchanged_while_they_are_used(podman, volume, outside, footprint, name):
    """The recorder stays in the directories that it opened."""
    script = f"""
        mv /evil/{name} /evil/moved
        ln -s {outside}/directory /evil/{name}
        i=0; while [ $i -lt 20 ]; do [ -e /nothing/$i ]; i=$((i + 1)); done
        echo over
    """
    done = podman.run("spoor", "-v", f"{volume}:/run/spoor", "-v", f"{volume}:/evil", "busybox", "sh", "-c", script)
    assert (done.code, done.out) == (0, "over\n"), done
    # trace/ is a mount point of the container's, which nobody in it can rename.
    assert ("busy" in done.err) == (name == "trace"), done
    footprint.is_clean()
    assert session_of(volume)["state"] == "finished"


def test_a_volume_that_is_removed_while_it_is_used(podman, volume, outside, footprint):
    done = podman.run("spoor", "-v", f"{volume}:/run/spoor", "-v", f"{volume}:/evil", "busybox", "sh", "-c",
                      "rm -rf /evil/trace /evil/agent; mv /evil/trace /evil/gone; rm -rf /evil/gone; ls /bin > /dev/null; echo over")
    assert (done.code, done.out) == (0, "over\n"), done
    footprint.is_clean()


SECRETS = {
    "option": ["--password=hidden1", "--token", "hidden2"],
    "key": ["ghp_hidden3hidden3hidden3hidden3hidden3"],
    "url": ["https://me:hidden4@host.example/"],
    "header": ["Authorization: Bearer hidden5hidden5"],
    "own": ["--my-corp-key=hidden6", "corp_pat_hidden7hidden7"],
}


def test_secrets_are_in_no_file(podman, volume, with_settings):
    """Whatever the trail consists of: lines, reports of tasks, the session, the log."""
    log = volume.parent / "recorder.log"
    settings = (f"secrets: {{names: [corpkey], prefixes: [corp_pat_]}}\nlog: {{file: {log}, level: trace}}\n"
                f"volumes: {{roots: [{volume.parent}]}}\n")
    words = " ".join(f"'{word}'" for words in SECRETS.values() for word in words)
    # The kernel side sees 4095 bytes of a command line: the last argument is cut in its secret.
    script = f"""
        /bin/true {words}
        env DEPLOY_TOKEN=hidden8 /bin/true
        sh -c 'true mysql; : mysql -phidden9 --password "hidden10"; true'
        /bin/true {"x" * 4060} -- ghp_hidden11hidden11hidden11hidden11hidden11
    """
    done = podman.run(with_settings(settings), "--annotation", "deploy.token=hidden12", "-e", "MY_PASSWORD=hidden13",
                      "-e", "NX_TASK_TARGET_PROJECT=web", "-e", "NX_TASK_TARGET_TARGET=build", "busybox", "sh", "-c", script,
                      volume=volume)
    assert done.code == 0, done
    trail = Trail(volume)
    assert trail.session["annotations"]["deploy.token"] == "[redacted]"
    shown = [line["argv"] for line in trail.processes]
    assert ["/bin/true", "--password=[redacted]", "--token", "[redacted]", "[redacted]",
            "https://me:[redacted]@host.example/", "Authorization: [redacted]", "--my-corp-key=[redacted]",
            "[redacted]"] in shown, shown
    assert ["/bin/true", "x" * 4060, "--", "[redacted]"] in shown, shown
    assert len(list((volume / "trace" / "tasks").iterdir())) == 2, "the task's and the container's report"
    for file in [log, *(path for path in volume.rglob("*") if path.is_file())]:
        assert "hidden" not in file.read_text(errors="replace"), file
