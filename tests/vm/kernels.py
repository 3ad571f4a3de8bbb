"""The kernels that there are tests on: Debian's, by series."""

import dataclasses

# series: the suite whose newest kernel of the series is taken
SUITES = {
    "5.10": "bullseye-security",
    "6.1": "bookworm-security",
    "6.12": "bookworm-security",
    "6.18": "trixie-backports",
    "7.2": "trixie-backports",
}
# What each submission runs: podman and containerd once, the operation matrix where spoor runs.
EVERYTHING = ["rootful", "matrix", "rootless", "containerd", "strict"]
CI = {"5.10": [], "6.1": EVERYTHING, "6.12": ["matrix", "fentry"]}
# What a kernel is booted with beside its distribution's own choice.
VARIANTS = {
    "bpf-lsm": "lsm=lockdown,yama,integrity,apparmor,bpf",
    "no-bpf-lsm": "lsm=lockdown,yama,integrity,apparmor",
}
ALL = [*SUITES, "5.10+bpf-lsm", "6.12+no-bpf-lsm"]
CMDLINE = """console=ttyS0 quiet panic=-1 reboot=t mitigations=off tsc=reliable random.trust_cpu=on
    systemd.show_status=0 systemd.unified_cgroup_hierarchy=1 net.ifnames=0""".split()


@dataclasses.dataclass(frozen=True)
class Kernel:
    name: str  # as on the command line: 6.1, 6.1+no-bpf-lsm
    series: str
    variant: str | None

    @property
    def suite(self):
        return SUITES[self.series]

    @property
    def cmdline(self):
        return " ".join([*CMDLINE, *([VARIANTS[self.variant]] if self.variant else [])])


def named(name):
    series, plus, variant = name.partition("+")
    if series not in SUITES or plus and variant not in VARIANTS:
        raise ValueError(f"{name}: there is {', '.join(SUITES)}; each may have +{' or +'.join(VARIANTS)}")
    return Kernel(name, series, variant or None)
