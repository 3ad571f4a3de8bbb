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
# What CI runs: the operation matrix where spoor runs, all else once. "systemd" takes eight minutes, and is run by name only.
CI = {"5.10": ["matrix", "refused"], "6.1": ["rootful", "matrix", "rootless", "containerd", "adoption", "strict"],
      "6.12": ["matrix", "names", "quota", "fentry"]}
EVERYTHING = [*CI["6.1"], "names", "quota"]
# What a kernel is booted with beside its distribution's own choice.
VARIANTS = {
    "bpf-lsm": "lsm=lockdown,yama,integrity,apparmor,bpf",
    "no-bpf-lsm": "lsm=lockdown,yama,integrity,apparmor",
}
# What a guest's root is made of, unless told the first: with the second come other versions of Podman, crun and containerd.
RELEASES = ["bookworm", "trixie"]
ALL = [*SUITES, "5.10+bpf-lsm", "6.12+no-bpf-lsm", "6.12+trixie"]
# no_timer_check: a machine that gets no processor for a moment misses its timer's first interrupts, and gives up.
CMDLINE = """console=ttyS0 quiet panic=-1 reboot=t mitigations=off tsc=reliable no_timer_check random.trust_cpu=on
    systemd.show_status=0 systemd.unified_cgroup_hierarchy=1 net.ifnames=0""".split()


@dataclasses.dataclass(frozen=True)
class Kernel:
    name: str  # as on the command line: 6.1, 6.1+no-bpf-lsm, 6.12+trixie
    series: str
    variant: str | None
    release: str

    @property
    def facts(self):
        """Its name in expected.json: what the kernel does has nothing to do with the rest of the guest."""
        return "+".join([self.series, *([self.variant] if self.variant else [])])

    @property
    def suite(self):
        return SUITES[self.series]

    @property
    def cmdline(self):
        return " ".join([*CMDLINE, *([VARIANTS[self.variant]] if self.variant else [])])


def named(name):
    series, *others = name.split("+")
    variants = [other for other in others if other in VARIANTS]
    releases = [other for other in others if other in RELEASES]
    if series not in SUITES or len(variants) + len(releases) < len(others) or max(len(variants), len(releases)) > 1:
        raise ValueError(f"{name}: there is {', '.join(SUITES)}; each may have +{' or +'.join(VARIANTS)}, and +{RELEASES[1]}")
    return Kernel(name, series, (variants or [None])[0], (releases or RELEASES)[0])
