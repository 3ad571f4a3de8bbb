"""Asks for an attribute of the file NAME in the working directory, into the memory that holds the name. Its value begins
with a NUL: when the call returns the name is empty.

Usage: overwritten_name.py NAME
"""

import ctypes
import os
import sys

os.setxattr(sys.argv[1], "trusted.spoor", b"\0")
name = ctypes.create_string_buffer(os.fsencode(sys.argv[1]), 100)
length = ctypes.CDLL(None).getxattr(name, b"trusted.spoor", name, ctypes.c_size_t(100))
assert (length, name.value) == (1, b""), (length, name.raw)
