"""What a trail must hold, told from strace's log alone.

The rules are those of docs (an open is a `probe`, the first read a `read`, a failed look-up an
`absent`, …), written here a second time from the description and not from spoor's code.

Where the log cannot tell, the expectation has alternatives: an open with O_CREAT and without O_EXCL
either made the file or found it.
"""

import collections
import dataclasses
import os
import re
import stat
import struct


@dataclasses.dataclass(frozen=True, order=True)
class Access:
    """One row of a trail, without times and flags."""

    pid: int
    op: str
    path: bytes
    to: bytes = b""
    error: str = ""

    def __str__(self):
        text = f"{self.pid:>7}  {self.op:<10} {show(self.path)}"
        if self.to:
            text += f" -> {show(self.to)}"
        return text + (f"  {self.error}" if self.error else "")


def show(path):
    text = path.decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


@dataclasses.dataclass
class Expectation:
    required: set = dataclasses.field(default_factory=set)
    either: list = dataclasses.field(default_factory=list)  # lists of sets of accesses
    # By descriptor: a probe, and the creation that stands for it. Who made a file knows that it is
    # there; fstat(2) on it then tells nothing new.
    covered: dict = dataclasses.field(default_factory=dict)
    unresolved: list = dataclasses.field(default_factory=list)  # what could not be told, for people
    unknown: set = dataclasses.field(default_factory=set)  # calls without a rule
    pids: set = dataclasses.field(default_factory=set)

    def explain(self, found):
        """(missing, invented) against a set of accesses. Of an alternative one has to be there as a
        whole; what is there of the others is explained too, for a file can be opened twice."""
        missing = self.required - found
        missing |= {probe for probe, creation in self.covered.items() if not found & {probe, creation}}
        explained = self.required | self.covered.keys()
        for alternatives in self.either:
            explained.update(*alternatives)
            if not any(alternative <= found for alternative in alternatives):
                missing |= max(alternatives, key=lambda one: (len(one & found), -len(one), sorted(one))) - found
        return missing, found - explained


