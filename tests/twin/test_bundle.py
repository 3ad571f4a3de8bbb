"""Containers as a caller of the runtime makes them: bundles, descriptors, signals, terminals, state."""

import os
import signal
import socket
import subprocess
import threading

import pytest

import twin
from harness import ROOTFUL, until
from twin import scenario

# --------------------------------------------------------------------------------------------- run


@scenario()
def run(t):
    t.bundle()
    t.oci("run", "-b", "bundle", "twin")


@scenario()
def run_in_the_bundle(t):
    t.oci("--log=log", "--log-format", "json", "run", "twin", cwd=t.bundle())
    t.note_file("log")


@scenario()
def run_abbreviated(t):
    t.bundle()
    t.oci("run", "--bun=bundle", "--pid", "pid", "--no-piv", "--no-new", "--", "twin")


@scenario(sessions=2)
def other_configuration_file(t):
    bundle = t.bundle()
    (bundle / "config.json").rename(t.box / "other.json")
    t.oci("run", "--config", t.box / "other.json", "-b", "bundle", "twin")
    t.oci("run", "-f", "other.json", "-b", "bundle", "twin")


@scenario()
def exit_code(t):
    t.bundle(["/bin/sh", "-c", "echo out; echo err >&2; exit 37"])
    t.oci("run", "-b", "bundle", "twin")


def runs(t):
    """A `run` in the foreground: its state says so, and its program has begun. The one does not mean the other."""
    until(lambda: t.state().get("status") == "running", t.state)
    t.until_executed()


@scenario()
def killed_by_a_signal(t):
    t.bundle(["/bin/busybox", "sleep", "1000"])
    process = t.open("run", "-b", "bundle", "twin")
    runs(t)
    t.oci("kill", "twin", "KILL")
    t.note_end(process)


@scenario(sessions=0)
def no_such_program(t):
    t.bundle(["/no/such/program"])
    t.oci("--log=log", "run", "-b", "bundle", "twin")
    t.note_file("log")


@scenario(sessions=0)
def no_such_program_to_create(t):
    t.bundle(["/no/such/program"])
    t.oci("create", "-b", "bundle", "twin")


@scenario(sessions=0)
def not_executable(t):
    t.bundle(["/tmp"])
    t.oci("--log=log", "--log-format=json", "run", "-b", "bundle", "twin")
    t.note_file("log")


@scenario()
def standard_input(t):
    t.bundle(["/bin/busybox", "cat"])
    t.oci("run", "-b", "bundle", "twin", stdin=b"some input\n" * 10000)


@scenario(sessions=0)
def no_standard_descriptors(t):
    # Who dies here calls no hook that waits for the recorder, and of a root file system that two share nothing is removed.
    for name, closed in (("first", "<&-"), ("second", ">&-"), ("third", "<&- >&- 2>&-")):
        t.bundle(name=name)
        t.shell(f"runtime run -b {name} twin {closed}")


@scenario(sessions=2)
def one_pipe_for_both(t):
    t.bundle(["/bin/sh", "-c", "echo out; echo err >&2"])
    t.shell("runtime run -b bundle twin 2>&1 | cat")
    t.shell("runtime run -b bundle twin >all 2>&1; cat all")


@scenario()
def reader_gone(t):
    """What is written to a pipe without a reader, with SIGPIPE as it came."""
    t.bundle(["/bin/busybox", "yes"])
    t.shell('runtime run -b bundle twin | head -1; echo "${PIPESTATUS[@]}"')


@scenario(sessions=2)
def signals_ignored_and_blocked(t):
    t.bundle()
    for options in ("--ignore-signal=PIPE --ignore-signal=HUP", "--block-signal=USR1 --block-signal=CHLD"):
        t.shell(f'env {options} bash -c \'exec -a {twin.CRUN} "$RUNTIME" run -b bundle twin\'')


@scenario()
def umask_of_the_caller(t):
    t.bundle()
    t.shell("umask 0; runtime run -b bundle twin")


@scenario()
def umask_of_the_caller_strict(t):
    t.bundle()
    t.shell("umask 077; runtime --log=log run -b bundle --pid-file pid twin; stat -c '%a %n' log pid bundle/*")


