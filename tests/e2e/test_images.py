"""Images as customers bring them."""

import pytest

from harness import Trail, finished_trail


@pytest.mark.parametrize("user", ["0:0", "1000:1000"])
@pytest.mark.parametrize("root", [[], ["--read-only"], ["--read-only", "--read-only-tmpfs=false"]])
def test_static_program_from_scratch(podman, volume, footprint, tmp_path, user, root):
    (tmp_path / "name.txt").write_text("reader\n")
    done = podman.run("spoor", *root, "--user", user, "-v", f"{tmp_path}/name.txt:/name.txt:ro",
                      "hello", "/hello", "/name.txt", volume=volume)
    assert (done.code, done.out, done.err) == (0, "hello, reader\n", "")
    trail = finished_trail(volume)
    assert "/name.txt" in trail.paths("read")
    assert trail.paths("exec") == {"/hello"}
    assert trail.paths("absent") <= {"/proc/self/exe"}
    footprint.is_clean()


def test_the_session_is_there_before_the_first_instruction(podman, volume):
    done = podman.run("spoor", "busybox", "cat", "/run/spoor/trace/session.json", volume=volume)
    assert done.code == 0, done
    assert '"tracing"' in done.out
    assert "/run/spoor/trace/session.json" in finished_trail(volume).paths("read")


def test_the_trace_cannot_be_forged(podman, volume):
    done = podman.run("spoor", "busybox", "sh", "-c",
                      "echo x > /run/spoor/trace/session.json; touch /run/spoor/trace/new; touch /run/spoor/agent/note",
                      volume=volume)
    assert done.code == 0, done
    assert done.err.count("Read-only file system") == 2, done
    assert Trail(volume).session["state"] == "finished"
    assert (volume / "agent" / "note").exists()


def test_another_place_for_the_volume(podman, volume):
    done = podman.run("spoor", "--annotation", "io.spoor.mount=/elsewhere", "busybox", "ls", "/elsewhere",
                      volume=volume)
    assert (done.code, done.out.split()) == (0, ["agent", "trace"]), done


def test_a_volume_of_the_users_own(podman, volume):
    done = podman.run("spoor", "-v", f"{volume}:/run/spoor", "busybox", "sh", "-c",
                      "ls /run/spoor && touch /run/spoor/mine")
    assert (done.code, done.out.split()) == (0, ["agent", "trace"]), done
    assert (volume / "mine").exists()
    assert "/run/spoor/mine" in finished_trail(volume).paths("create")


def test_tracing_switched_off(podman, volume, footprint):
    done = podman.run("spoor", "--annotation", "io.spoor.trace=false", "busybox", "echo", "hi", volume=volume)
    assert (done.code, done.out, done.err) == (0, "hi\n", "")
    assert list(volume.iterdir()) == []
    footprint.is_clean()


def test_own_volume_stays_when_the_container_is_gone(podman, footprint):
    done = podman.run("spoor", "busybox", "true")
    assert done.code == 0, done
    footprint.is_clean(own_volumes_stay=True)
