#!/usr/bin/python3
"""Runs a command where rootless (or rootful) Podman with `--runtime spoor` works.

Called by `./dev shell` as root, inside a mount namespace of its own:

    unshare --mount --propagation private tools/environment.py outer --binaries DIR … -- CMD…

Two processes, two views:

* The supervisor ("outer") has the machine's own cgroup tree and pid namespace, but a private /run,
  /dev/shm, /etc/containers and bpffs. spoord runs here as root, in a cgroup that the user cannot
  reach.
* The command ("inner") additionally gets a home of its own, and a cgroup namespace whose root is a cgroup made for it: as
  a v2 tree delegated to the user, or with --root as the v1 hierarchies of the machine, if it has
  any. It needs neither systemd nor a session, and looks the same on every machine.

Nothing that others can see is changed. All that is made lies in one run directory and below one
cgroup; every process started stays in that cgroup, so that cgroup.kill ends it, Podman's pause
process too (a stale one would pin a mount namespace). What a killed supervisor leaves behind, the
next one removes: a run directory whose lock nobody holds is stale.
"""

import argparse
import ctypes
import errno
import fcntl
import json
import os
import pwd
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

RUN_PARENT = Path("/var/tmp")
RUN_PREFIX = "spoor-dev."
# The same path in every environment, for configuration files; a link to the run directory.
STABLE = Path("/run/spoor-dev")
BROKER_SOCKET = Path("/run/spoor/spoord.sock")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Name resolution may go through these; the rest of the machine's /run is no business of ours.
RUN_KEPT = ("systemd/resolve", "NetworkManager", "resolvconf", "nscd")
KILL_BROKER = "kill-spoord"  # in the run directory
BESIDE = "beside"  # in the run directory: what a second user has; the name of their cgroup
BESIDE_SOCKET = "beside.sock"  # where they take orders: tests/tenants/beside.py
STALE_AFTER_S = 60
BROKER_DEADLINE_S = 20
# shim/ipc/broker_protocol.h: magic, version, Request::hello, nothing else. Answered once it can trace.
BROKER_HELLO = struct.pack("=IHH504x", 0x53504F52, 2, 1)


def fail(text):
    print(f"dev shell: {text}", file=sys.stderr)
    sys.exit(125)


# mount(8) would leave a note in the machine's /run/mount.
LIBC = ctypes.CDLL(None, use_errno=True)
MS_NOSUID, MS_NODEV, MS_BIND, MS_MOVE, MS_REC, MS_SHARED = 2, 4, 4096, 8192, 16384, 1 << 20
MNT_DETACH = 2


def mount(source, target, kind=None, flags=0, data=None):
    encoded = [os.fsencode(str(text)) if text is not None else None for text in (source, target, kind, data)]
    if LIBC.mount(encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[3]) != 0:
        fail(f"mount {source} on {target}: {os.strerror(ctypes.get_errno())}")


def bind(source, target, recursive=False):
    mount(source, target, flags=MS_BIND | (MS_REC if recursive else 0))


def detach(target):
    """Unmounts `target` with all that is mounted on or below it."""
    if LIBC.umount2(os.fsencode(str(target)), MNT_DETACH) != 0 and ctypes.get_errno() != errno.EINVAL:
        fail(f"unmount {target}: {os.strerror(ctypes.get_errno())}")


# ---------------------------------------------------------------------------------------- cgroups


