"""Opens FIRST, then OTHER COUNT times, all at once, and as often in each of CHILDREN processes. Then reads FIRST.

Usage: open_files.py FIRST OTHER COUNT CHILDREN
"""

import os
import sys


def main():
    other, count = sys.argv[2], int(sys.argv[3])
    first = os.open(sys.argv[1], os.O_RDONLY)
    for _ in range(int(sys.argv[4])):
        child = os.fork()
        if child == 0:
            for _ in range(count):
                os.open(other, os.O_RDONLY)
            os._exit(0)
        if os.waitpid(child, 0)[1] != 0:
            sys.exit("a child has failed")
    for _ in range(count):
        os.open(other, os.O_RDONLY)
    os.read(first, 1)


main()
