"""Opens FIFO, which nobody writes to, COUNT times by io_uring, and ends: none of the requests ever comes back.
Before it ends it tells the fifo BEGUN, if that is named, and waits until GO_ON is closed by somebody who has written to it.

Usage: uring_flood.py FIFO COUNT [BEGUN GO_ON]
"""

import ctypes
import mmap
import os
import struct
import sys
from pathlib import Path

SETUP, ENTER, REGISTER = 425, 426, 427
REGISTER_MAX_WORKERS = 19
OFFSET_SQES = 0x10000000
OPENAT, ASYNC, AT_FDCWD = 18, 1 << 4, -100
LIBC = ctypes.CDLL(None, use_errno=True)


def call(number, *arguments):
    result = LIBC.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        sys.exit(f"system call {number}: {os.strerror(ctypes.get_errno())}")
    return result


def main():
    fifo, count = ctypes.c_char_p(sys.argv[1].encode()), int(sys.argv[2])
    entries = 1 << (count - 1).bit_length()
    parameters = ctypes.create_string_buffer(120)
    ring = call(SETUP, ctypes.c_uint(entries), parameters)
    _, tail, _, _, _, _, array = struct.unpack_from("=7I", parameters.raw, 40)
    # One kernel thread that waits for the writer; the other requests wait for it.
    call(REGISTER, ctypes.c_uint(ring), ctypes.c_uint(REGISTER_MAX_WORKERS), (ctypes.c_uint * 2)(1, 1), ctypes.c_uint(2))
    queue = mmap.mmap(ring, array + 4 * entries)
    requests = mmap.mmap(ring, 64 * entries, offset=OFFSET_SQES)
    address = ctypes.cast(fifo, ctypes.c_void_p).value
    for number in range(count):
        struct.pack_into("=BBHiQQII", requests, 64 * number, OPENAT, ASYNC, 0, AT_FDCWD, 0, address, 0, os.O_RDONLY)
        struct.pack_into("=I", queue, array + 4 * number, number)
    struct.pack_into("=I", queue, tail, count)
    submitted = call(ENTER, ctypes.c_uint(ring), ctypes.c_uint(count), ctypes.c_uint(0), ctypes.c_uint(0), None, ctypes.c_size_t(0))
    assert submitted == count, submitted
    if len(sys.argv) > 3:
        Path(sys.argv[3]).write_text("x")
        Path(sys.argv[4]).read_text()


main()
