"""The directory that programs/ops.c works in."""

FILES = """read opened-only pread write both opened-to-create cut-by-open cut-by-name cut-by-fd stat access
    statx unlinked old-name linked after-exec directory/inside base/file base/removed""".split()


def make(root):
    for directory in (root, root / "directory", root / "base"):
        directory.mkdir()
        directory.chmod(0o777)
    for name in FILES:
        (root / name).write_text("0123456789\n")
        (root / name).chmod(0o666)
    (root / "link").symlink_to("read")
    # Linking another user's file is refused by default (fs.protected_hardlinks) unless it can be
    # read and written, which it can.
