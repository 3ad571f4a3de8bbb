"""What a virtual machine starts from: an initramfs for its kernel, and a root file system for all of them."""

import gzip
import lzma
import re
import shutil
import subprocess
from pathlib import Path

import debian
from cache import digest_of, made, run

HERE = Path(__file__).resolve().parent
ROOT_BYTES = 3 << 30
# Everything that containers need of the kernel; loaded before the root is there, so that a snapshot has it.
MODULES = """virtio_pci virtio_blk ext4 loop quota_v2 overlay fuse tun veth bridge br_netfilter ip_tables ip6_tables
    iptable_nat iptable_filter nf_tables nft_compat nft_chain_nat xt_comment xt_MASQUERADE xt_addrtype xt_mark
    xt_conntrack xt_multiport""".split()
PACKAGES = """e2fsprogs systemd systemd-sysv dbus dbus-user-session libpam-systemd udev podman crun runc containerd uidmap
    fuse-overlayfs slirp4netns netavark aardvark-dns iptables busybox-static procps bpftool
    libbpf1 libcap2 libssl3 libspdlog1.10 libyaml-cpp0.7 libseccomp2 libcurl4 libprometheus-cpp-core1.0
    python3-pytest python3-grpcio python3-protobuf python3-websocket""".split()
# Of these a release has what it put in their place.
RENAMED = {"trixie": {"libssl3": "libssl3t64", "libcurl4": "libcurl4t64"}}
TENANT = "tenant"
NEEDLESS_UNITS = """apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer
    systemd-tmpfiles-clean.timer getty@tty1.service systemd-networkd.service systemd-timesyncd.service
    podman-auto-update.timer podman-auto-update.service podman-restart.service podman.socket podman.service
    containerd.service""".split()


# ------------------------------------------------------------------------------------- initramfs


def module_files(tree):
    """The modules of MODULES and what they depend on, in an order in which they load."""
    ordered, dependencies, built_in = [], {}, set()
    for line in (tree / "modules.dep").read_text().splitlines():
        name, _, needs = line.partition(":")
        dependencies[name] = needs.split()
    by_name = {re.sub(r"\.ko(\.\w+)?$", "", Path(path).name).replace("-", "_"): path for path in dependencies}
    for line in (tree / "modules.builtin").read_text().splitlines():
        built_in.add(Path(line).stem.replace("-", "_"))

    def add(path):
        for needed in reversed(dependencies[path]):
            add(needed)
        if path not in ordered:
            ordered.append(path)

    for name in MODULES:
        if name in by_name:
            add(by_name[name])
        elif name not in built_in:
            print(f"vm: {tree.name} has no module {name}", flush=True)
    return [tree / path for path in ordered]


def plain(path):
    """A module's bytes; busybox's insmod takes no compressed ones."""
    data = path.read_bytes()
    if path.suffix == ".xz":
        return lzma.decompress(data)
    if path.suffix == ".gz":
        return gzip.decompress(data)
    if path.suffix == ".zst":
        return subprocess.run(["zstd", "-dc", path], check=True, capture_output=True).stdout
    return data


def initramfs(build, kernel, series, busybox=Path("/bin/busybox")):
    modules = next(path for path in (kernel / "lib/modules", kernel / "usr/lib/modules") if path.is_dir())

    def make(directory):
        tree = directory / "tree"
        (tree / "modules").mkdir(parents=True)
        for name in ("bin", "dev", "proc", "sys", "root"):
            (tree / name).mkdir()
        shutil.copy(busybox, tree / "bin/busybox")
        shutil.copy(HERE / "guest/init", tree / "init")
        (tree / "init").chmod(0o755)
        files = module_files(next(modules.iterdir()))
        for number, file in enumerate(files):
            (tree / "modules" / f"{number:03}-{file.name.split('.ko')[0]}.ko").write_bytes(plain(file))
        names = "".join(f"{path.relative_to(tree)}\n" for path in [tree, *sorted(tree.rglob("*"))])
        with open(directory / "initramfs", "wb") as out:
            subprocess.run(["/bin/busybox", "cpio", "-o", "-H", "newc"], cwd=tree, input=names.encode(), stdout=out,
                           stderr=subprocess.DEVNULL, check=True)
        shutil.rmtree(tree)

    key = digest_of(kernel.name, MODULES, HERE / "guest/init", HERE / "image.py")
    return made(build / "initramfs" / series, key, make) / "initramfs"


# ------------------------------------------------------------------------------------------ root


def write(path, text, mode=0o644):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def furnish(root):
    """A machine that has a tenant logged in for good, and the agent that runs payloads."""
    run("chroot", root, "useradd", "--create-home", "--shell", "/bin/bash", TENANT)
    for kind in ("subuid", "subgid"):
        write(root / f"etc/{kind}", f"{TENANT}:100000:65536\n")
    write(root / f"var/lib/systemd/linger/{TENANT}", "")
    write(root / "etc/systemd/system/user@.service.d/delegate.conf",
          "[Service]\nDelegate=cpu cpuset io memory pids\n")
    write(root / "etc/containers/storage.conf",  # 4.3.1 takes vfs of itself
          '[storage]\ndriver = "overlay"\nrunroot = "/run/containers/storage"\ngraphroot = "/var/lib/containers/storage"\n')
    write(root / "etc/fstab", "")
    write(root / "etc/hostname", "guest\n")
    write(root / "etc/systemd/journald.conf.d/vm.conf", "[Journal]\nStorage=volatile\n")
    write(root / "usr/local/sbin/vm-agent", (HERE / "guest/agent").read_text(), 0o755)
    write(root / "etc/systemd/system/vm-agent.service", (HERE / "guest/vm-agent.service").read_text())
    for unit in NEEDLESS_UNITS:
        link = root / "etc/systemd/system" / unit
        link.unlink(missing_ok=True)
        link.symlink_to("/dev/null")
    run("systemctl", f"--root={root}", "set-default", "multi-user.target")
    run("systemctl", f"--root={root}", "enable", "vm-agent.service")


def root_image(build, release):
    """A raw ext4 image of a release of Debian; machines write to overlays of it."""
    def make(directory):
        root = directory / "root"
        packages = [RENAMED.get(release, {}).get(name, name) for name in PACKAGES]
        debian.debootstrap(root, release, packages, directory)
        furnish(root)
        image = directory / "root.ext4"
        with open(image, "wb") as out:
            out.truncate(ROOT_BYTES)
        run("mkfs.ext4", "-q", "-F", "-O", "^has_journal,^metadata_csum,^resize_inode", "-E", "lazy_itable_init=1",
            "-d", root, image)
        shutil.rmtree(root)

    key = digest_of(release, HERE / "guest", HERE / "image.py", HERE / "debian.py")
    return made(build / "root" / release, key, make) / "root.ext4"