def own_cgroups():
    """(controllers, path) of this process, one a hierarchy; '' stands for v2."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        # A path above the namespace's root cannot be reached by a mount; its root can.
        yield controllers, "/" if path.startswith("/..") else path


class Cgroups:
    """The cgroup of one environment: NAME below our own one, in v2 and, for --root, in v1 too.

    v2 holds every process of the environment: NAME/broker and NAME/user.
    """

    def __init__(self, run, name, with_v1):
        self.v1 = {}
        for controllers, path in own_cgroups():
            if controllers and not with_v1:
                continue
            point = run / "cgroup" / (controllers or "unified")
            point.mkdir(parents=True)
            if controllers:
                options = f"none,{controllers}" if controllers.startswith("name=") else controllers
                mount("cgroup", point, "cgroup", data=options)
                self.v1[controllers] = point / path.lstrip("/") / name
            else:
                mount("cgroup2", point, "cgroup2")
                self.v2 = point / path.lstrip("/") / name
        for directory in [self.v2, *self.v1.values()]:
            directory.mkdir()
        for kind in ("cpus", "mems"):  # a new v1 cpuset is empty and takes no process
            if "cpuset" in self.v1:
                child = self.v1["cpuset"]
                value = (child.parent / f"cpuset.{kind}").read_text()
                (child / f"cpuset.{kind}").write_text(value)
        self.broker = self.v2 / "broker"
        self.user = self.v2 / "user"
        self.beside = self.v2 / BESIDE
        self.broker.mkdir()
        self.user.mkdir()

    def enter_user(self):
        for directory in [self.user, *self.v1.values()]:
            (directory / "cgroup.procs").write_text("0")

    def enter_broker(self):
        (self.broker / "cgroup.procs").write_text("0")

    def enter_beside(self):
        (self.beside / "cgroup.procs").write_text("0")

    def remove(self):
        kill_cgroup(self.v2)
        for directory in [self.v2, *self.v1.values()]:
            remove_cgroup(directory)


def kill_cgroup(directory):
    """Ends all processes in and below `directory` and waits until they are gone."""
    deadline = time.monotonic() + 10
    while directory.exists() and "populated 1" in (directory / "cgroup.events").read_text():
        if time.monotonic() > deadline:
            print(f"dev shell: processes remain in {directory}", file=sys.stderr)
            return
        if (directory / "cgroup.kill").exists():
            (directory / "cgroup.kill").write_text("1")
        else:  # before Linux 5.14
            for procs in directory.rglob("cgroup.procs"):
                for pid in procs.read_text().split():
                    try:
                        os.kill(int(pid), signal.SIGKILL)
                    except ProcessLookupError:
                        pass
        time.sleep(0.01)


def remove_cgroup(directory):
    for path, _, _ in os.walk(directory, topdown=False):
        deadline = time.monotonic() + 5
        while True:
            try:
                os.rmdir(path)
                break
            except FileNotFoundError:
                break
            except OSError as error:  # a process on its way out still counts
                if time.monotonic() > deadline:
                    print(f"dev shell: {error}", file=sys.stderr)
                    break
                time.sleep(0.01)


# ------------------------------------------------------------------------------- the run directory


def remove_stale_environments():
    for run in RUN_PARENT.glob(RUN_PREFIX + "*"):
        try:
            if time.time() - run.stat().st_mtime < STALE_AFTER_S or run.stat().st_uid != 0:
                continue
            with open(run / "lock") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            pass
        except OSError:
            continue
        point = Path(tempfile.mkdtemp())
        mount("cgroup2", point, "cgroup2")
        try:
            for directory in point.rglob(run.name):
                kill_cgroup(directory)
                remove_cgroup(directory)
        except OSError:
            pass  # another environment is at it too
        detach(point)
        point.rmdir()
        shutil.rmtree(run, ignore_errors=True)


def copy_readable(source, destination):
    """Copies a tree so that every user can read it, whatever the modes of the original."""
    shutil.copytree(source, destination, symlinks=True, copy_function=shutil.copyfile,
                    ignore=shutil.ignore_patterns("__pycache__", "node_modules", "unit_*"))
    for path, directories, files in os.walk(destination):
        for name in directories + files:
            target = os.path.join(path, name)
            if not os.path.islink(target):
                original = os.stat(os.path.join(source, os.path.relpath(target, destination)))
                executable = stat.S_ISDIR(original.st_mode) or original.st_mode & stat.S_IXUSR
                os.chmod(target, 0o755 if executable else 0o644)


def make_run_directory(options, user):
    run = Path(tempfile.mkdtemp(prefix=RUN_PREFIX, dir=RUN_PARENT))
    run.chmod(0o755)
    lock = open(run / "lock", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    for name in ("home", "storage", "tmp", "results"):
        (run / name).mkdir()
        os.chown(run / name, user.pw_uid, user.pw_gid)
    (run / "home").chmod(0o700)
    if options.binaries:
        copy_readable(options.binaries, run / "bin")
    if options.programs and Path(options.programs).exists():
        copy_readable(options.programs, run / "programs")
    repository = Path(options.repository)
    (run / "source").mkdir()
    for name in ("tests", "examples", "tools"):
        if (repository / name).exists():
            copy_readable(repository / name, run / "source" / name)
    if options.project:
        project = run / "home" / Path(options.project).resolve().name
        subprocess.run(["cp", "-a", "--reflink=auto", options.project, project], check=True)
        subprocess.run(["chown", "-R", f"{user.pw_uid}:{user.pw_gid}", project], check=True)
        subprocess.run(["chmod", "-R", "u+rwX", project], check=True)
    return run, lock


# -------------------------------------------------------------------------------- the private view


def make_runtime_directory(fresh, user):
    runtime = fresh / "user" / str(user.pw_uid)
    runtime.mkdir(parents=True)
    runtime.chmod(0o700)
    os.chown(runtime, user.pw_uid, user.pw_gid)


def make_private_run(run, user):
    fresh = run / "run"
    fresh.mkdir()
    mount("spoor-run", fresh, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755")
    for name in RUN_KEPT:
        if Path("/run", name).is_dir():
            (fresh / name).mkdir(parents=True)
            bind(Path("/run", name), fresh / name, recursive=True)
    make_runtime_directory(fresh, user)
    (fresh / "lock").mkdir()
    (fresh / "lock").chmod(0o1777)
    (fresh / STABLE.name).symlink_to(run)
    mount(fresh, "/run", flags=MS_MOVE)
    mount("spoor-shm", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")


def open_devices(run):
    """/dev/fuse and /dev/net/tun for everybody, without a chmod that others would see."""
    directory = run / "dev"
    directory.mkdir()
    mount("spoor-dev", directory, "tmpfs", MS_NOSUID, "mode=0755")
    for path in (Path("/dev/fuse"), Path("/dev/net/tun")):
        if not path.exists():
            subprocess.run(["modprobe", "--quiet", path.name], check=False, stderr=subprocess.DEVNULL)
        if path.exists():
            node = directory / path.name
            os.mknod(node, stat.S_IFCHR | 0o666, path.stat().st_rdev)
            node.chmod(0o666)
            bind(node, path)


def configure_podman(run, rootful, v1):
    """Hides /etc/containers behind a copy with our settings."""
    fresh = run / "etc-containers"
    shutil.copytree("/etc/containers", fresh, symlinks=True)
    containers = []
    if rootful:  # podman's own limits may be more than a root without CAP_SYS_RESOURCE can set
        containers += ['default_ulimits = ["nofile=1024:4096", "nproc=1024:1024"]', 'netns = "none"']
    if not v1:  # there are no controllers below a cgroup that holds processes
        containers += ["pids_limit = -1"]
    containers = "\n".join(containers)
    (fresh / "containers.conf").write_text(f"""\
