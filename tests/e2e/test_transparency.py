"""Nobody can tell spoor from crun: exit codes, output, container life."""

import json
import shutil

import pytest

from harness import ROOTFUL, as_if_crun, execute, finished_trail, one_line, until

COMMANDS = {
    "success": ["echo", "hello"],
    "both streams": ["sh", "-c", "echo out; echo err >&2"],
    "failure": ["sh", "-c", "echo bad >&2; exit 3"],
    "signal": ["sh", "-c", "kill -TERM $$; sleep 10"],
    "killed": ["sh", "-c", "sh -c 'kill -KILL $$'; echo $?; exit 137"],
    "missing program": ["/no/such/program"],
    "missing in PATH": ["nosuchprogram"],
    "not executable": ["/bin"],
    "standard input": ["cat"],
}


def both(podman, *arguments, **options):
    return [podman.run(runtime, *arguments, **options) for runtime in ("crun", "spoor")]


def assert_same(plain, shimmed):
    assert shimmed.code == plain.code, (plain, shimmed)
    assert as_if_crun(shimmed.out) == as_if_crun(plain.out)
    assert as_if_crun(shimmed.err) == as_if_crun(plain.err)


@pytest.mark.parametrize("name", COMMANDS)
def test_run(podman, footprint, name):
    options = {
        # PID 1 does not die of a signal it has no handler for.
        "signal": ["--pid=host"],
        # Not for the others: podman 4.3 now and then loses all output of a short container that
        # does not read the input it is sent.
        "standard input": ["-i"],
    }.get(name, [])
    plain, shimmed = both(podman, *options, "busybox", *COMMANDS[name], input="some input\n")
    assert_same(plain, shimmed)
    footprint.is_clean(own_volumes_stay=True)


def test_a_signal_from_outside(podman):
    codes = []
    for runtime in ("crun", "spoor"):
        done = podman("run", "-d", "--name", f"victim-{runtime}", "--network=none", "busybox", "sh", "-c",
                      "trap 'echo caught; exit 5' TERM; echo ready; while :; do sleep 0.05; done", runtime=runtime)
        assert done.code == 0, done
        until(lambda: "ready" in podman("logs", f"victim-{runtime}").out, "the container is ready")
        podman("kill", "--signal", "TERM", f"victim-{runtime}", runtime=runtime)
        codes.append((podman("wait", f"victim-{runtime}").out, podman("logs", f"victim-{runtime}").out))
        assert podman("rm", "-f", f"victim-{runtime}", runtime=runtime).code == 0
    assert codes[0] == codes[1] == ("5\n", "ready\ncaught\n")


@pytest.fixture
def running(podman, volume):
    """The same container under each runtime: {"crun": name, "spoor": name}."""
    names = {}
    for runtime in ("crun", "spoor"):
        names[runtime] = f"running-{runtime}"
        where = ["--annotation", f"io.spoor.volume={volume}"] if runtime == "spoor" else []
        done = podman("run", "-d", "--name", names[runtime], "--network=none", *where, "busybox", "sleep", "1000",
                      runtime=runtime)
        assert done.code == 0, done
    yield names
    for runtime, name in names.items():
        done = podman("rm", "-f", "--ignore", "-t", "0", name, runtime=runtime)
        assert done.code == 0, done


@pytest.mark.parametrize("command", [
    ["echo", "hello"],
    ["sh", "-c", "echo bad >&2; exit 3"],
    ["sh", "-c", "kill -TERM $$; sleep 10"],
    ["/no/such/program"],
    ["sh", "-c", "cat /proc/self/status | head -1; id; ls -l /proc/self/fd | sed 's/.* //' | wc -l"],
])
def test_exec(podman, running, command):
    plain, shimmed = [podman("exec", name, *command, runtime=runtime) for runtime, name in running.items()]
    assert_same(plain, shimmed)


def test_exec_is_in_the_trail(podman, running, volume):
    assert podman("exec", running["spoor"], "cat", "/proc/version", runtime="spoor").code == 0
    assert podman("rm", "-f", "-t", "0", running["spoor"], runtime="spoor").code == 0
    trail = finished_trail(volume)
    assert "/proc/version" in trail.paths("read")
    assert ["cat", "/proc/version"] in [process["argv"] for process in trail.processes]