@scenario()
def umask_of_the_spec(t):
    t.bundle(change=lambda spec: spec["process"]["user"].update(umask=0o27))
    t.oci("run", "-b", "bundle", "twin")


@scenario(sessions=2)
def oom_score(t):
    t.bundle()
    t.shell("choom -n 300 -- bash -c 'exec -a /usr/bin/crun \"$RUNTIME\" run -b bundle twin'")
    t.bundle(change=lambda spec: spec["process"].update(oomScoreAdj=400), name="second")
    t.oci("run", "-b", "second", "twin")


@scenario()
def nice_and_limits(t):
    t.bundle()
    t.shell("ulimit -n 100 -c 0 -s 4096; nice -n 5 bash -c 'exec -a /usr/bin/crun \"$RUNTIME\" run -b bundle twin'")


@scenario()
def environment_of_the_spec(t):
    t.bundle(change=lambda spec: spec["process"].update(env=["A=1", "B=", "PATH=/bin", "A=2", "HOME=/x", "TERM=dumb"]))
    t.oci("run", "-b", "bundle", "twin")


@scenario()
def empty_environment(t):
    """Nothing but the runtime's directory, as podman calls it; then nothing at all."""
    def change(spec):
        spec["process"].update(env=[])
        if t.side.name == "untraced":  # its settings cannot be found
            spec["annotations"] = {"io.spoor.trace": "false"}

    t.bundle(change=change)
    t.oci("run", "-b", "bundle", "twin", environment={
        "XDG_RUNTIME_DIR": os.environ["XDG_RUNTIME_DIR"]})
    t.oci("state", "nobody", environment={})
    t.oci("--version", environment={})
    t.oci("list", environment={"XDG_RUNTIME_DIR": ""})


@scenario(sessions=2)
def preserved_descriptors(t):
    t.bundle()
    t.shell("echo one >one; runtime run -b bundle --preserve-fds 2 twin 3<one 4>four 5<one 9<one")
    t.shell("runtime run -b bundle twin 3<one 4>four 5<one 9<one")


@scenario(sessions=2)
def listen_fds(t):
    t.bundle()
    t.shell("echo one >one; LISTEN_FDS=2 LISTEN_PID=1 LISTEN_FDNAMES=a:b runtime run -b bundle twin 3<one 4<one 5<one")
    t.shell("LISTEN_FDS=1 runtime run -b bundle --preserve-fds 1 twin 3<one 4<one 5<one")


@scenario()
def terminal(t):
    t.bundle(terminal=True)
    shown = t.terminal(t.box / "console")
    t.oci("run", "-d", "--console-socket", t.box / "console", "-b", "bundle", "twin", stdout=subprocess.DEVNULL)
    t.until_stopped()
    t.note("terminal", shown())
    t.oci("delete", "twin")


@scenario(sessions=0)
def terminal_that_is_not_there(t):
    t.bundle(terminal=True)
    t.oci("run", "-d", "--console-socket", t.box / "none", "-b", "bundle", "twin", stdout=subprocess.DEVNULL)


@scenario()
def notify_socket(t):
    """`run -d` waits until the container says READY, and tells it on."""
    t.bundle(["/probe", "notify"])
    heard = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(t.box / "notify"))
        listener.settimeout(twin.TIMEOUT_S)

        def listen():  # crun waits for its barrier's descriptor to be closed, which recv() does
            while "BARRIER=1" not in heard:
                heard.extend(listener.recv(4096).decode().split())

        listening = threading.Thread(target=listen)
        listening.start()
        t.oci("run", "-d", "-b", "bundle", "twin", stdout=subprocess.DEVNULL,
              environment={**t.environment, "NOTIFY_SOCKET": str(t.box / "notify")})
        listening.join()
    t.note("notified", [line for line in heard if not line.startswith("MAINPID")])
    t.until_stopped()
    t.oci("delete", "twin")


# ------------------------------------------------------------------------------------ signals


