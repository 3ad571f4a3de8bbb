"""A peer of spoord that speaks its protocol byte by byte, so that it can also speak it wrongly."""

import array
import mmap
import os
import socket
import struct
import traceback

MAGIC = 0x53504F52
VERSION = 2
HELLO, ARM, STATS, GROW, DISARM, RENEW, RESUME, LIST = 1, 2, 3, 4, 5, 6, 7, 8
(OK, BAD_REQUEST, BAD_VERSION, NOT_A_CGROUP, NOT_OWNER, ALREADY_TRACED, QUOTA, UNAVAILABLE, BAD_PROCESS,
 NO_SESSION, MODE) = range(11)
# As docs/broker-protocol.md and the audit log call them, by number.
CODES = ("ok", "bad_request", "bad_version", "not_a_cgroup", "not_owner", "already_traced", "quota", "unavailable", "bad_process",
         "no_session", "mode")
REQUEST = struct.Struct("=IHHIIQ256s216s2Q")
REPLY = struct.Struct("=IHHiI8QIIQQ256s2Q")
EVENT = struct.Struct("=IBBHQQQQIIiIHHI")
BUSY = 1 << 31  # of a record's length: BPF_RINGBUF_BUSY_BIT
EV_FORK, EV_EXEC, EV_EXIT, EV_ACCESS, EV_AUX, EV_END = 1, 2, 3, 4, 5, 6


def request(kind, ring_bytes=0, container=b"test", magic=MAGIC, version=VERSION, pid=0, start=0, keys=b"",
            token=(0, 0)):
    return REQUEST.pack(magic, version, kind, ring_bytes, pid, start, container, keys, *token)


class Reply:
    def __init__(self, data, fds):
        fields = REPLY.unpack(data)
        self.magic, self.version, self.kind, self.code, self.ring_bytes = fields[:5]
        self.emitted, self.lost = fields[5], fields[6:11]
        self.abi, self.family, self.exact, self.lexical = fields[13:17]
        self.text = fields[17].rstrip(b"\0").decode()
        self.token = fields[18:20]
        self.fds = fds


class Peer:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # Python's own time limit would have connect(2) fail at once where the queue is full, instead of wait.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 60, 0))
        self.socket.connect(path)
        self.socket.settimeout(60)

    def send(self, data, fds=()):
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.socket.sendmsg([data], ancillary)

    def receive(self):
        """The reply, or None when spoord has closed the connection."""
        try:
            data, ancillary, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(64))
        except ConnectionResetError:
            return None
        if not data:
            return None
        fds = []
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds += array.array("i", payload).tolist()
        return Reply(data, fds)

    def ask(self, data, fds=()):
        self.send(data, fds)
        return self.receive()

    def arm(self, cgroup, pidfd, ring_bytes=1 << 19, keys=b""):
        return self.ask(request(ARM, ring_bytes, keys=keys), [cgroup, pidfd])

    def renew(self, pid, start):
        return self.ask(request(RENEW, pid=pid, start=start))

    def close(self):
        self.socket.close()


class Ring:
    """Reads the records of a ring; writes its consumer page only where told."""

    def __init__(self, fd, size):
        self.size = size
        page = mmap.PAGESIZE
        self.consumer = mmap.mmap(fd, page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=0)
        self.data = mmap.mmap(fd, page + 2 * size, mmap.MAP_SHARED, mmap.PROT_READ, offset=page)
        self.position = 0

    def records(self):
        """(type, op, flags, pid, value, base, name, start, host pid) of each that is new."""
        (end,) = struct.unpack_from("=Q", self.data, 0)
        while self.position < end:
            at = mmap.PAGESIZE + (self.position & (self.size - 1))
            # The kernel moves the end before it writes the record. Whoever stopped here would have fewer than have been counted.
            while (length := struct.unpack_from("=I", self.data, at)[0]) & BUSY:
                pass
            head = EVENT.unpack_from(self.data, at + 8)
            kind, op, flags, pid, value, base_len, name_len = (
                head[1], head[2], head[3], head[8], head[10], head[12], head[13])
            payload = self.data[at + 8 + EVENT.size : at + 8 + EVENT.size + base_len + name_len]
            yield kind, op, flags, pid, value, payload[:base_len], payload[base_len:], head[5], head[14]
            self.position += 8 + (length + 7) // 8 * 8


def as_user(uid, body):
    """Runs body() as `uid` in a child; True if it returned True."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            os._exit(0 if body() else 1)
        except BaseException:
            traceback.print_exc()
            os._exit(2)
    return os.waitpid(pid, 0)[1] == 0