def test_detached_life(podman, running, volume):
    """start, pause, unpause, top, stop, start again: each as under crun."""
    for step in (["top"], ["stop", "-t", "0"], ["start"], ["kill", "-s", "KILL"]):
        plain, shimmed = [podman(step[0], *step[1:], name, runtime=runtime) for runtime, name in running.items()]
        assert shimmed.code == plain.code == 0, (step, plain, shimmed)
    codes = {podman("wait", name).out for name in running.values()}
    assert codes == {"137\n"}
    finished_trail(volume)


def test_nothing_from_the_shim_is_in_the_container(podman):
    """Environment, descriptors, mounts (but for the volume's two) and processes."""
    script = "env | sort; ls /proc/self/fd; cut -d' ' -f5 /proc/self/mountinfo | sort; ps -o pid,comm"
    plain, shimmed = both(podman, "--hostname=h", "busybox", "sh", "-c", script)
    ours = {"/run/spoor", "/run/spoor/agent"}
    assert [line for line in shimmed.out.splitlines() if line not in ours] == plain.out.splitlines()
    assert ours <= set(shimmed.out.splitlines())


# --------------------------------------------------------------------------- from the command line


@pytest.fixture
def bundle(tmp_path):
    root = tmp_path / "bundle"
    (root / "rootfs" / "bin").mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "rootfs" / "bin")
    execute(["crun", "spec", *([] if ROOTFUL else ["--rootless"])], cwd=root)
    return root


def write_spec(bundle, change):
    file = bundle / "config.json"
    spec = json.loads(file.read_text())
    spec["process"]["terminal"] = False
    spec["process"]["args"] = ["/bin/busybox", "echo", "from the bundle"]
    change(spec)
    file.write_text(json.dumps(spec))


def run_bundle(bundle, name="b"):
    return [execute([program, "run", "--bundle", bundle, f"{name}"])
            for program in ("/usr/bin/crun", "/run/spoor-dev/bin/spoor")]


def test_a_bundle(bundle, volume, footprint):
    write_spec(bundle, lambda spec: spec.setdefault("annotations", {}).update({"io.spoor.volume": str(volume)}))
    before = (bundle / "config.json").read_bytes()
    plain, shimmed = run_bundle(bundle)
    assert (plain.code, plain.out) == (0, "from the bundle\n"), plain
    assert_same(plain, shimmed)
    assert "/bin/busybox" in finished_trail(volume).paths("exec")
    assert (bundle / "config.json").read_bytes() == before
    footprint.is_clean()


BROKEN = {
    "not JSON": lambda file: file.write_text('{"ociVersion": "1.0.0", '),
    "empty": lambda file: file.write_text(""),
    "no process": lambda file: file.write_text('{"ociVersion": "1.0.0", "root": {"path": "rootfs"}}'),
    "an array": lambda file: file.write_text("[]"),
    "missing": lambda file: file.unlink(),
    "no root file system": lambda file: file.write_text(file.read_text().replace('"rootfs"', '"nothing"')),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_bundle(bundle, footprint, name):
    write_spec(bundle, lambda spec: None)
    BROKEN[name](bundle / "config.json")
    plain, shimmed = run_bundle(bundle)
    assert plain.code == shimmed.code == 1, (plain, shimmed)
    assert plain.out == shimmed.out == ""
    # crun's own words, which may be several lines, or one of ours.
    assert shimmed.err == plain.err or "config.json" in one_line(shimmed.err), shimmed
    footprint.is_clean()


@pytest.mark.parametrize("arguments", [
    ["--version"], ["--help"], [], ["nosuchverb"], ["state", "nobody"], ["state"], ["kill", "nobody", "TERM"],
    ["delete", "nobody"], ["delete", "--force", "nobody"], ["list"], ["exec", "nobody", "true"], ["ps", "nobody"],
    ["--nosuchoption"], ["start", "nobody"], ["pause", "nobody"], ["resume", "nobody"], ["create", "--nosuch"],
    ["spec", "--help"], ["run", "--help"], ["features"],
])
def test_command_line(arguments, tmp_path):
    plain = execute(["/usr/bin/crun", *arguments], cwd=tmp_path)
    link = tmp_path / "crun"  # usage errors name the program as it was called
    link.symlink_to("/run/spoor-dev/bin/spoor")
    shimmed = execute([link, *arguments], cwd=tmp_path)
    assert shimmed.code == plain.code
    assert shimmed.out.replace(str(link), "/usr/bin/crun") == plain.out
    assert shimmed.err.replace(str(link), "/usr/bin/crun") == plain.err