@scenario()
def signals_to_the_foreground(t):
    """`run` hands on what it gets; its parent sees the container's exit code."""
    t.bundle(["/probe", "wait"])
    process = t.open("run", "-b", "bundle", "twin")
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("ready"):
            process.send_signal(signal.SIGUSR1)
        if line == "signal 10\n":
            process.send_signal(signal.SIGHUP)
        if line == "signal 1\n":
            process.send_signal(signal.SIGTERM)
    t.note("output", "".join(lines))
    t.note_end(process)


@scenario()
def killed_runtime(t):
    """The foreground `run` dies by SIGKILL: the container stays, and can be removed."""
    t.bundle(["/bin/busybox", "sleep", "1000"])
    process = t.open("run", "-b", "bundle", "twin")
    runs(t)
    process.kill()
    t.note_end(process, with_output=False)
    t.note("state", {k: v for k, v in t.state().items() if k in ("status", "id", "bundle", "rootfs")})
    t.oci("delete", "-f", "twin")


@scenario()
def without_subreaper(t):
    t.bundle()
    t.oci("run", "--no-subreaper", "-b", "bundle", "twin")


# ------------------------------------------------------------------------------- the whole life


@scenario()
def life(t):
    t.bundle(["/probe", "wait"])
    t.shell("runtime --log=log create -b bundle --pid-file pid twin >out 2>&1 </dev/null; echo $?")
    t.note("state, created", {k: v for k, v in t.state().items() if k not in ("pid", "created", "owner")})
    t.note("pid file", t.state()["pid"] == int((t.box / "bundle" / "pid").read_text()))
    for call in (["state", "twin"], ["list", "-f", "json"], ["list", "-q"], ["create", "-b", "bundle", "twin"],
                 ["pause", "nobody"]):
        t.oci(*call)
    # Two processes of crun's complain of this, in any order.
    t.note("exec before start", t.oci("exec", "twin", "/probe", quiet=True)[0])
    files = sorted(os.listdir(twin.RUNTIME_DIR / "crun" / "twin"))
    t.note("crun's files", files)
    t.oci("start", "twin")
    until(lambda: "ready" in (t.box / "out").read_text(), "the container is ready")
    for call in (["state", "twin"], ["list", "-f", "json"], ["start", "twin"], ["delete", "twin"], ["kill", "twin", "NOSUCH"]):
        t.oci(*call)
    # One after the other: those that wait together come in the order of their numbers.
    for name, number in (("USR1", signal.SIGUSR1), ("12", 12), ("SIGHUP", signal.SIGHUP)):
        t.oci("kill", "twin", name)
        until(lambda: f"signal {number}\n" in (t.box / "out").read_text(), f"the container has {name}")
    t.oci("kill", "twin", "TERM")
    t.until_stopped()
    for call in (["state", "twin"], ["list", "-f", "json"], ["kill", "twin", "TERM"], ["exec", "twin", "/probe"],
                 ["delete", "twin"], ["delete", "twin"], ["state", "twin"]):
        t.oci(*call)
    t.note_file("out")
    t.note_file("log")


@scenario(sessions=0)
def created_and_never_started(t):
    t.bundle()
    t.shell("runtime create -b bundle twin >/dev/null 2>&1 </dev/null; echo $?")
    t.oci("delete", "twin")
    t.oci("delete", "-f", "twin")


@scenario(sessions=2)
def the_same_name_twice(t):
    t.bundle(["/bin/busybox", "sleep", "1000"])
    t.shell("runtime run -d -b bundle twin >/dev/null 2>&1 </dev/null; echo $?")
    t.until_executed()
    t.oci("--log=log", "run", "-d", "-b", "bundle", "twin")
    t.oci("kill", "twin", "KILL")
    t.until_stopped()
    t.oci("delete", "twin")
    t.oci("run", "-d", "-b", "bundle", "twin", stdout=subprocess.DEVNULL)
    t.until_executed()
    t.oci("delete", "-f", "twin")
    t.note_file("log")


def sleeper(t, change=None):
    t.bundle(["/bin/busybox", "sleep", "1000"], change)
    t.oci("run", "-d", "-b", "bundle", "--pid-file", "pid", "twin", stdout=subprocess.DEVNULL)
    t.until_executed()


