"""No broker: the container runs untraced and the volume says so, or it is refused, as configured."""

import pytest

from harness import ROOTFUL, finished_trail, one_line, session_of, until

NO_BROKER = "broker:\n  socket: /run/spoor/nobody.sock\n  private: never\n"


def test_it_runs_untraced(podman, volume, footprint, with_settings):
    done = podman.run(with_settings(NO_BROKER), "busybox", "sh", "-c", "cat /run/spoor/trace/session.json; exit 3",
                      volume=volume)
    assert (done.code, done.err) == (3, ""), done
    assert '"untraced"' in done.out
    footprint.is_clean()
    session = session_of(volume)
    assert session["state"] == "untraced" and session["complete"] is False
    assert "nobody.sock" in one_line(session["reasons"][0])


def test_it_is_refused(podman, volume, footprint, with_settings):
    done = podman.run(with_settings(NO_BROKER + "on_unavailable: refuse\n"), "busybox", "echo", "never",
                      volume=volume)
    assert done.code == 126 and done.out == "", done
    assert "nobody.sock" in one_line(done.err)
    footprint.is_clean()


@pytest.mark.parametrize("choice", ["run", "refuse"])
def test_a_private_broker(podman, volume, footprint, with_settings, choice):
    """Without a service, root gets one for as long as its containers last; others cannot."""
    runtime = with_settings(f"broker:\n  socket: /run/spoor/nobody.sock\non_unavailable: {choice}\n")
    done = podman.run(runtime, "busybox", "cat", "/proc/version", volume=volume)
    if ROOTFUL:
        assert done.code == 0, done
        assert "/proc/version" in finished_trail(volume).paths("read")
    elif choice == "run":
        assert done.code == 0, done
        until(lambda: session_of(volume).get("state") == "untraced", lambda: session_of(volume))
    else:
        assert done.code == 126, done
        one_line(done.err)
    footprint.is_clean()
