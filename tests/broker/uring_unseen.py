"""Does by io_uring what posts nothing when it has succeeded (IOSQE_CQE_SKIP_SUCCESS): nothing at all, removes FILE, and reads
of itself. Ends when all that is done.

Usage: uring_unseen.py FILE
"""

import ctypes
import os
import sys

from uring import AT_FDCWD, Ring

NOP, READ, UNLINKAT = 0, 22, 36
LINK, SKIP_SUCCESS = 1 << 2, 1 << 6


def main():
    name, memory = ctypes.c_char_p(sys.argv[1].encode()), ctypes.create_string_buffer(16)
    ring = Ring(4)
    ring.put(NOP, LINK | SKIP_SUCCESS, -1, 0, 0)
    ring.put(UNLINKAT, LINK | SKIP_SUCCESS, AT_FDCWD, ctypes.cast(name, ctypes.c_void_p).value, 0)
    ring.put(READ, LINK | SKIP_SUCCESS, os.open(__file__, os.O_RDONLY), ctypes.addressof(memory), 16)
    ring.put(NOP, 0, -1, 0, 0)  # one after the other: when this one is done, all are
    ring.submit(wait_for=1)
    assert not os.path.exists(sys.argv[1]) and memory.raw.startswith(b'"""Does by')


main()
