"""The operator's /etc/spoor/spoor.yaml, by the front's quick ways (shim/front/layer.c) and by spoor-runtime.

Each call is in a mount namespace with an /etc of its own, so as root only. The front has a script beside it that notes
that it was asked, and becomes the spoor-runtime that would have been.
"""

import dataclasses
import os
import shutil
import subprocess

import pytest

import twin
from harness import BIN

AS_OPERATOR = 'mount -t overlay -o "lowerdir=$1:/etc" overlay /etc && shift && exec "$@"'
ASKED = "#!/bin/bash\necho $1 >>{note}\nexec -a \"$0\" {program} \"$@\"\n"
TENANT = 'tenants:\n  - name: everybody\n    uid: "0"\n    '


@dataclasses.dataclass(frozen=True)
class Case:
    operators: str | None  # /etc/spoor/spoor.yaml; None: there is none
    users: str | None = None
    annotations: dict = dataclasses.field(default_factory=dict)
    error: str | None = None  # a word of it


OFF = {"io.spoor.mode": "off"}
QUICK = {  # untraced, and spoor-runtime is not asked
    "trace": Case("trace: false\n"),
    "mode": Case("mode: off\n"),
    "what only the operator may say": Case(
        "# why\ntrace: false  # for now\naudit:\n  file: journal\n  keep: 3\nmetrics:\n  socket: /run/numbers.sock\n"),
    "an empty one, and the user's": Case("", "trace: false\n"),
    "the user's over it": Case("trace: true\nmode: strict\n", "mode: off\n"),
    "the container's over it": Case("mode: strict\n", None, OFF),
    "a duration": Case("trace: false\nsetup_deadline: 3s\n"),
}
RULES = """tenants:
  - name: others
    uid: [1000, 2000-2999]
    containers: 20
  - name: payments  # and what they may have
    uid: 0
    cgroup: ["*payments*", /nowhere]
    ring_bytes: 1GiB
    ring_bytes_each: 4MiB
  - name: default
    account: together
"""
QUICKLY_TRACED = {  # spoor-runtime writes the spec while the runtime starts
    "none": Case(None),
    "the operator's, and the user's": Case("audit:\n  file: journal\n", "volumes:\n  keep: 7\n"),
    "limits for tenants": Case(RULES),
    "modes for tenants": Case(RULES + "    modes: [warn, strict]\n"),
    "modes for tenants, and the user's": Case(RULES + "    modes: strict\n", "mode: warn\n"),
}
UNTRACED = {  # as well, but it takes a parser
    "flow style": Case("{trace: false}\n"),
    "a duration in milliseconds": Case("trace: false\nsetup_deadline: 3000ms\n"),
}
TRACED = {
    "none": Case(None),
    "an empty one": Case(""),
    "modes for tenants, over the operator's": Case("mode: off\n" + RULES + "    modes: warn\n"),
    "the user's over it": Case("trace: false\n", "trace: true\n"),
    "the container's over it": Case("trace: false\n", None, {"io.spoor.trace": "true"}),
    "tenants, over the user's": Case(TENANT + "modes: [warn]\n", "trace: false\n"),
    "a forced mode, over the user's trace": Case(TENANT + "annotations: {io.spoor.mode: strict}\n", "trace: false\n"),
    "a forced mode, over the container's trace": Case(TENANT + "annotations: {io.spoor.mode: warn}\n", None, {"io.spoor.trace": "false"}),
    "forced tracing, over both modes": Case(TENANT + 'annotations: {io.spoor.trace: "true"}\n', "mode: off\n", OFF),
    "a forced mode, over a plain one": Case(TENANT + "annotations: {io.spoor.mode: warn}\n", None, {"io.spoor.mode": "strict"}),
    "tenants, over the container's": Case(TENANT + "annotations: {io.spoor.mode: warn}\n", None, OFF),
}
REFUSED = {
    "not allowed to a tenant": Case(TENANT + "modes: [warn]\n", None, OFF, "is not allowed to tenant everybody"),
    "not allowed to a tenant, in plain words": Case(RULES + "    modes: strict\n", None, {"io.spoor.mode": "warn"}, "is not allowed to tenant default"),
    "a rule that never applies": Case(RULES + "  - name: more\n", error="is for everybody"),
    "a wrong value, with tenants": Case(TENANT + "annotations: {io.spoor.mode: warn}\n", None, {"io.spoor.mount": "x"}, "io.spoor.mount"),
    "a value of the wrong type": Case("trace: fals\n", "trace: false\n", error="/etc/spoor/spoor.yaml"),
    "a key that is none": Case("trace: false\ntraces: false\n", error="/etc/spoor/spoor.yaml"),
    "the operator's key in the user's": Case("trace: false\n", "audit:\n  file: journal\n", error="audit"),
}


def patient(case):
    """With the user's word that the machine's speed is not tested, unless what is tested is that nobody has said a word."""
    return case if case.operators is None else dataclasses.replace(case, users=f"{case.users or ''}setup_deadline: 60s\n")


