"""The embedded default: root without a spoord service gets a private one, for as long as it has containers."""

import pytest

from harness import ROOTFUL, STATE_ROOT, finished_trail, one_line, processes, session_of, until


@pytest.fixture
def state_root():
    """One of its own: a private spoord's socket in root's usual one has the name of the service's."""
    return STATE_ROOT.parent / "spoor-private"


@pytest.fixture
def settings(state_root):
    # The deadline is not what is tested: to load the programs may take its time on a busy machine.
    return f"state_root: {state_root}\nsetup_deadline: 30s\nbroker:\n  socket: /run/spoor/nobody.sock\n"


@pytest.fixture
def runtime(with_settings, settings):
    return with_settings(settings)


def start(podman, runtime, volume):
    """A container that runs until it is removed; its id."""
    volume.mkdir()
    done = podman("run", "-d", "--network=none", "--annotation", f"io.spoor.volume={volume}", "busybox",
                  "sh", "-c", "cat /proc/version; exec sleep 1000", runtime=runtime)
    assert done.code == 0, done
    return done.out.strip()


def remove(podman, runtime, container):
    done = podman("rm", "-f", "-t", "0", container, runtime=runtime)
    assert done.code == 0, done


def brokers():
    return {process for process in processes("spoord") if process.startswith("spoord[")}


def test_containers_share_one_until_the_last_has_gone(podman, tmp_path, footprint, runtime, state_root):
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    containers = [start(podman, runtime, first)]
    started = brokers()
    containers.append(start(podman, runtime, second))
    if not ROOTFUL:  # it takes capabilities in the initial user namespace, which nobody else has
        assert not started | brokers()
        assert {session_of(volume)["state"] for volume in (first, second)} == {"untraced"}
        for container in containers:
            remove(podman, runtime, container)
        footprint.is_clean()
        return
    assert len(started) == 1 and brokers() == started
    assert (state_root / "spoord.sock").is_socket()
    remove(podman, runtime, containers[0])
    assert "/proc/version" in finished_trail(first).paths("read")
    assert brokers() == started
    remove(podman, runtime, containers[1])
    assert "/proc/version" in finished_trail(second).paths("read")
    until(lambda: not processes("spoord"), lambda: f"spoord ends: {processes('spoord')}")
    assert not (state_root / "spoord.sock").exists()
    footprint.is_clean()
    # And the next one starts another.
    containers = [start(podman, runtime, third)]
    assert brokers() and brokers() != started
    remove(podman, runtime, containers[0])
    assert "/proc/version" in finished_trail(third).paths("read")
    footprint.is_clean()


@pytest.mark.parametrize("choice", ["run", "refuse"])
def test_who_gets_one(podman, volume, footprint, with_settings, settings, state_root, choice):
    runtime = with_settings(f"{settings}on_unavailable: {choice}\n")
    done = podman.run(runtime, "busybox", "cat", "/proc/version", volume=volume)
    if ROOTFUL:
        assert done.code == 0, done
        assert "/proc/version" in finished_trail(volume).paths("read")
        assert (state_root / "spoord.log").exists(), "it was another spoord that traced"
    elif choice == "run":
        assert done.code == 0, done
        until(lambda: session_of(volume).get("state") == "untraced", lambda: session_of(volume))
    else:
        assert done.code == 126, done
        one_line(done.err)
    footprint.is_clean()
