"""Opens FIFO, which nobody writes to, COUNT times by io_uring, and ends: none of the requests ever comes back.
Before it ends it tells the fifo BEGUN, if that is named, and waits until GO_ON is closed by somebody who has written to it.

Usage: uring_flood.py FIFO COUNT [BEGUN GO_ON]
"""

import ctypes
import os
import sys
from pathlib import Path

from uring import AT_FDCWD, REGISTER, Ring, call

REGISTER_MAX_WORKERS = 19
OPENAT, ASYNC = 18, 1 << 4


def main():
    fifo, count = ctypes.c_char_p(sys.argv[1].encode()), int(sys.argv[2])
    ring = Ring(1 << (count - 1).bit_length())
    # One kernel thread that waits for the writer; the other requests wait for it.
    call(REGISTER, ctypes.c_uint(ring.fd), ctypes.c_uint(REGISTER_MAX_WORKERS), (ctypes.c_uint * 2)(1, 1), ctypes.c_uint(2))
    address = ctypes.cast(fifo, ctypes.c_void_p).value
    for _ in range(count):
        ring.put(OPENAT, ASYNC, AT_FDCWD, address, 0, os.O_RDONLY)
    submitted = ring.submit()
    assert submitted == count, submitted
    if len(sys.argv) > 3:
        Path(sys.argv[3]).write_text("x")
        Path(sys.argv[4]).read_text()


main()