class Machine:
    """An /etc, a home, and a front with a script for its spoor-runtime."""

    def __init__(self, directory):
        self.etc, self.home, self.note = directory / "etc", directory / "home", directory / "asked"
        self.front = directory / "spoor"
        for made in (self.etc / "spoor", self.home / ".config" / "spoor"):
            made.mkdir(parents=True)
        shutil.copy(BIN / "spoor", self.front)
        script = directory / "spoor-runtime"
        script.write_text(ASKED.format(note=self.note, program=BIN / "spoor-runtime"))
        script.chmod(0o755)

    def call(self, case, *words):
        """(exit code, output, errors, whether spoor-runtime was asked)"""
        for directory, text in ((self.etc / "spoor", case.operators), (self.home / ".config" / "spoor", case.users)):
            if text is not None:
                (directory / "spoor.yaml").write_text(text)
        environment = {**os.environ, "HOME": str(self.home)}
        for name in ("XDG_CONFIG_HOME", "SPOOR_CONFIG"):
            environment.pop(name, None)
        done = subprocess.run(["unshare", "--mount", "sh", "-c", AS_OPERATOR, "sh", self.etc, self.front, *words], text=True,
                              capture_output=True, env=environment, cwd=twin.BOX, timeout=twin.TIMEOUT_S)
        return done.returncode, done.stdout, done.stderr, self.note.exists()


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def run(machine, case):
    for volume in twin.own_volumes():
        shutil.rmtree(volume)
    plain = twin.Twin(twin.SIDES[0])
    plain.bundle(["/bin/sh", "-c", "echo it runs; exit 3"], lambda spec: spec.update(annotations=case.annotations))
    return machine.call(case, "run", "--bundle", "bundle", "twin")


@pytest.mark.parametrize("name", QUICK)
def test_not_traced_and_nobody_is_asked(machine, name):
    assert run(machine, QUICK[name]) == (3, "it runs\n", "", False)
    assert not twin.own_volumes()


@pytest.mark.parametrize("name", UNTRACED)
def test_not_traced(machine, name):
    assert run(machine, UNTRACED[name]) == (3, "it runs\n", "", True)
    assert not twin.own_volumes()


@pytest.mark.parametrize("name", TRACED)
def test_traced(machine, name):
    assert run(machine, patient(TRACED[name])) == (3, "it runs\n", "", True)
    twin.check_trails(1)


@pytest.mark.parametrize("name", QUICKLY_TRACED)
def test_traced_quickly(machine, name):
    case = patient(QUICKLY_TRACED[name])
    run(machine, case)  # which makes the state root's directories, if there are none
    machine.note.unlink()
    assert run(machine, case) == (3, "it runs\n", "", True)
    assert machine.note.read_text() == "set-up\n"
    twin.check_trails(1)


@pytest.mark.parametrize("name", REFUSED)
def test_refused(machine, name):
    code, out, err, asked = run(machine, REFUSED[name])
    assert (code, out, asked) == (1, "", True) and REFUSED[name].error in err, (code, out, err)
    assert not twin.own_volumes()


@pytest.mark.parametrize("words", [["state", "nobody"], ["run", "--bundle", "bundle", "twin"]], ids=lambda words: words[0])
def test_another_runtime(machine, words, tmp_path):
    """Of the operator's choice; also for what is not traced, and where the user's settings are not found."""
    other = tmp_path / "other"
    other.write_text('#!/bin/sh\necho "mine: $*"\n')
    other.chmod(0o755)
    case = Case(f"trace: false\nruntime: {other}\n")
    twin.Twin(twin.SIDES[0]).bundle()
    assert machine.call(case, *words) == (0, f"mine: {' '.join(words)}\n", "", True)


def test_verbs_are_passed_on(machine):
    code, out, err, asked = machine.call(Case("trace: false\naudit:\n  file: journal\n"), "state", "nobody")
    assert (code, out, asked) == (1, "", False) and "nobody" in err


# The limits of what runc executes are not always those that it was told.
PODMAN = """
podman run -d --name=twin --network=none --hostname=h twin /probe wait >/dev/null || exit 1
until podman logs twin | grep -q ready; do :; done
podman exec -e A=b twin sh -c 'env | sort; id; exit 9'; echo $?
podman pause twin; podman unpause twin; podman update --memory=1g twin
podman kill --signal=USR1 twin
podman stop -t 30 twin; podman logs twin
podman rm twin; podman ps -a
podman run --rm --network=none twin /no/such/program; echo $?
"""
IN_THE_FOREGROUND = "podman run $LOGGED --rm --network=none twin sh -c 'echo out; echo err >&2; exit 4'"


def test_podman_over_runc(image, machine):
    """Podman calls the runtime for start, kill and delete with no variable that would find a user's settings."""
    (machine.etc / "spoor" / "spoor.yaml").write_text(twin.RUNC_SIDES[-1].settings)
    shutil.copytree("/etc/containers", machine.etc / "containers")  # which is mounted here, and so not in the overlay
    containers = machine.etc / "containers" / "containers.conf"
    text = containers.read_text()

    def life(t):
        containers.write_text(text.replace(f'crun = ["{twin.CRUN}"]', f'crun = ["{t.side.program}"]'))
        t.environment.update(HOME=str(machine.home), ETC=str(machine.etc))
        del t.environment["CONTAINERS_CONF"]
        for script, code in ((PODMAN, 0), (IN_THE_FOREGROUND, 4)):
            t.environment.update(PODMAN=script)
            t.shell(f"unshare --mount sh -c '{AS_OPERATOR}' sh \"$ETC\" bash -c \"$PODMAN\"", check=code,
                    timeout=10 * twin.TIMEOUT_S)

    twin.play(twin.Scenario(life, 2, rootless=False, rootful=True), podmans=True, sides=(twin.RUNC_SIDES[0], twin.RUNC_SIDES[-1]))
