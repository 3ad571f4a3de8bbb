"""What comes from Debian's archive: kernels of several releases, and the guest's root.

apt runs with lists and a cache of its own in build/vm/apt, so the machine's stay as they are. The mirror is the
one that the machine's own sources name for Debian, else deb.debian.org.
"""

import re
import shutil
import time

from cache import made, run

PUBLIC = "http://deb.debian.org/debian"
PUBLIC_SECURITY = "http://deb.debian.org/debian-security"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# Its package is built against this one's libraries; a guest of another release gets those from here.
BUILT_ON = "bookworm"
LISTS_AGE_S = 24 * 3600


def mirrors():
    """The archive and the security archive, as this machine has them."""
    found = {}
    targets = run("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages")
    for line in targets.splitlines():
        uri, _, release = line.partition(" ")
        if re.fullmatch(r"[a-z]+-security", release):
            found.setdefault("security", uri.rstrip("/"))
        elif re.fullmatch(r"bookworm|trixie", release):
            found.setdefault("main", uri.rstrip("/"))
    return found.get("main", PUBLIC), found.get("security", PUBLIC_SECURITY)


def source_line(suite):
    main, security = mirrors()
    return f"deb [signed-by={KEYRING}] {security if suite.endswith('-security') else main} {suite} main\n"


class Archive:
    """apt with the lists of some suites."""

    def __init__(self, directory, suites, architecture="amd64"):
        self.directory = directory
        for part in ("lists/partial", "cache/archives/partial"):
            (directory / part).mkdir(parents=True, exist_ok=True)
        self.sources = directory / "sources.list"
        text = "".join(source_line(suite) for suite in suites)
        self.options = ["-o", f"APT::Architecture={architecture}", "-o", f"APT::Architectures={architecture}",
                        "-o", f"Dir::Etc::sourcelist={self.sources}", "-o", "Dir::Etc::sourceparts=-",
                        "-o", "Dir::Etc::preferences=-", "-o", "Dir::Etc::preferencesparts=-",
                        "-o", f"Dir::State::lists={directory}/lists", "-o", f"Dir::Cache={directory}/cache",
                        "-o", "Acquire::Languages=none", "-o", "Acquire::Retries=3",
                        "-o", "APT::Sandbox::User=root",  # the tree may be one that _apt cannot enter
                        "-o", "APT::Update::Post-Invoke-Success::=true"]
        stamp = directory / "updated"
        fresh = stamp.exists() and time.time() - stamp.stat().st_mtime < LISTS_AGE_S
        if not fresh or not self.sources.exists() or self.sources.read_text() != text:
            self.sources.write_text(text)
            run("apt-get", *self.options, "--error-on=any", "update", timeout_s=900)
            stamp.touch()

    def names(self, prefix):
        return run("apt-cache", *self.options, "pkgnames", prefix).split()

    def kernel_packages(self, series, flavour="cloud-amd64"):
        """The newest kernel of a series such as 6.1, and what newer releases keep in packages beside it."""
        pattern = re.compile(rf"linux-image-({re.escape(series)}\.\d+\S*)-{flavour}$")
        versions = [found[1] for found in map(pattern.match, self.names(f"linux-image-{series}.")) if found]
        versions = [version for version in versions if ".deb11." not in version]  # a backport to an older release
        if not versions:
            raise RuntimeError(f"no linux-image-{series}.*-{flavour} in {self.sources.read_text()}")
        newest = max(versions, key=lambda version: [int(number) for number in re.findall(r"\d+", version)])
        there = set(self.names("linux-") if series_is_split(series) else [])
        more = [f"linux-{part}-{newest}-{flavour}" for part in ("base", "binary", "modules")]
        return [f"linux-image-{newest}-{flavour}", *(name for name in more if name in there)]

    def fetch(self, packages, directory):
        run("apt-get", *self.options, "--quiet", "download", *packages, cwd=directory, timeout_s=900)


def series_is_split(series):
    major, minor = map(int, series.split("."))
    return (major, minor) >= (6, 19)


def kernel(build, archive, series, flavour="cloud-amd64"):
    """A directory with the unpacked kernel: its modules, and what image_of() finds."""
    packages = archive.kernel_packages(series, flavour)

    def make(directory):
        archive.fetch(packages, directory)
        for package in directory.glob("*.deb"):
            run("dpkg-deb", "-x", package, directory)
            package.unlink()
        modules = next(path for path in (directory / "lib/modules", directory / "usr/lib/modules") if path.is_dir())
        run("depmod", "-b", modules.parent.parent, next(modules.iterdir()).name)

    return made(build / "kernels" / series, packages[0], make)


def image_of(kernel):
    """What is booted; newer releases keep it beside the modules."""
    return next(path for where in ("boot/vmlinuz-*", "usr/lib/modules/*/vmlinuz") for path in kernel.glob(where))


def debootstrap(directory, release, packages, scratch):
    """A minimal Debian in `directory`."""
    sources = scratch / "root.list"
    releases = dict.fromkeys([release, BUILT_ON])
    sources.write_text("".join(source_line(suite) for name in releases for suite in (name, f"{name}-security")))
    keep_out = ["man", "doc", "locale", "info", "lintian", "bug", "zoneinfo"]
    run("mmdebstrap", "--quiet", "--variant=minbase", "--aptopt=Acquire::Languages \"none\"",
        "--aptopt=Acquire::Retries \"3\"", "--dpkgopt=force-unsafe-io",
        *(f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in keep_out),
        f"--include={','.join(packages)}", release, directory, sources, timeout_s=1800)
    shutil.rmtree(directory / "var/lib/apt/lists", ignore_errors=True)