class Files:
    """The file system as the traced program saw it, looked at afterwards: for links on the way to
    a program and for what kind of program it is. `links` are links of the program's root that this
    process's root does not have (bin -> usr/bin in a skeleton root)."""

    def __init__(self, links=None):
        self.links = {os.fsencode(key): os.fsencode(value) for key, value in (links or {}).items()}

    def _link(self, path):
        if path in self.links:
            return self.links[path]
        try:
            return os.readlink(path)
        except OSError:
            return None

    def resolve(self, path):
        """All links of an absolute path followed; what is missing stays as it is."""
        done, todo, steps = b"/", path.split(b"/")[::-1], 0
        while todo:
            part = todo.pop()
            if part in (b"", b"."):
                continue
            if part == b"..":
                done = os.path.dirname(done)
                continue
            here = os.path.join(done, part)
            target = self._link(here)
            if target is None or steps > 40:
                done = here
                continue
            steps += 1
            if target.startswith(b"/"):
                done = b"/"
            todo += target.split(b"/")[::-1]
        return done

    def program(self, path):
        """('elf', loader or b"") or ('script', interpreter) or None if it cannot be told any more."""
        try:
            with open(path, "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    return None
                head = file.read(4096)
                if head.startswith(b"#!"):
                    words = head[2:].split(b"\n", 1)[0].split()
                    return ("script", words[0]) if words else None
                if head.startswith(b"\x7fELF"):
                    return ("elf", elf_interpreter(file, head))
        except OSError:
            pass
        return None


def elf_interpreter(file, head):
    """PT_INTERP of a 64-bit little-endian program; b"" if it is static."""
    if head[4] != 2:
        return b""
    offset, = struct.unpack_from("<Q", head, 32)
    size, count = struct.unpack_from("<HH", head, 54)
    for index in range(count):
        file.seek(offset + index * size)
        kind, _, at, _, _, length = struct.unpack("<IIQQQQ", file.read(40))
        if kind == 3:
            file.seek(at)
            return file.read(length).rstrip(b"\0")
    return b""


def join(base, name):
    """As spoor joins: `//` and `/.` fold, `..` stays."""
    parts = (name if name.startswith(b"/") else base + b"/" + name).split(b"/")
    return b"/" + b"/".join(part for part in parts if part not in (b"", b"."))


@dataclasses.dataclass
class FileSystemState:
    """What clone(2) calls fs: shared by threads and by CLONE_FS."""

    cwd: bytes


@dataclasses.dataclass
class Process:
    pid: int
    fs: FileSystemState


# name: (operation, index of dirfd or None for the working directory, index of the name, index of
# the AT_* flags or None)
BY_NAME = {
    "stat": ("probe", None, 0, None), "lstat": ("probe", None, 0, None), "access": ("probe", None, 0, None),
    "statfs": ("probe", None, 0, None), "chdir": ("probe", None, 0, None), "chroot": ("probe", None, 0, None),
    "getxattr": ("probe", None, 0, None), "lgetxattr": ("probe", None, 0, None),
    "listxattr": ("probe", None, 0, None), "llistxattr": ("probe", None, 0, None),
    "inotify_add_watch": ("probe", None, 1, None),
    "newfstatat": ("probe", 0, 1, 3), "statx": ("probe", 0, 1, 2), "faccessat": ("probe", 0, 1, None),
    "faccessat2": ("probe", 0, 1, 3), "name_to_handle_at": ("probe", 0, 1, 4),
    "readlink": ("readlink", None, 0, None), "readlinkat": ("readlink", 0, 1, None),
    "truncate": ("truncate", None, 0, None),
    "unlink": ("delete", None, 0, None), "rmdir": ("rmdir", None, 0, None), "unlinkat": ("delete", 0, 1, 2),
    "mkdir": ("mkdir", None, 0, None), "mkdirat": ("mkdir", 0, 1, None),
    "mknod": ("mknod", None, 0, None), "mknodat": ("mknod", 0, 1, None),
    "chmod": ("metadata", None, 0, None), "chown": ("metadata", None, 0, None),
    "lchown": ("metadata", None, 0, None), "utime": ("metadata", None, 0, None),
    "utimes": ("metadata", None, 0, None), "setxattr": ("metadata", None, 0, None),
    "lsetxattr": ("metadata", None, 0, None), "removexattr": ("metadata", None, 0, None),
    "lremovexattr": ("metadata", None, 0, None),
    "fchmodat": ("metadata", 0, 1, None), "fchmodat2": ("metadata", 0, 1, 3),
    "fchownat": ("metadata", 0, 1, 4), "utimensat": ("metadata", 0, 1, 3), "futimesat": ("metadata", 0, 1, None),
}
# name: (operation, indices of dirfd, name, dirfd, name)
BY_TWO_NAMES = {
    "rename": ("rename", None, 0, None, 1), "renameat": ("rename", 0, 1, 2, 3), "renameat2": ("rename", 0, 1, 2, 3),
    "link": ("link", None, 0, None, 1), "linkat": ("link", 0, 1, 2, 3),
}
# name: (operation, index of the descriptor)
BY_DESCRIPTOR = {
    **{name: ("read", 0) for name in ("read", "pread64", "readv", "preadv", "preadv2")},
    **{name: ("write", 0) for name in ("write", "pwrite64", "writev", "pwritev", "pwritev2", "fallocate")},
    "ftruncate": ("truncate", 0),
    "getdents": ("list", 0), "getdents64": ("list", 0),
    "fstat": ("probe", 0), "fgetxattr": ("probe", 0), "flistxattr": ("probe", 0),
    **{name: ("metadata", 0) for name in ("fchmod", "fchown", "fsetxattr", "fremovexattr")},
}
# name: (index of the descriptor read from, of the one written to)
BY_TWO_DESCRIPTORS = {"sendfile": (1, 0), "splice": (0, 2), "copy_file_range": (0, 2)}
# name: (index of dirfd or None, of the name, of the flags)
OPENS = {"open": (None, 0, 1), "openat": (0, 1, 2), "creat": (None, 0, None), "openat2": (0, 1, 2)}
# Calls in strace's classes that touch no file's name, content or metadata.
IGNORED = set("""close close_range dup dup2 dup3 fcntl flock lseek fadvise64 readahead fsync fdatasync syncfs
    sync_file_range poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2
    eventfd2 signalfd4 timerfd_create timerfd_settime timerfd_gettime inotify_init1 inotify_rm_watch pipe pipe2
    memfd_create fstatfs fchdir getcwd tee vmsplice pidfd_open pidfd_getfd pidfd_send_signal
    exit exit_group wait4 waitid kill tkill tgkill rt_sigqueueinfo arch_prctl prctl set_tid_address
    mq_open mq_unlink perf_event_open umask""".split())
# name: the index of the argument that holds a socket address
ADDRESSES = {"connect": 1, "bind": 1, "sendto": 4, "sendmsg": 1, "sendmmsg": 1}
NEW_PROCESS = ("fork", "vfork", "clone", "clone3")


class Reader:
    """Turns calls into an Expectation."""

    def __init__(self, cwd, files=None):
        self._first_cwd = os.fsencode(cwd)
        self._files = files or Files()
        self._processes = {}  # by thread number
        self.expected = Expectation()

    def read(self, calls):
        # The lines of a child can stand before the end of the call that made it.
        self._children = collections.defaultdict(list)
        for call in calls:
            if call.name in NEW_PROCESS and call.ok and call.result.split()[0].isdigit():
                self._children[id(call)].append(int(call.result.split()[0]))
        for call in calls:
            self._call(call)
        return self.expected

    def _process(self, tid):
        if tid not in self._processes:
            self._processes[tid] = Process(tid, FileSystemState(self._first_cwd))
        return self._processes[tid]

    def _call(self, call):
        process = self._process(call.tid)
        self.expected.pids.add(process.pid)
        if call.name in NEW_PROCESS:
            return self._new_process(call, process)
        if call.error is None:
            return
        if call.name in OPENS:
            self._open(call, process)
        elif call.name in BY_NAME and not (call.name == "chdir" and call.ok):
            self._by_name(call, process)
        elif call.name in BY_TWO_NAMES:
            self._by_two_names(call, process)
        elif call.name in BY_DESCRIPTOR:
            op, index = BY_DESCRIPTOR[call.name]
            self._by_descriptor(call, process, op, index)
        elif call.name in BY_TWO_DESCRIPTORS:
            source, target = BY_TWO_DESCRIPTORS[call.name]
            self._by_descriptor(call, process, "read", source)
            self._by_descriptor(call, process, "write", target)
        elif call.name in ("symlink", "symlinkat"):
            self._symlink(call, process)
        elif call.name == "mmap":
            self._mmap(call, process)
        elif call.name == "ioctl" and "FICLONE" in call.arguments[1:2]:
            self._by_descriptor(call, process, "read", 2)
            self._by_descriptor(call, process, "write", 0)
        elif call.name in ("execve", "execveat"):
            self._exec(call, process)
        elif call.name in ADDRESSES:
            self._socket(call, process)
        elif call.name == "fchdir" and call.ok:
            process.fs.cwd = call.descriptor(0).path
        elif call.name == "chdir" and call.ok:
            self._chdir(call, process)
        elif call.name not in IGNORED and call.name != "ioctl":
            self.expected.unknown.add(call.name)

    def _add(self, process, op, path, to=b"", error=""):
        if error in ("EFAULT", "EBADF"):
            return  # no name could be read
        self.expected.required.add(Access(process.pid, op, path, to, error))

    def _new_process(self, call, process):
        flags = set(re.findall(r"CLONE_\w+", " ".join(call.arguments)))
        for tid in self._children[id(call)]:
            pid = process.pid if "CLONE_THREAD" in flags else tid
            fs = process.fs if "CLONE_FS" in flags else FileSystemState(process.fs.cwd)
            self._processes[tid] = Process(pid, fs)

    def _base(self, call, process, dirfd):
        """The directory that a relative name starts from."""
        if dirfd is None:
            return process.fs.cwd
        descriptor = call.descriptor(dirfd)
        if descriptor is None:
            return None
        if descriptor.number is not None:
            return descriptor.path or None
        # The kernel's word; ours is a reconstruction. Of a directory that is gone strace gives the
        # kernel's text as it is, which ends in a word that is no part of the name.
        if descriptor.path and descriptor.path != process.fs.cwd:
            process.fs.cwd = descriptor.path.removesuffix(b" (deleted)")
        return process.fs.cwd

    def _path(self, call, process, dirfd, name):
        """(path, whether there was a name). A path of None: there is nothing to tell."""
        text = call.string(name)
        base = self._base(call, process, dirfd)
        if not text:
            return base, False
        if base is None and not text.startswith(b"/"):
            return None, True
        return join(base or b"/", text), True

    def _by_name(self, call, process):
        op, dirfd, name, flags = BY_NAME[call.name]
        if call.name == "unlinkat" and "AT_REMOVEDIR" in call.flags(2):
            op = "rmdir"
        path, named = self._path(call, process, dirfd, name)
        if not named:
            # The descriptor itself: AT_EMPTY_PATH, futimens(3).
            if dirfd is not None and call.ok:
                return self._by_descriptor(call, process, op, dirfd)
            if not call.error or not call.string(name):
                return  # an empty name that fails names nothing
        self._named(call, process, op, path)

    def _chdir(self, call, process):
        # The name as it was given, or the directory that it led to: either says what was looked at.
        path, _ = self._path(call, process, None, 0)
        process.fs.cwd = self._files.resolve(path)
        self.expected.either.append([{Access(process.pid, "probe", one)} for one in (path, process.fs.cwd)])

    def _named(self, call, process, op, path, to=b""):
        if path is None:
            return
        if call.error in ("ENOENT", "ENOTDIR"):
            op = "absent"
        self._add(process, op, path, to, call.error)

    def _by_two_names(self, call, process):
        op, dirfd, name, dirfd2, name2 = BY_TWO_NAMES[call.name]
        path, _ = self._path(call, process, dirfd, name)
        to, _ = self._path(call, process, dirfd2, name2)
        # Which of the two was missing nobody knows: the operation stays, with its error.
        if path is not None and to is not None:
            self._add(process, op, path, to, call.error)

    def _symlink(self, call, process):
        dirfd, name = (1, 2) if call.name == "symlinkat" else (None, 1)
        path, _ = self._path(call, process, dirfd, name)
        if path is not None:
            self._add(process, "symlink", path, call.string(0), call.error)

    def _by_descriptor(self, call, process, op, index):
        """Of regular files and directories only: what passes through devices is no content."""
        if not call.ok:
            return
        descriptor = call.descriptor(index)
        if descriptor and descriptor.number is not None and descriptor.path and not descriptor.device:
            if descriptor.deleted and descriptor.path.startswith(b"/memfd:"):
                return  # memory, which has no place in a tree
            if op == "probe":
                probe = Access(process.pid, op, descriptor.path)
                self.expected.covered[probe] = dataclasses.replace(probe, op="create")
            else:
                self._add(process, op, descriptor.path)

    def _mmap(self, call, process):
        protection, flags = call.flags(2), call.flags(3)
        if "MAP_ANONYMOUS" in flags:
            return
        self._by_descriptor(call, process, "mmap-exec" if "PROT_EXEC" in protection else "read", 4)
        if flags & {"MAP_SHARED", "MAP_SHARED_VALIDATE"} and "PROT_WRITE" in protection:
            self._by_descriptor(call, process, "mmap-write", 4)

    def _open(self, call, process):
        dirfd, name, flags_at = OPENS[call.name]
        if call.name == "creat":
            flags = {"O_CREAT", "O_TRUNC", "O_WRONLY"}
        else:
            flags = set(re.findall(r"O_\w+", call.arguments[flags_at]))
        path, named = self._path(call, process, dirfd, name)
        if not named and not call.ok:
            return  # an empty name that fails names nothing
        writes = bool(flags & {"O_WRONLY", "O_RDWR"})
        if not call.ok:
            op = "create" if "O_CREAT" in flags else "write" if writes else "read"
            return self._named(call, process, op, path)
        file = call.result_descriptor()
        if not file.path:
            return
        access = lambda op: Access(process.pid, op, file.path)
        if file.device:
            self.expected.required.add(access("probe"))
            if "O_PATH" not in flags:
                intents = {"O_WRONLY": ("write",), "O_RDWR": ("read", "write")}
                for flag in flags & set(intents) or {""}:
                    self.expected.required.update(map(access, intents.get(flag, ("read",))))
            return
        found = {access("probe")}
        if "O_TRUNC" in flags:
            found.add(access("truncate"))
        if "O_TMPFILE" in flags:
            self.expected.either.append([found, {access("create")}])
        elif "O_CREAT" not in flags or "O_PATH" in flags:
            self.expected.required |= found
        elif "O_EXCL" in flags:
            self.expected.required.add(access("create"))
        else:
            self.expected.either.append([found, {access("create")}])

    def _exec(self, call, process):
        dirfd, name = (0, 1) if call.name == "execveat" else (None, 0)
        path, named = self._path(call, process, dirfd, name)
        if path is None:
            return
        if call.error:
            return self._named(call, process, "exec", path)
        self._program(process, path, named, depth=0)

    def _program(self, process, path, named, depth):
        resolved = self._files.resolve(path)
        program = self._files.program(resolved)
        if program is None or depth > 4:
            # Gone or changed meanwhile: that it was executed is known, by which name is not.
            self.expected.unresolved.append(f"{process.pid}: exec {show(path)}: the program cannot be read any more")
            self.expected.either.append([{Access(process.pid, "exec", resolved)}, {Access(process.pid, "exec", path)}])
            return
        kind, interpreter = program
        if kind == "script":
            if depth == 0 and named:
                self._add(process, "exec", path)  # the script by the name that execve got
            return self._program(process, join(process.fs.cwd, interpreter), True, depth + 1)
        self._add(process, "exec", resolved)
        if interpreter:
            self._add(process, "mmap-exec", self._files.resolve(interpreter))

    def _socket(self, call, process):
        text = call.arguments[ADDRESSES[call.name]]
        op = "bind" if call.name == "bind" else "connect"
        error = "" if call.error == "EINPROGRESS" else call.error
        unix = re.search(r'sun_path=(@?)"([^"]*)"', text)
        inet = re.search(r'sin6?_port=htons\((\d+)\).*(?:inet_addr\(|inet_pton\(AF_INET6, )"([^"]*)"', text)
        address = None
        if unix:
            name = bytes.fromhex(unix[2].replace("\\x", ""))
            path = join(process.fs.cwd, name)
            if not unix[1] and error in ("ENOENT", "ENOTDIR"):
                return self._add(process, "absent", path, error=error)
            address = b"unix:@" + name.replace(b"\0", b"@") if unix[1] else b"unix:" + path
        elif inet and (op == "connect" or "<TCP" in call.arguments[0] and inet[1] != "0"):
            host = bytes.fromhex(inet[2].replace("\\x", ""))
            six = "AF_INET6" in text
            address = b"inet:" + (b"[" + host + b"]" if six else host) + b":" + inet[1].encode()
        if address is not None:
            self._add(process, op, address, error=error)
