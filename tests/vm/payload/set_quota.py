"""What a user may have on a file system, by quotactl(2): set_quota.py DEVICE USER KIB."""

import ctypes
import os
import pwd
import struct
import sys

Q_SETQUOTA, USRQUOTA, QIF_BLIMITS = 0x800008, 0, 1
device, user, kib = sys.argv[1:]
limits = struct.pack("=8QII", int(kib), 0, 0, 0, 0, 0, 0, 0, QIF_BLIMITS, 0)  # struct if_dqblk
libc = ctypes.CDLL(None, use_errno=True)
if libc.quotactl(Q_SETQUOTA << 8 | USRQUOTA, device.encode(), pwd.getpwnam(user).pw_uid, limits) != 0:
    sys.exit("quotactl: " + os.strerror(ctypes.get_errno()))
