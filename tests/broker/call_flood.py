"""COUNT threads, each in rename(2) with two relative names that lie in a page which is not there yet: so they are all in the
call at once, until the page comes. Tells the fifo BEGUN when they are, and ends, with the calls, when GO_ON is closed by somebody
who has written to it.

Usage: call_flood.py COUNT BEGUN GO_ON
"""

import ctypes
import fcntl
import mmap
import os
import struct
import sys
import threading
from pathlib import Path

USERFAULTFD = {"x86_64": 323, "aarch64": 282}[os.uname().machine]
UFFD_API, UFFD_EVENT_PAGEFAULT = 0xAA, 0x12
UFFDIO_API, UFFDIO_REGISTER, REGISTER_MODE_MISSING = 0xC018AA3F, 0xC020AA00, 1
MESSAGE_BYTES = 32
LIBC = ctypes.CDLL(None, use_errno=True)


def main():
    count = int(sys.argv[1])
    faults = LIBC.syscall(ctypes.c_long(USERFAULTFD), ctypes.c_int(os.O_CLOEXEC))
    if faults < 0:
        sys.exit(f"userfaultfd: {os.strerror(ctypes.get_errno())}")
    page = mmap.mmap(-1, mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    fcntl.ioctl(faults, UFFDIO_API, struct.pack("=QQQ", UFFD_API, 0, 0))
    fcntl.ioctl(faults, UFFDIO_REGISTER, struct.pack("=QQQQ", address, mmap.PAGESIZE, REGISTER_MODE_MISSING, 0))
    names = ctypes.c_void_p(address), ctypes.c_void_p(address + 100)
    for _ in range(count):
        threading.Thread(target=LIBC.rename, args=names, daemon=True).start()
    for _ in range(count):  # each tells of itself once, when it waits
        assert os.read(faults, MESSAGE_BYTES)[0] == UFFD_EVENT_PAGEFAULT
    Path(sys.argv[2]).write_text("x")
    Path(sys.argv[3]).read_text()
    os._exit(0)


main()