[containers]
{containers}

[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "crun"
runtime_supports_json = ["crun", "runc", "spoor"]
runtime_supports_nocgroup = ["crun", "spoor"]

[engine.runtimes]
crun = ["/usr/bin/crun"]
spoor = ["{STABLE}/bin/spoor"]
""")
    (fresh / "storage.conf").write_text(f"""\
[storage]
driver = "overlay"
graphroot = "{STABLE.resolve()}/storage"
rootless_storage_path = "{STABLE.resolve()}/storage"
runroot = "/run/containers/storage"
""")
    bind(fresh, "/etc/containers")


def install_operators_file(run, source, users):
    """`source` as /etc/spoor/spoor.yaml; in it @NAME@ stands for the uid of one of the users."""
    text = source.read_text()
    for user in users:
        text = text.replace(f"@{user.pw_name}@", str(user.pw_uid))
    upper, work = run / "etc-upper", run / "etc-work"
    (upper / "spoor").mkdir(parents=True)
    work.mkdir()
    (upper / "spoor" / "spoor.yaml").write_text(text)
    # The machine's /etc need not have a place to mount on.
    mount("overlay", "/etc", "overlay", data=f"lowerdir=/etc,upperdir={upper},workdir={work}")


def make_beside(run, user):
    """What a second user has of their own, as the first has it in the run directory itself."""
    own = run / BESIDE
    for name in ("home", "storage", "tmp"):
        (own / name).mkdir(parents=True)
        os.chown(own / name, user.pw_uid, user.pw_gid)
    (own / "home").chmod(0o700)
    (own / "storage.conf").write_text(f"""\
[storage]
driver = "overlay"
rootless_storage_path = "{own}/storage"
runroot = "/run/containers/storage"
""")
    make_runtime_directory(Path("/run"), user)


def start_beside(options, run, cgroups, user):
    """The second user, in cgroups of their own, who does what is said at a socket."""
    cgroups.beside.mkdir()
    order = order_for(options, run, {}, user, run / BESIDE / "home")
    order["project"] = None
    order["command"] = ["/usr/bin/python3", "-B", f"{STABLE}/source/tests/tenants/beside.py",
                        f"{STABLE}/{BESIDE}/{BESIDE_SOCKET}"]
    order["environment"] = {"TMPDIR": f"{run}/{BESIDE}/tmp", "CONTAINERS_STORAGE_CONF": f"{run}/{BESIDE}/storage.conf"}
    os.chown(run / BESIDE, user.pw_uid, user.pw_gid)
    return subprocess.Popen(INNER + [json.dumps(order)], stdin=subprocess.DEVNULL, preexec_fn=cgroups.enter_beside,
                            start_new_session=True)


# packaging/systemd in one command: the first peer starts it, as a user of its own with two capabilities.
SERVICE_UID = 65534
AS_SERVICE = ["systemd-socket-activate", "--seqpacket", f"--listen={BROKER_SOCKET}",
              "setpriv", f"--reuid={SERVICE_UID}", f"--regid={SERVICE_UID}", "--clear-groups", "--no-new-privs",
              *(f"--{kind}=-all,+bpf,+perfmon" for kind in ("inh-caps", "ambient-caps", "bounding-set"))]


def start_broker(run, cgroups, as_service):
    program = run / "bin" / "spoord"
    if not program.exists():
        return None
    BROKER_SOCKET.parent.mkdir(exist_ok=True)
    log = open(run / "spoord.log", "ab")
    command = [*AS_SERVICE, program] if as_service else [program, "--allow-extra-capabilities"]
    broker = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                              stdout=log, stderr=log, cwd="/", preexec_fn=cgroups.enter_broker,
                              start_new_session=True)
    deadline = time.monotonic() + BROKER_DEADLINE_S
    while time.monotonic() < deadline and broker.poll() is None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.settimeout(BROKER_DEADLINE_S)
            try:
                BROKER_SOCKET.chmod(0o666)  # the unit's SocketMode
                client.connect(str(BROKER_SOCKET))
                client.send(BROKER_HELLO)
                if client.recv(4096):
                    return broker
            except OSError:
                time.sleep(0.02)
    print("dev shell: spoord does not run; containers will be untraced. Its log:", file=sys.stderr)
    print((run / "spoord.log").read_text(errors="replace"), file=sys.stderr)
    return broker


class KillableBroker:
    """A spoord that CMD may have killed: by one byte into the fifo KILL_BROKER. Another one follows."""

    def __init__(self, run, cgroups, as_service, user):
        self.arguments = (run, cgroups, as_service)
        self.broker = start_broker(*self.arguments)
        fifo = run / KILL_BROKER
        os.mkfifo(fifo, 0o600)
        os.chown(fifo, user.pw_uid, user.pw_gid)
        # Open for writing as well: so there is no end of file between two writers.
        self.orders = os.open(fifo, os.O_RDWR)
        self.lock = threading.Lock()
        threading.Thread(target=self.obey, daemon=True).start()

    def obey(self):
        while os.read(self.orders, 1):
            with self.lock:
                if not self.broker:
                    return
                self.broker.kill()
                self.broker.wait()
                self.broker = start_broker(*self.arguments)

    def stop(self):
        with self.lock:
            stop_broker(self.broker)
            self.broker = None


# ------------------------------------------------------------------------------------- supervisor


def outer(options):
    if os.geteuid() != 0:
        fail("needs root")
    try:
        user = pwd.getpwnam("root" if options.root else options.user)
        beside = options.beside and pwd.getpwnam(options.beside)
    except KeyError:
        fail(f"there is no user {options.user} or {options.beside}: run ./dev setup")
    remove_stale_environments()
    run, lock = make_run_directory(options, user)
    cgroups = None
    broker = None
    status = 125
    try:
        cgroups = Cgroups(run, run.name, with_v1=options.root)
        open_devices(run)
        make_private_run(run, user)
        if beside:
            make_beside(run, beside)
        if options.operator:
            install_operators_file(run, options.operator, [user, beside] if beside else [user])
        configure_podman(run, options.root, bool(cgroups.v1))
        if Path("/sys/fs/bpf").is_dir():
            mount("bpf", "/sys/fs/bpf", "bpf")
            if options.service:  # a directory of its own for the pins, as the unit makes it
                os.mkdir("/sys/fs/bpf/spoor", 0o700)
                os.chown("/sys/fs/bpf/spoor", SERVICE_UID, SERVICE_UID)
        if not options.no_broker:
            broker = KillableBroker(run, cgroups, options.service, user)
        if beside:
            start_beside(options, run, cgroups, beside)
        status = run_command(options, run, cgroups, user)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        if broker:
            broker.stop()
        if cgroups:
            cgroups.remove()
        if options.results:
            keep_results(run, options.results)
        for point in ("dev", "cgroup/*"):
            for path in run.glob(point):
                detach(path)
        shutil.rmtree(run, ignore_errors=True)
        if run.exists():
            print(f"dev shell: could not remove {run}", file=sys.stderr)
        lock.close()
    sys.exit(status)


def stop_broker(broker):
    if broker:
        broker.terminate()
        try:
            broker.wait(10)
        except subprocess.TimeoutExpired:
            broker.kill()
            broker.wait()


def keep_results(run, directory):
    """Copies what the command left in /run/spoor-dev/results, and spoord's log."""
    directory.mkdir(parents=True, exist_ok=True)
    for file in [*(run / "results").iterdir(), run / "spoord.log"]:
        if file.is_file() and not file.is_symlink():
            shutil.copyfile(file, directory / file.name)


INNER = ["unshare", "--mount", "--cgroup", "--propagation", "private", "/usr/bin/python3", __file__, "inner"]


def order_for(options, run, v1, user, home):
    return {
        "user": user.pw_name,
        "home": str(home),
        "v1": sorted(v1),
        "cwd": os.getcwd(),
        "repository": options.repository,
        "project": options.project and Path(options.project).resolve().name,
        "environment": dict(item.split("=", 1) for item in options.env),
        "run": str(run),
        "command": options.command,
    }


def run_command(options, run, cgroups, user):
    order = order_for(options, run, cgroups.v1, user, run / "home")
    child = None

    def forward(number, _frame):
        if child:
            child.send_signal(number)

    def prepare():
        for number in (signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, signal.SIG_DFL)
        cgroups.enter_user()

    # The terminal sends SIGINT to the command as well; it decides what that means.
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, forward)
    child = subprocess.Popen(INNER + [json.dumps(order)], preexec_fn=prepare)
    code = child.wait()
    return code if code >= 0 else 128 - code


