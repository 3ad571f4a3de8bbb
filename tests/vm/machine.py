"""A virtual machine under QEMU's software emulation, from power on or from a snapshot, for one payload.

One processor: guests with several crash now and then under multi-threaded emulation (facts of QEMU 7.2, which is
Debian 12's). Payload and result travel on two raw disks, see guest/agent.
"""

import ctypes
import functools
import io
import json
import mmap
import os
import signal
import secrets
import shutil
import socket
import subprocess
import tarfile
import time
from pathlib import Path

from cache import run

MIB = 1 << 20
PAYLOAD_MIB = 128
RESULT_MIB = 256
HEAD = 512
WAITING = "vm-agent: waiting"
BOOT_S = 600  # 15 where nothing else runs
RESUME_S = 300
CONSOLE_LINES = 60
LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


class Failed(Exception):
    """The machine did not do what it was to do; with the end of what it said."""


def end_with_parent():
    """A machine that outlives a killed run would write to the disks of the next one."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@functools.cache
def tsc_khz():
    """The rate of this machine's cycle counter, which is the guest's too."""
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(bytes.fromhex("0f31 48c1e220 4809d0 c3"))  # rdtsc; shl $32, %rdx; or %rdx, %rax; ret
    cycles = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(ctypes.c_char.from_buffer(page)))

    def both():
        """Nanoseconds and cycles of one moment: of several tries the one that was least interrupted."""
        tries = [(time.monotonic_ns(), cycles(), time.monotonic_ns()) for _ in range(100)]
        begin, count, end = min(tries, key=lambda one: one[2] - one[0])
        return (begin + end) / 2, count

    (begin_ns, begin), _, (end_ns, end) = both(), time.sleep(0.1), both()
    return round((end - begin) / (end_ns - begin_ns) * 1e6)


def qemu_version():
    return run("qemu-system-x86_64", "--version").splitlines()[0]


def blank(path, mib):
    with open(path, "wb") as file:
        file.truncate(mib * MIB)


def write_payload(path, directory, files):
    """Puts a directory and {name: text} on the payload disk; returns the nonce that its result carries."""
    nonce = secrets.token_hex(8)
    with open(path, "r+b") as disk:
        disk.seek(MIB)
        with tarfile.open(fileobj=disk, mode="w", format=tarfile.GNU_FORMAT) as tar:
            tar.add(directory, ".")
            for name, text in files.items():
                member = tarfile.TarInfo(f"./{name}")
                member.size = len(text.encode())
                tar.addfile(member, io.BytesIO(text.encode()))
        length = disk.tell() - MIB
        blocks = -(-length // MIB)
        if MIB + blocks * MIB > PAYLOAD_MIB * MIB:
            raise Failed(f"the payload takes {blocks} MiB; its disk has {PAYLOAD_MIB}")
        os.fsync(disk.fileno())
        # The guest polls the head, so it comes last.
        disk.seek(0)
        disk.write(f"SPOOR-VM {nonce} {blocks}\n".encode().ljust(HEAD, b"\0"))
    return nonce


def read_result(path, nonce, directory):
    with open(path, "rb") as disk:
        words = disk.read(HEAD).rstrip(b"\0").decode(errors="replace").split()
        if len(words) != 3 or words[:2] != ["SPOOR-VM", nonce] or not words[2].isdigit():
            raise Failed("there is no result on the result disk")
        disk.seek(MIB)
        with tarfile.open(fileobj=disk, mode="r|") as tar:
            for member in tar:
                # What a container's user made comes as ours: devices and owners have no meaning here.
                if member.isfile() or member.isdir():
                    tar.extract(member, directory, set_attrs=False)


class Machine:
    # `counts`: its clock is the number of instructions that it has executed, one a nanosecond; boots only.
    def __init__(self, directory, kernel_image, initramfs, cmdline, root_image, memory_mib=2048, counts=False):
        self.directory = directory
        self.counts = counts
        self.kernel_image, self.initramfs, self.cmdline = kernel_image, initramfs, cmdline
        self.root_image, self.memory_mib = root_image, memory_mib
        self.process = None
        self.monitor = None
        directory.mkdir(parents=True, exist_ok=True)
        self.console = directory / "console.log"
        self.overlay = directory / "root.qcow2"
        self.payload, self.result = directory / "payload.img", directory / "result.img"

    # What a snapshot can be resumed with: the same machine to the last device. `rate`: what the kernel is told of its cycle
    # counter. One that measures it while it gets little of a processor, and believes it, has a clock that is several times
    # too fast: every limit in time passes too soon.
    def command(self, incoming=None, rate=""):
        drives = [("root", self.overlay, "qcow2"), ("payload", self.payload, "raw"), ("result", self.result, "raw")]
        words = ["qemu-system-x86_64", "-M", "q35", "-accel", "tcg", "-cpu", "max", "-smp", "1",
                 "-m", str(self.memory_mib), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
                 "-serial", f"file:{self.console}", "-qmp", f"unix:{self.directory}/qmp,server=on,wait=off",
                 "-kernel", self.kernel_image, "-initrd", self.initramfs, "-append", self.cmdline + rate]
        for name, file, kind in drives:
            words += ["-drive", f"if=none,id={name},file={file},format={kind},cache=unsafe",
                      "-device", f"virtio-blk-pci,drive={name},serial={name}"]
        if incoming:
            words += ["-incoming", f"exec:cat '{incoming}'"]
        if self.counts:
            words += ["-icount", "shift=0,sleep=off"]
        return [str(word) for word in words]

    def start(self, incoming=None):
        for disk, mib in ((self.payload, PAYLOAD_MIB), (self.result, RESULT_MIB)):
            blank(disk, mib)
        self.console.write_bytes(b"")
        (self.directory / "qmp").unlink(missing_ok=True)
        command = self.command(incoming, f" tsc_early_khz={1_000_000 if self.counts else tsc_khz()}")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, preexec_fn=end_with_parent)

    def make_overlay(self):
        self.overlay.unlink(missing_ok=True)
        run("qemu-img", "create", "-q", "-f", "qcow2", "-b", self.root_image, "-F", "raw", self.overlay)

    def boot(self):
        """Until the guest waits for its payload."""
        self.make_overlay()
        self.start()
        self.wait_for(lambda: WAITING in self.said(), BOOT_S, "the guest waits for a payload")

    def resume(self, snapshot):
        shutil.copy(snapshot / "root.qcow2", self.overlay)
        self.start(snapshot / "state")

    def save(self, snapshot):
        """Leaves the waiting machine in a directory, and lets it go on."""
        self.tell("migrate", uri=f"exec:cat > '{snapshot}/state'")
        self.wait_for(lambda: self.tell("query-migrate").get("status") in ("completed", "failed"), RESUME_S,
                      "the snapshot is written")
        status = self.tell("query-migrate")
        if status.get("status") != "completed":
            raise Failed(f"no snapshot: {status}")
        shutil.copy(self.overlay, snapshot / "root.qcow2")
        self.tell("cont")

    def run(self, payload, files, results, limit_s):
        """Runs a payload, a directory and {name: text}, to the machine's end; its results are in the directory `results`."""
        nonce = write_payload(self.payload, payload, files)
        self.wait_for(lambda: self.process.poll() is not None, limit_s, "the payload ends")
        read_result(self.result, nonce, results)

    def said(self):
        return self.console.read_text(errors="replace")

    def wait_for(self, condition, limit_s, what):
        deadline = time.monotonic() + limit_s
        while not condition():
            if self.process.poll() is not None and not condition():
                out = self.process.stdout.read().decode(errors="replace")
                raise Failed(f"QEMU ended with {self.process.returncode} before {what}\n{out}")
            if time.monotonic() > deadline:
                raise Failed(f"not within {limit_s} s: {what}")
            time.sleep(0.05)

    def tell(self, command, **arguments):
        """One command of QEMU's machine protocol; its answer."""
        if self.monitor is None:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(RESUME_S)
            connection.connect(str(self.directory / "qmp"))
            self.monitor = connection.makefile("rw")
            self.monitor.readline()  # its greeting
            self.tell("qmp_capabilities")
        self.monitor.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.monitor.flush()
        while True:
            answer = json.loads(self.monitor.readline())
            if "error" in answer:
                raise Failed(f"{command}: {answer['error']}")
            if "return" in answer:
                return answer["return"]

    def last_words(self):
        lines = self.said().replace("\r", "").splitlines()
        return "\n".join(f"    | {line}" for line in lines[-CONSOLE_LINES:])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
        if self.process is not None:
            self.process.wait()
            self.process.stdout.close()
        for file in (self.payload, self.result, self.overlay):
            file.unlink(missing_ok=True)
