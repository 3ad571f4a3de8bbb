"""A FUSE file system with one file whose daemon leaves one kind of request unanswered:
unanswering_fuse.py MOUNTPOINT flush|getattr. Ready when it says so, then a line for each request that is left so; the mount goes with
this process.

The protocol is that of linux/fuse.h."""

import ctypes
import os
import struct
import sys

LOOKUP, FORGET, GETATTR, OPEN, RELEASE, FLUSH, INIT, OPENDIR, RELEASEDIR = 1, 2, 3, 14, 18, 25, 26, 27, 29
ENOSYS = 38
ROOT, FILE = 1, 2
HEAD = struct.Struct("<IIQQIIII")
INIT_OUT = struct.Struct("<IIIIHHIIHH32x")
ATTRIBUTES = struct.Struct("<QQQQQQIIIIIIIIII")


def attributes(node):
    mode = 0o40755 if node == ROOT else 0o100644
    return ATTRIBUTES.pack(node, 0, 0, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


def answer_to(kind, node):
    if kind == INIT:
        return 0, INIT_OUT.pack(7, 31, 1 << 16, 0, 12, 10, 1 << 16, 1, 0, 0)
    if kind == LOOKUP:  # nothing is kept, so that everything is asked for
        return 0, struct.pack("<QQQQII", FILE, 0, 0, 0, 0, 0) + attributes(FILE)
    if kind == GETATTR:
        return 0, struct.pack("<QII", 0, 0, 0) + attributes(node)
    if kind in (OPEN, OPENDIR):
        return 0, struct.pack("<QII", 1, 0, 0)
    if kind in (RELEASE, RELEASEDIR, FLUSH):
        return 0, b""
    return -ENOSYS, b""


def main():
    place, unanswered = sys.argv[1], {"flush": FLUSH, "getattr": GETATTR}[sys.argv[2]]
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other"
    if ctypes.CDLL(None, use_errno=True).mount(b"test", place.encode(), b"fuse", 0, options.encode()) != 0:
        sys.exit("mount: " + os.strerror(ctypes.get_errno()))
    print("ready", flush=True)
    while True:
        request = os.read(device, 1 << 18)
        _, kind, number, node = HEAD.unpack_from(request)[:4]
        if kind == unanswered:
            print("unanswered", flush=True)
        if kind in (FORGET, unanswered):
            continue
        error, body = answer_to(kind, node)
        os.write(device, struct.pack("<IiQ", 16 + len(body), error, number) + body)


main()
