"""What takes a systemd: its cgroup manager, under Podman and by the runtime's own option, and units that Podman divides.

Played in virtual machines only (tests/vm/payload/run), by root and by a tenant.
"""

import pytest

import twin
from harness import ROOTFUL, until
from twin import scenario

RUN = ["run", "--network=none", "--hostname=h"]
LIMITS = ["--memory=64m", "--pids-limit=50", "--cpu-shares=512"]
SHOW = "cd /sys/fs/cgroup; cat memory.max pids.max cpu.weight"


@scenario()
def limits(t):
    _, out = t.podman(*RUN, "--rm", *LIMITS, "twin", "sh", "-c", f"/probe; {SHOW}", check=0)
    assert "\n67108864\n50\n" in out


@scenario()
def life(t):
    """run, exec, update, pause, stop, rm of one container in a scope that systemd made."""
    t.podman(*RUN, "-d", "--name=twin", *LIMITS, "twin", "/probe", "wait", check=0)
    until(lambda: "ready" in t.podman("logs", "twin", quiet=True)[1], "it is ready")
    t.podman("exec", "twin", "/probe")
    _, path = t.podman("inspect", "--format", "{{.State.CgroupPath}}", "twin", check=0)
    assert path.rstrip().endswith(".scope")
    t.podman("update", "--memory=80m", "twin")
    t.podman("exec", "twin", "sh", "-c", SHOW)
    t.podman("pause", "twin")
    t.podman("unpause", "twin")
    t.podman("stop", "-t", "5", "twin")
    t.podman("logs", "twin")
    t.podman("rm", "twin")


@scenario()
def health(t):
    """systemd's timer has Podman run the check, again and again."""
    t.podman("run", "-d", "--name=twin", "--network=none", "--health-cmd", "echo x >>/checks", "--health-interval=2s", "twin",
             "sleep", "1000", check=0)
    checks = ["exec", "twin", "sh", "-c", "wc -l </checks"]
    until(lambda: t.podman(*checks, quiet=True)[1].strip() not in ("", "0", "1"), "it is checked a second time")
    until(lambda: t.podman("inspect", "--format", "{{.State.Health.Status}}", "twin", quiet=True)[1] == "healthy\n", "it is healthy")
    t.podman("rm", "-f", "-t", "0", "twin")


@scenario()
def split(t):
    """Podman divides the unit that it is in: one part for conmon, one for the container."""
    user = "" if ROOTFUL else "--user"
    t.shell(f"systemd-run {user} --quiet --scope -p Delegate=yes podman {' '.join(RUN)} $LOGGED --rm --cgroups=split twin /probe", check=0)


@scenario()
def without_podman(t):
    """The runtime's own --systemd-cgroup."""
    def change(spec):
        spec["linux"]["cgroupsPath"] = f"{'system' if ROOTFUL else 'user'}.slice:twin:one"
        spec["linux"]["resources"] = {"pids": {"limit": 30}}

    t.bundle(["/bin/sh", "-c", "/probe; exit 3"], change)
    t.oci("--systemd-cgroup", "run", "-b", "bundle", "twin", check=3)


@pytest.mark.parametrize("one", twin.scenarios_of(__name__), ids=lambda one: one.name)
def test(image, one):
    twin.play(one, podmans=True)