# ---------------------------------------------------------------------------------------- command


def delegate_v2(user):
    root = Path("/sys/fs/cgroup")
    mount("cgroup2", root, "cgroup2")
    init = root / "init"
    init.mkdir()
    (init / "cgroup.procs").write_text("0")
    for directory in (root, init):
        os.chown(directory, user.pw_uid, user.pw_gid)
        for name in ("cgroup.procs", "cgroup.subtree_control", "cgroup.threads"):
            os.chown(directory / name, user.pw_uid, user.pw_gid)


def show_v1(run, hierarchies):
    fresh = Path(run) / "cgroup-v1"
    fresh.mkdir()
    mount("cgroup", fresh, "tmpfs", data="mode=0755")
    for controllers in hierarchies:
        named = controllers.startswith("name=")
        point = fresh / controllers.removeprefix("name=")
        point.mkdir()
        mount("cgroup", point, "cgroup", data=f"none,{controllers}" if named else controllers)
        if "," in controllers:
            for one in controllers.split(","):
                (fresh / one).symlink_to(controllers)
    detach("/sys/fs/cgroup")
    mount(fresh, "/sys/fs/cgroup", flags=MS_MOVE)


def accessible_directory(order, user):
    """Where the command starts: where the caller is, if the user can be there."""
    if order["project"]:
        return f"{user.pw_dir}/{order['project']}"
    cwd = Path(order["cwd"])
    child = os.fork()
    if child == 0:
        try:
            os.initgroups(user.pw_name, user.pw_gid)
            os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
            os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
            os.chdir(cwd)
            os.listdir(".")
            os._exit(0)
        except OSError:
            os._exit(1)
    if os.waitpid(child, 0)[1] == 0:
        return str(cwd)
    try:
        copied = STABLE / "source" / cwd.relative_to(order["repository"])
        if copied.is_dir():
            return str(copied)
    except ValueError:
        pass
    return user.pw_dir


