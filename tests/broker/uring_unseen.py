"""Does by io_uring what posts nothing when it has succeeded (IOSQE_CQE_SKIP_SUCCESS): nothing at all, removes FILE, and reads
of itself. Ends when all that is done.

Usage: uring_unseen.py FILE
"""

import ctypes
import mmap
import os
import struct
import sys

SETUP, ENTER = 425, 426
OFFSET_SQES = 0x10000000
GETEVENTS = 1
NOP, READ, UNLINKAT, AT_FDCWD = 0, 22, 36, -100
LINK, SKIP_SUCCESS = 1 << 2, 1 << 6
LIBC = ctypes.CDLL(None, use_errno=True)


def call(number, *arguments):
    result = LIBC.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        sys.exit(f"system call {number}: {os.strerror(ctypes.get_errno())}")
    return result


def main():
    name, memory = ctypes.c_char_p(sys.argv[1].encode()), ctypes.create_string_buffer(16)
    requests = [(NOP, LINK | SKIP_SUCCESS, -1, 0, 0),
                (UNLINKAT, LINK | SKIP_SUCCESS, AT_FDCWD, ctypes.cast(name, ctypes.c_void_p).value, 0),
                (READ, LINK | SKIP_SUCCESS, os.open(__file__, os.O_RDONLY), ctypes.addressof(memory), 16),
                (NOP, 0, -1, 0, 0)]  # one after the other: when this one is done, all are
    parameters = ctypes.create_string_buffer(120)
    ring = call(SETUP, ctypes.c_uint(len(requests)), parameters)
    _, tail, _, _, _, _, array = struct.unpack_from("=7I", parameters.raw, 40)
    queue = mmap.mmap(ring, array + 4 * len(requests))
    entries = mmap.mmap(ring, 64 * len(requests), offset=OFFSET_SQES)
    for number, (opcode, flags, fd, address, length) in enumerate(requests):
        struct.pack_into("=BBHiQQII", entries, 64 * number, opcode, flags, 0, fd, 0, address, length, 0)
        struct.pack_into("=I", queue, array + 4 * number, number)
    struct.pack_into("=I", queue, tail, len(requests))
    call(ENTER, ctypes.c_uint(ring), ctypes.c_uint(len(requests)), ctypes.c_uint(1), ctypes.c_uint(GETEVENTS), None, ctypes.c_size_t(0))
    assert not os.path.exists(sys.argv[1]) and memory.raw.startswith(b'"""Does by')


main()
