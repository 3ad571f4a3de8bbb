#!/usr/bin/python3
"""Unpacks Debian 12's arm64 libraries, which the preset "arm64" compiles against, into a directory.

    sysroot.py DIRECTORY

The result is DIRECTORY/root, a link to what is made again only when the list of packages has changed. Nothing in it is
run to make it, and the machine's own packages stay as they are. Needs mmdebstrap, and root or a user namespace.
"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "vm"))

import debian  # noqa: E402
from cache import digest_of, made, only_one, run  # noqa: E402

# As packaging/dev/packages.txt has them under "Building", with the C and C++ libraries, which a compiler brings else.
PACKAGES = """libc6-dev libstdc++-12-dev musl-dev libbpf-dev libelf-dev zlib1g-dev libcap-dev libseccomp-dev libyaml-cpp-dev
    libspdlog-dev nlohmann-json3-dev libssl-dev libcurl4-openssl-dev prometheus-cpp-dev libcli11-dev libexpected-dev
    libgtest-dev libgmock-dev libbenchmark-dev""".split()
SUITES = ("bookworm", "bookworm-security")


def stay_inside(root):
    """Links that begin at the root would lead out of this one."""
    for directory, names, files in os.walk(root):
        for path in (Path(directory, name) for name in names + files):
            if path.is_symlink() and os.readlink(path).startswith("/"):
                target = os.path.relpath(f"{root}{os.readlink(path)}", directory)
                path.unlink()
                path.symlink_to(target)


def unpack(root, packages, scratch):
    """arm64 packages of Debian 12, with what they depend on, not configured."""
    sources = scratch / "sources.list"
    sources.write_text("".join(map(debian.source_line, SUITES)))
    run("mmdebstrap", "--quiet", "--architectures=arm64", "--variant=extract", "--aptopt=Acquire::Languages \"none\"",
        "--aptopt=Acquire::Retries \"3\"", f"--include={','.join(packages)}", "bookworm", root, sources,
        timeout_s=3600)


def main():
    directory = Path(sys.argv[1]).resolve()

    def make(where):
        unpack(where / "tree", PACKAGES, where)
        stay_inside(where / "tree")

    with only_one(directory):
        tree = made(directory / "made", digest_of(PACKAGES, Path(__file__)), make) / "tree"
        link = directory / "root"
        if not link.is_symlink() or link.resolve() != tree:
            link.unlink(missing_ok=True)
            link.symlink_to(os.path.relpath(tree, directory))


if __name__ == "__main__":
    main()