def inner(order):
    user = pwd.getpwnam(order["user"])
    if order["v1"]:
        show_v1(order["run"], order["v1"])
    else:
        delegate_v2(user)
    # The supervisor's; who looks for the machine's cgroups takes the first mounts that he finds.
    for point in Path(order["run"], "cgroup").glob("*"):
        detach(point)
    # As on any booted system; podman warns otherwise. The supervisor's mounts are private, so
    # nothing of this reaches the machine.
    mount("none", "/", flags=MS_REC | MS_SHARED)
    # Here, not in the supervisor: the repository may lie in the user's home, root's say.
    bind(order["home"], user.pw_dir)
    os.chdir(accessible_directory(order, user))
    environment = {
        "HOME": user.pw_dir,
        "USER": user.pw_name,
        "LOGNAME": user.pw_name,
        "SHELL": "/bin/bash",
        "LANG": "C.UTF-8",
        "TERM": os.environ.get("TERM", "dumb"),
        "PATH": f"{STABLE}/bin:{SYSTEM_PATH}",
        "XDG_RUNTIME_DIR": f"/run/user/{user.pw_uid}",
        "TMPDIR": f"{order['run']}/tmp",
        **order["environment"],
    }
    os.umask(0o022)
    os.initgroups(user.pw_name, user.pw_gid)
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    try:
        os.execvpe(order["command"][0], order["command"], environment)
    except OSError as error:
        print(f"dev shell: {order['command'][0]}: {error.strerror}", file=sys.stderr)
        sys.exit(127)