@scenario()
def execute(t):
    sleeper(t)
    t.oci("exec", "twin", "/probe")
    t.oci("exec", "twin", "/bin/sh", "-c", "exit 9")
    t.oci("exec", "twin", "/bin/sh", "-c", "/bin/busybox kill -TERM $$; sleep 9")
    t.oci("exec", "--cwd", "/tmp", "-e", "A=b", "-u", "0:0", "--no-new-privs", "--cap", "CAP_KILL", "twin", "/probe")
    t.oci("--log=log", "exec", "twin", "/no/such/program")
    t.oci("exec", "twin", "/bin/busybox", "cat", stdin=b"input")
    t.shell("runtime exec --preserve-fds 1 twin /probe 3</dev/null 4</dev/null")
    (t.box / "process.json").write_text('{"args": ["/probe", "a"], "cwd": "/run", "env": ["X=y"], "terminal": false}')
    t.oci("exec", "--process", "process.json", "--pid-file", "exec-pid", "twin")
    t.oci("exec", "-d", "twin", "/bin/busybox", "true", stdout=subprocess.DEVNULL)
    t.note_file("log")
    t.oci("delete", "-f", "twin")


@scenario()
def execute_on_a_terminal(t):
    sleeper(t)
    shown = t.terminal(t.box / "console")
    t.oci("exec", "--tty", "--detach", "--console-socket", t.box / "console", "--pid-file", "p", "twin", "/probe",
          stdout=subprocess.DEVNULL)
    t.note("terminal", shown())
    t.oci("delete", "-f", "twin")


@scenario()
def processes_in_it(t):
    sleeper(t)
    pid = str(t.state()["pid"])
    for form in ("table", "json"):
        _, out = t.oci("ps", "--format", form, "twin", quiet=True)
        t.note(f"ps {form}", out.replace(pid, "<pid>"))
    t.oci("kill", "--all", "twin", "KILL")
    t.until_stopped()
    t.oci("delete", "twin")


@scenario()
def kill_by_pattern(t):
    sleeper(t)
    t.oci("kill", "--regex", "tw.n", "KILL")
    t.until_stopped()
    t.oci("delete", "--regex", "t.*")
    t.oci("list")


@scenario()
def pause_and_update(t):
    sleeper(t)
    for call in (["pause", "twin"], ["state", "twin"], ["pause", "twin"], ["list", "-q"],
                 ["resume", "twin"], ["resume", "twin"], ["state", "twin"], ["update", "--pids-limit", "100", "twin"],
                 ["update", "--memory", "512M", "twin"], ["update", "twin"]):
        t.oci(*call)
    t.oci("update", "--resources", "-", "twin", stdin=b'{"pids": {"limit": 50}}')
    t.oci("delete", "-f", "twin")


# ------------------------------------------------------------------------------------- bundles


def removed(*path):
    def change(spec):
        at = spec
        for key in path[:-1]:
            at = at[key]
        at.pop(path[-1], None)

    return change


def hook(code):
    """Reads its input: of one that does not, crun 1.8.1 may tell that it failed, or of a broken pipe, or nothing."""
    return {"path": "/bin/sh", "args": ["sh", "-c", f"cat >/dev/null; exit {code}"]}


