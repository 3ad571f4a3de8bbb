#!/usr/bin/python3
"""Writes docs/coverage.md from the matrix program's table of cases, or checks it.

    make_coverage.py PROGRAM FILE
    make_coverage.py --check PROGRAM FILE

What a case states comes from the rows it expects, which test_matrix.py compares with what the
kernel side reported.
"""

import argparse
import difflib
import json
import subprocess
import sys
from pathlib import Path


FAMILIES = ["syscall-exit", "fentry", "lsm"]
# Which of a case's two tables of rows a family is measured by.
ROWS = {"syscall-exit": "rows", "fentry": "resolved", "lsm": "resolved"}
OPERATIONS = """read write create truncate delete rename link symlink mkdir rmdir mknod metadata list probe absent
    readlink exec mmap-exec mmap-write connect bind""".split()

HEAD = """\
# Coverage: operation by operation

Generated from the table of `tests/matrix` by `tests/matrix/make_coverage.py`; do not edit. Each line
is a case of the operation matrix: real system calls in a container, after which every field of
every row is compared, and no other row may be there. `ctest -L matrix` runs them, rootless
and rootful.

## What the words mean

- **exact**: the object is the one that the kernel used, with its path as the kernel resolved it, and
  the operation took place. For reading and writing: the first call that moved content through
  the descriptor, not the open.
- **lexical**: the operation took place (or failed with the error that is told), on the name as the
  caller wrote it, joined to the directory it is relative to. Symbolic links in it are not resolved
  and `..` is not folded; rows carry `lexical`. Whether the last component was followed is told by
  `nofollow`.
- **intent**: opened for it; whether it happened is not known. Rows carry `intent`.
- **none**: the family cannot see it; the reason stands below.
- **no row**: the case makes sure that nothing of this operation is reported.
"""

SYSCALL_EXIT = """\
## The syscall-exit family

What went through a descriptor is exact: `read`, `write`, `list`, `truncate`, `mmap-exec`, `mmap-write`, `metadata` by
descriptor; so is every successful open (`probe` with `open`, `create`, `truncate`) and every successful `exec` with
its dynamic loader. What was named by a string and leaves no descriptor is lexical: the failed calls,
`absent`, `delete`, `rename`, `link`, `symlink`, `mkdir`, `rmdir`, `mknod`, `metadata` and `probe` by name, `readlink`, unix
sockets and the `#!` script of an exec. What a relative name counts from is taken when the call returns, but for
`rename` and `chroot`, which may move it: there, when it begins. An interpreter that is a script itself is told by
the arguments that the kernel makes of it: `exec` with `lexical` and `intent`, if its `#!` line names it by an absolute
path. Devices and fifos are intent: that they were opened is told, not what passed.

Neither read nor written, although the descriptor would have allowed it, means no `read` and no `write`.
A descriptor that the process did not open itself (inherited, received, of another process, from a
shared table) says `inherited`. Requests of Linux AIO are told when they are submitted, those of io_uring when they
are done. The first `mprotect` that makes a file's mapping writable or executable is told like the mapping itself;
while another thread changes the address space at that very moment `mmap-exec` may be missing (the file is told as read
then), and the session says that it is incomplete if the memory lies among the process's shared mappings of files that were
opened for writing, so that `mmap-write` may be missing. Of a call on a descriptor that fails nothing is reported.
Nothing is told of an io_uring request that is not to post its success (`IOSQE_CQE_SKIP_SUCCESS`): the session says that it is incomplete.
On Linux 5.10 to 5.16 less is told of mprotect, and nothing of io_uring, of which the session then says that it is incomplete
(docs/kernels.md).
Pipes, anonymous sockets, eventfd and its like, and memfd are no files and leave no row, but for the
program executed from a memfd.
"""