def main():
    if sys.argv[1] == "inner":
        inner(json.loads(sys.argv[2]))
    parser = argparse.ArgumentParser(prog="dev shell")
    parser.add_argument("stage", choices=["outer"])
    parser.add_argument("--repository", required=True)
    parser.add_argument("--user", default="spoor-a")
    parser.add_argument("--root", action="store_true", help="rootful, on cgroup v1 if there is one")
    parser.add_argument("--binaries", help="directory of the built programs")
    parser.add_argument("--programs", help="directory of the test programs")
    parser.add_argument("--project", help="start in a writable copy of this directory")
    parser.add_argument("--no-broker", action="store_true", help="start no spoord")
    parser.add_argument("--service", action="store_true", help="spoord by socket activation, as a user of its own")
    parser.add_argument("--beside", metavar="USER", help="a second user, with cgroups and a podman of their own")
    parser.add_argument("--operator", type=Path, metavar="FILE", help="the environment's /etc/spoor/spoor.yaml")
    parser.add_argument("--results", type=Path, help="keep what CMD leaves in /run/spoor-dev/results here")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE")
    arguments = sys.argv[1:]
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options = parser.parse_args(arguments[:end])
    options.command = arguments[end + 1 :] or ["bash"]
    options.repository = os.path.realpath(options.repository)
    outer(options)


main()