SPECS = {
    "no root": removed("root"),
    "no process": removed("process"),
    "no arguments": lambda spec: spec["process"].update(args=[]),
    "no mounts": lambda spec: spec.update(mounts=[]),
    "no linux": removed("linux"),
    "no version": removed("ociVersion"),
    "read-only root": lambda spec: spec["root"].update(readonly=True),
    "no root file system": lambda spec: spec["root"].update(path="nothing"),
    "host's pid namespace": lambda spec: spec["linux"].update(
        namespaces=[n for n in spec["linux"]["namespaces"] if n["type"] != "pid"]),
    "no working directory": lambda spec: spec["process"].update(cwd="/nowhere"),
    "bad seccomp": lambda spec: spec["linux"].update(seccomp={"defaultAction": "SCMP_ACT_NOSUCH"}),
    "bad namespace": lambda spec: spec["linux"]["namespaces"].append({"type": "nosuch"}),
    "a mount that fails": lambda spec: spec["mounts"].append(
        {"destination": "/x", "type": "bind", "source": "/no/such/place", "options": ["bind"]}),
    "a mount at /run": lambda spec: spec["mounts"].append(
        {"destination": "/run", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]}),
    "hooks": lambda spec: spec.update(hooks={kind: [hook(0)] for kind in ("createRuntime", "poststart", "poststop")}),
    "a hook that fails": lambda spec: spec.update(hooks={"createRuntime": [hook(1)]}),
    "a prestart hook that fails": lambda spec: spec.update(hooks={"prestart": [hook(2)]}),
    "a poststop hook that fails": lambda spec: spec.update(hooks={"poststop": [hook(3)]}),
    "annotations": lambda spec: spec.update(annotations={"a": "b", "run.oci.keep_original_groups": "1"}),
    "mode off": lambda spec: spec.update(annotations={"io.spoor.mode": "off"}),
    "domain and host name": lambda spec: spec.update(hostname="other"),
    "another user": lambda spec: spec["process"].update(user={"uid": 0, "gid": 0, "additionalGids": [0]}),
    "no new privileges off": lambda spec: spec["process"].update(noNewPrivileges=False),
    "sysctl": lambda spec: spec["linux"].update(sysctl={"kernel.nosuch": "1"}),
    "masked paths": lambda spec: spec["linux"].update(maskedPaths=["/proc/version"], readonlyPaths=["/proc/sys"]),
}
UNTRACED = {"no root", "no process", "no version", "mode off"}


@pytest.mark.parametrize("name", SPECS)
def test_spec(name):
    def spec(t):
        t.bundle(change=SPECS[name])
        code, _ = t.oci("--log=log", "run", "-b", "bundle", "twin")
        t.note_file("log")
        t.sessions = 1 if code == 0 and name not in UNTRACED else 0

    twin.play(twin.Scenario(spec, None, rootless=True, rootful=True))


TEXTS = {
    "empty": "",
    "not JSON": '{"ociVersion": "1.0.0", ',
    "an array": "[]",
    "a word": "none",
    "binary": "\0\1\2",
    "null": "null",
}


@pytest.mark.parametrize("name", TEXTS)
def test_text(name):
    def text(t):
        (t.bundle() / "config.json").write_text(TEXTS[name])
        t.oci("--log=log", "--log-format=json", "create", "-b", "bundle", "twin")
        t.note_file("log")

    twin.play(twin.Scenario(text, 0, rootless=True, rootful=True))


@scenario(sessions=0)
def unopenable(t):
    bundle = t.bundle()
    t.oci("--log=/nonexistent/log", "run", "-b", "bundle", "twin")
    t.oci("--root=/proc/nosuch", "run", "-b", "bundle", "twin")
    (bundle / "config.json").unlink()
    t.oci("run", "-b", "bundle", "twin")
    (bundle / "config.json").mkdir()
    t.oci("run", "-b", "bundle", "twin")


@scenario(sessions=2)
def roots(t):
    """Where the state goes: --root, and what XDG_RUNTIME_DIR says."""
    t.bundle(["/bin/busybox", "sleep", "1000"])
    t.oci("--root", t.box / "root", "run", "-d", "-b", "bundle", "twin", stdout=subprocess.DEVNULL)
    t.until_executed()
    t.note("files", sorted(os.listdir(t.box / "root" / "twin")))
    t.oci("list", "-q")
    t.oci("--root", t.box / "root", "list", "-q")
    t.oci("--root", t.box / "root", "delete", "-f", "twin")
    t.oci("run", "-d", "-b", "bundle", "twin", stdout=subprocess.DEVNULL)
    t.until_executed()
    t.note("files", sorted(os.listdir(twin.RUNTIME_DIR / "crun" / "twin")))
    t.oci("delete", "-f", "twin")


@pytest.mark.parametrize("one", twin.scenarios_of(__name__), ids=lambda one: one.name)
def test(one):
    twin.play(one)
