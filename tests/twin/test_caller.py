"""What the runtime owes whoever called it, beside a container: signals, adoption, pipes, names, where its state goes."""

import signal
import subprocess

import pytest

import twin
from harness import ROOTFUL, until
from twin import scenario


@scenario()
def death_of_the_parent(t):
    """The signal that a caller asked for in case it dies, as containerd's shim does, comes to the runtime."""
    t.bundle(["/probe", "wait"])
    with open(t.box / "out", "wb") as out:
        runtime = f"bash -c 'exec -a {t.side.base} \"$RUNTIME\" run -b bundle twin'"
        caller = subprocess.Popen(["bash", "-c", f"setpriv --pdeathsig TERM {runtime} & wait"], cwd=t.box, env=t.environment,
                                  stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    until(lambda: "ready" in (t.box / "out").read_text(), "the container is ready")
    caller.send_signal(signal.SIGKILL)
    caller.wait()
    until(lambda: not t.state(), t.state)
    t.note_file("out")


# Waits until another than a shell is its parent, and leaves the name. A parent may be gone before it is asked for its name.
ORPHAN = """
until parent=$(busybox sed -n 's/^PPid:\\t//p' /proc/$$/status); name=$(busybox cat /proc/$parent/comm 2>/dev/null)
      [ -n "$name" ] && [ "$name" != sh ]; do :; done
echo "$name" >/adopted
"""


@scenario()
def adoption(t):
    """Who becomes the parent of an orphan, where the container has no process 1 of its own: the foreground `run`."""

    def change(spec):
        spec["linux"]["namespaces"] = [n for n in spec["linux"]["namespaces"] if n["type"] != "pid"]
        spec["mounts"] = [m for m in spec["mounts"] if m["destination"] != "/proc"]
        spec["mounts"].append({"destination": "/proc", "type": "bind", "source": "/proc", "options": ["rbind"]})
        spec["process"]["env"] = ["PATH=/bin"]

    bundle = t.bundle(["/bin/sh", "-c", "(sh /orphan &); until [ -s /adopted ]; do :; done; busybox cat /adopted"], change)
    (bundle / "rootfs" / "orphan").write_text(ORPHAN)
    _, out = t.oci("run", "-b", "bundle", "twin", check=0)
    assert "crun" in out


@scenario()
def inherited_pipes(t):
    """Whatever the caller has open, as buildah has pipes: nobody who stays behind holds it."""
    t.bundle(["/bin/busybox", "sleep", "1000"])
    t.shell("(exec 7>&1 8>&1 9>&1; runtime run -d -b bundle twin >/dev/null 2>&1 </dev/null) | cat; echo the pipe is closed")
    t.until_executed()
    t.oci("delete", "-f", "twin")


@scenario(sessions=0)
def log_is_appended_to(t):
    (t.box / "log").write_text("what was there\n")
    for _ in range(2):
        t.oci("--log=log", "run", "-b", "nowhere", "twin")
    t.note_file("log")


@scenario(only="rootful")
def root_without_a_runtime_directory(t):
    """XDG_RUNTIME_DIR empty, as Podman calls root's runtime: the state is in /run/crun."""
    t.bundle(["/bin/busybox", "sleep", "1000"])
    environment = {**t.environment, "XDG_RUNTIME_DIR": ""}
    t.oci("run", "-d", "-b", "bundle", "twin", environment=environment, stdout=subprocess.DEVNULL)
    t.until_executed()
    t.oci("list", "-q", environment=environment)
    t.oci("list", "-q")
    t.note("state", (twin.Path("/run/crun/twin").is_dir(), (twin.RUNTIME_DIR / "crun" / "twin").exists()))
    t.oci("delete", "-f", "twin", environment=environment)


@scenario(sessions=0)
def root_with_a_long_name(t):
    """The socket for NOTIFY_SOCKET lies in the root, and the name of a socket is short."""
    t.bundle()
    t.oci("--root", t.box / ("long" * 25), "run", "-b", "bundle", "twin",
          environment={**t.environment, "NOTIFY_SOCKET": str(t.box / "notify")})


@pytest.mark.parametrize("name", ["spoor", "/opt/other/name", "runc", ""])
def test_called_by_another_name(name):
    """The wrapped runtime's name is what it calls itself, whatever its caller calls spoor."""
    outputs = []
    for side in twin.SIDES:
        t = twin.Twin(side)  # whose settings, and nobody else's, hold
        word = name if side.settings is not None else twin.CRUN
        done = subprocess.run(["bash", "-c", 'exec -a "$0" "$1" --nosuchoption', word, side.program], capture_output=True, text=True,
                              env=t.environment, timeout=twin.TIMEOUT_S)
        outputs.append((done.returncode, done.stdout, done.stderr))
    assert outputs[0][2].startswith(f"{twin.CRUN}: ")
    assert outputs == [outputs[0]] * len(twin.SIDES)


@pytest.mark.parametrize("one", twin.scenarios_of(__name__), ids=lambda one: one.name)
def test(one):
    twin.play(one)