RESOLVING = """\
## The fentry and lsm families

The syscall-exit family stays what tells outcomes. Beside it programs note, while a call runs, what the kernel found for its
names, and the call is told with that when it returns. So `delete`, `rename`, `link`, `symlink`, `mkdir`, `rmdir`, `mknod`, and `metadata`,
`probe`, `readlink` and `truncate` by name are exact: the path has its links resolved and `..` followed, and an object that is there
has its identity (a file that was opened and then stat'ed is told once). Such a row has neither `lexical` nor
`nofollow`, and says `directory` where the object is one. That goes for calls that failed after their name was looked up, too (`EACCES` of
`unlink`, `EINVAL` of `readlink`). Of two names one may have been resolved and the other not (`EEXIST` of
`link`): then the row is lexical, its resolved part resolved.

Names that are made, moved or removed come from the path hooks of the security modules: in the lsm family by BPF LSM, in the
fentry family at the functions `security_path_*` that call the hooks. Names that are looked up come in both from the end of
`filename_lookup` (fexit), since most hooks that follow a lookup (`inode_setattr`, `inode_getxattr`, `inode_permission`)
do not know the mount and `inode_getattr` is called a second time by overlayfs for the file beneath. If one of these programs does not run
(a preempted one of its kind keeps it from that) or has no room, that one row is lexical. In the lsm family another module
that refuses a call first (AppArmor, say) leaves its row lexical.

Lexical with every family: what failed because of its name (`absent`, `ELOOP`, `EEXIST`), failed opens and execs, unix
sockets, `#!` scripts, requests of io_uring.
"""


def level(case, family):
    """What the expected rows state about the case's operation."""
    if case["limit"] and (ROWS[family] == "rows" or case["resolved"] == case["rows"]):
        return "none"
    rows = [row for row in case[ROWS[family]] if row["op"] == case["operation"]]
    if not rows:
        return "no row"
    flags = {flag for row in rows for flag in row["flags"]}
    return next((word for word in ("intent", "lexical") if word in flags), "exact")


def change(cases, word):
    """How many of the cases are of a level: by name as written, and resolved."""
    written, resolved = (sum(level(case, family) == word for case in cases) for family in ("syscall-exit", "lsm"))
    return written or "" if written == resolved else f"{written} → {resolved}"


def text(words):
    return words.replace("|", "\\|").replace("\n", " ")


def table(header, lines):
    yield "| " + " | ".join(header) + " |"
    yield "|" + " --- |" * len(header)
    for line in lines:
        yield "| " + " | ".join(map(str, line)) + " |"


def document(cases):
    by_operation = {operation: [case for case in cases if case["operation"] == operation] for operation in OPERATIONS}
    yield HEAD
    yield SYSCALL_EXIT
    yield RESOLVING
    yield "## In numbers\n"
    levels = ["exact", "lexical", "intent", "no row", "none"]
    yield f"{len(cases)} cases. How many are exact, lexical and so on with the syscall-exit family → with fentry and lsm, if that differs.\n"
    yield from table(["operation", "cases", *levels],
                     [[f"`{operation}`", len(found), *(change(found, word) for word in levels)]
                      for operation, found in by_operation.items()])
    for operation, found in by_operation.items():
        yield f"\n## {operation}\n"
        yield from table(["variant", "case", *FAMILIES],
                         [[text(case["variant"]), f"`{case['case']}`",
                           *(level(case, family) for family in FAMILIES)] for case in found])
    yield "\n## What a machine may lack\n"
    yield "A case is left out only where the kernel or the container lacks this; the run says so by name.\n"
    needs = sorted({case["needs"] for case in cases if case["needs"]})
    yield from table(["needed", "cases"],
                     [[text(need), ", ".join(f"`{case['case']}`" for case in cases if case["needs"] == need)] for need in needs])
    yield "\n## What cannot be seen\n"
    yield from table(["case", "variant", "by", "why"],
                     [[f"`{case['case']}`", text(case["variant"]),
                       ", ".join(family for family in FAMILIES if level(case, family) == "none"), text(case["limit"])]
                      for case in cases if case["limit"]])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="fail if FILE is not what would be written")
    parser.add_argument("program", type=Path)
    parser.add_argument("file", type=Path)
    options = parser.parse_args()
    out = subprocess.run([options.program.resolve(), "list"], check=True, capture_output=True).stdout
    cases = [json.loads(line) for line in out.decode().splitlines()]
    strange = {case["operation"] for case in cases} - set(OPERATIONS)
    if strange:
        sys.exit(f"no operations: {strange}")
    made = "\n".join(document(cases)) + "\n"
    if not options.check:
        options.file.write_text(made)
        return
    there = options.file.read_text() if options.file.exists() else ""
    if there != made:
        sys.stdout.writelines(difflib.unified_diff(there.splitlines(True), made.splitlines(True), str(options.file), "made anew"))
        sys.exit(f"{options.file} is not what the table of cases makes: run {sys.argv[0]} {options.program} {options.file}")


main()
