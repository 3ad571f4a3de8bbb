"""io_uring(7) by hand, for what no library does."""

import ctypes
import mmap
import os
import struct
import sys

SETUP, ENTER, REGISTER = 425, 426, 427
OFFSET_SQES = 0x10000000
GETEVENTS = 1
AT_FDCWD = -100
LIBC = ctypes.CDLL(None, use_errno=True)


def call(number, *arguments):
    result = LIBC.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        sys.exit(f"system call {number}: {os.strerror(ctypes.get_errno())}")
    return result


class Ring:
    """Of so many entries, a power of two."""

    def __init__(self, entries):
        parameters = ctypes.create_string_buffer(120)
        self.fd = call(SETUP, ctypes.c_uint(entries), parameters)
        _, self.tail, _, _, _, _, self.array = struct.unpack_from("=7I", parameters.raw, 40)
        self.queue = mmap.mmap(self.fd, self.array + 4 * entries)
        self.requests = mmap.mmap(self.fd, 64 * entries, offset=OFFSET_SQES)
        self.count = 0

    def put(self, opcode, flags, fd, address, length, more=0):
        struct.pack_into("=BBHiQQII", self.requests, 64 * self.count, opcode, flags, 0, fd, 0, address, length, more)
        struct.pack_into("=I", self.queue, self.array + 4 * self.count, self.count)
        self.count += 1

    def submit(self, wait_for=0):
        """All that has been put, once; how many the kernel took."""
        struct.pack_into("=I", self.queue, self.tail, self.count)
        return call(ENTER, ctypes.c_uint(self.fd), ctypes.c_uint(self.count), ctypes.c_uint(wait_for),
                    ctypes.c_uint(GETEVENTS if wait_for else 0), None, ctypes.c_size_t(0))
