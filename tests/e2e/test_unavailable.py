"""No broker: the container runs untraced and the volume says so, or it is refused, as configured."""

from harness import one_line, session_of

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
