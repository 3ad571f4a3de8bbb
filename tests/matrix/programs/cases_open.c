/* Opening: every call that opens, from every kind of base, and what the open itself does. */
#include "matrix.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void read_and_close(long fd)
{
    OK(SYS(read, (int)fd, buffer, 4L));
    OK(SYS(close, (int)fd));
}

CASE(openat_absolute, "read", "openat, absolute path", (.setup = with_file),
     (OPENED("file") DID("read", "file")))
{
    read_and_close(OK(SYS(openat, AT_FDCWD, at("file"), O_RDONLY)));
}

CASE(openat_cwd, "read", "openat, AT_FDCWD and relative path", (.setup = with_file),
     (OPENED("file") DID("read", "file")))
{
    read_and_close(OK(SYS(openat, AT_FDCWD, "file", O_RDONLY)));
}

CASE(openat_dirfd, "read", "openat, directory opened by the process", (.setup = with_directory),
     (OPENED_DIRECTORY("dir") OPENED("dir/file") DID("read", "dir/file")))
{
    int dir = open_file("dir", O_RDONLY | O_DIRECTORY);

    read_and_close(OK(SYS(openat, dir, "file", O_RDONLY)));
}

CASE(openat_dirfd_path, "read", "openat, directory opened with O_PATH", (.setup = with_directory),
     (OPENED_DIRECTORY("dir") OPENED("dir/file") DID("read", "dir/file")))
{
    int dir = open_file("dir", O_PATH);

    read_and_close(OK(SYS(openat, dir, "file", O_RDONLY)));
}

CASE(openat_dirfd_inherited, "read", "openat, inherited directory", (.setup = with_inherited_directory),
     (OPENED("dir/file") DID("read", "dir/file")))
{
    read_and_close(OK(SYS(openat, inherited_fd, "file", O_RDONLY)));
}

CASE(openat_dirfd_unused, "read", "openat, bad descriptor and absolute path", (.setup = with_file),
     (OPENED("file") DID("read", "file")))
{
    read_and_close(OK(SYS(openat, -7, at("file"), O_RDONLY)));
}

CASE(openat_bad_dirfd, "read", "openat, bad descriptor and relative path: names nothing", (), ())
{
    FAILS(EBADF, SYS(openat, 999, "file", O_RDONLY));
}

CASE(openat_bad_pointer, "read", "openat, unreadable pointer: names nothing", (), ())
{
    FAILS(EFAULT, SYS(openat, AT_FDCWD, 1L, O_RDONLY));
}

CASE(openat_empty, "absent", "openat, empty path: names nothing", (.setup = with_inherited_directory), ())
{
    FAILS(ENOENT, SYS(openat, inherited_fd, "", O_RDONLY));
    FAILS(ENOENT, SYS(openat, AT_FDCWD, "", O_RDONLY));
}

CASE(openat_absent, "absent", "openat, ENOENT", (), (ABSENT("file") ABSENT("nodir/file")))
{
    FAILS(ENOENT, SYS(openat, AT_FDCWD, "file", O_RDONLY));
    FAILS(ENOENT, SYS(openat, AT_FDCWD, at("nodir/file"), O_WRONLY));
}

CASE(openat_absent_dirfd, "absent", "openat, ENOENT below a descriptor", (.setup = with_inherited_directory),
     (ABSENT("dir/none")))
{
    FAILS(ENOENT, SYS(openat, inherited_fd, "none", O_RDONLY));
}

#ifdef __NR_open
CASE(open_read, "read", "open", (.setup = with_file), (OPENED("file") DID("read", "file")))
{
    read_and_close(OK(SYS(open, at("file"), O_RDONLY)));
}

CASE(open_absent, "absent", "open, ENOENT", (), (ABSENT("file")))
{
    FAILS(ENOENT, SYS(open, at("file"), O_RDONLY));
}

CASE(creat_new, "create", "creat, new file", (), (DID("create", "file")))
{
    OK(SYS(close, (int)OK(SYS(creat, "file", 0644))));
}

CASE(creat_existing, "truncate", "creat, existing file", (.setup = with_file),
     (OPENED("file") DID("truncate", "file")))
{
    OK(SYS(close, (int)OK(SYS(creat, "file", 0644))));
}
#endif

CASE(open_read_untouched, "probe", "opened for reading, never read", (.setup = with_file), (OPENED("file")))
{
    open_and_close("file", O_RDONLY);
}

CASE(open_rdwr_untouched, "probe", "opened O_RDWR, neither read nor written: no output", (.setup = with_file),
     (OPENED("file")))
{
    open_and_close("file", O_RDWR);
}

CASE(open_rdwr_read, "read", "opened O_RDWR, only read", (.setup = with_file),
     (OPENED("file") DID("read", "file")))
{
    read_and_close(open_file("file", O_RDWR));
}

CASE(open_rdwr_both, "read", "opened O_RDWR, read and written", (.setup = with_file),
     (OPENED("file") DID("read", "file") DID("write", "file")))
{
    int fd = open_file("file", O_RDWR);

    OK(SYS(read, fd, buffer, 4L));
    OK(SYS(write, fd, "abc", 3L));
}

CASE(open_write, "write", "opened O_WRONLY, written", (.setup = with_file),
     (OPENED("file") DID("write", "file")))
{
    OK(SYS(write, open_file("file", O_WRONLY), "abc", 3L));
}

CASE(open_append, "write", "opened O_APPEND, written", (.setup = with_file),
     (OPENED("file") DID("write", "file")))
{
    OK(SYS(write, open_file("file", O_WRONLY | O_APPEND), "abc", 3L));
}

CASE(open_create, "create", "O_CREAT, new file", (), (DID("create", "file")))
{
    open_and_close("file", O_WRONLY | O_CREAT);
}

CASE(open_create_write, "create", "O_CREAT, new file, written", (), (DID("create", "file") DID("write", "file")))
{
    OK(SYS(write, open_file("file", O_WRONLY | O_CREAT | O_TRUNC), "abc", 3L));
}

CASE(open_create_exclusive, "create", "O_CREAT|O_EXCL, new file below a descriptor",
     (.setup = with_inherited_directory), (DID("create", "dir/new")))
{
    OK(SYS(openat, inherited_fd, "new", O_WRONLY | O_CREAT | O_EXCL, 0644));
}

CASE(open_create_existing, "probe", "O_CREAT, existing file: not created", (.setup = with_file),
     (OPENED("file")))
{
    open_and_close("file", O_WRONLY | O_CREAT);
}

CASE(open_create_exists, "create", "O_CREAT|O_EXCL, EEXIST", (.setup = with_file),
     (FAILED_ITSELF("create", "file", "EEXIST")))
{
    FAILS(EEXIST, SYS(openat, AT_FDCWD, "file", O_WRONLY | O_CREAT | O_EXCL, 0644));
}

static void with_dangling(void) { make_link("target", "link"); }
CASE(open_create_dangling, "create", "O_CREAT through a dangling symlink: the target", (.setup = with_dangling),
     (DID("create", "target")))
{
    open_and_close("link", O_WRONLY | O_CREAT);
}

CASE(open_truncate, "truncate", "O_TRUNC, existing file", (.setup = with_file),
     (OPENED("file") DID("truncate", "file")))
{
    open_and_close("file", O_WRONLY | O_TRUNC);
}

CASE(open_directory, "probe", "O_DIRECTORY", (.setup = with_directory), (OPENED_DIRECTORY("dir")))
{
    open_and_close("dir", O_RDONLY | O_DIRECTORY);
}

CASE(open_root, "probe", "the root directory", (), (OPENED_DIRECTORY("/")))
{
    open_and_close("/", O_RDONLY | O_DIRECTORY);
}

CASE(open_path, "probe", "O_PATH", (.setup = with_file), (OPENED("file")))
{
    open_and_close("file", O_PATH);
}

CASE(open_path_link, "probe", "O_PATH|O_NOFOLLOW, a symlink itself", (.setup = with_link), (OPENED("link")))
{
    open_and_close("link", O_PATH | O_NOFOLLOW);
}

CASE(open_path_reopen, "read", "O_PATH, reopened through /proc/self/fd", (.setup = with_file),
     (OPENED("file") DID("read", "file")))
{
    char name[32];

    snprintf(name, sizeof(name), "/proc/self/fd/%d", open_file("file", O_PATH));
    read_file(name);
}

CASE(open_link, "read", "through a symlink: the target", (.setup = with_link),
     (OPENED("file") DID("read", "file")))
{
    read_file("link");
}

CASE(open_tmpfile, "create", "O_TMPFILE, written, never named", (),
     (DID_WITH("create", "#{inode}", "deleted") DID_WITH("write", "#{inode}", "deleted")))
{
    struct stat status;
    int fd = (int)OK(SYS(openat, AT_FDCWD, ".", O_WRONLY | O_TMPFILE, 0644));

    OK(SYS(write, fd, "abc", 3L));
    OK(SYS(fstat, fd, &status));
    shared->inode = status.st_ino;
}

CASE(tmpfile_linkat_proc, "link", "O_TMPFILE, named by linkat through /proc/self/fd", (),
     (DID_WITH("create", "#{inode}", "deleted") DID_WITH("write", "#{inode}", "deleted"){
         .op = "link", .path = "/proc/self/fd/100", .to = "file", .flags = "lexical", .resolved = "#{inode}",
         .resolved_flags = "deleted"}, ))
{
    struct stat status;
    int fd = (int)OK(SYS(openat, AT_FDCWD, ".", O_WRONLY | O_TMPFILE, 0644));

    OK(SYS(dup3, fd, 100, 0));
    OK(SYS(write, 100, "abc", 3L));
    OK(SYS(fstat, 100, &status));
    shared->inode = status.st_ino;
    OK(SYS(linkat, AT_FDCWD, "/proc/self/fd/100", AT_FDCWD, "file", AT_SYMLINK_FOLLOW));
}

static int can_link_descriptors(void)
{
    char name[300];
    int fd = open(root, O_WRONLY | O_TMPFILE, 0600);

    snprintf(name, sizeof(name), "%s/linked", root);
    int linked = linkat(fd, "", AT_FDCWD, name, AT_EMPTY_PATH) == 0;

    close(fd);
    unlink(name);
    return linked;
}
CASE(tmpfile_linkat_empty, "link", "O_TMPFILE, named by linkat with AT_EMPTY_PATH",
     (.needs = "CAP_DAC_READ_SEARCH in the host's user namespace, or Linux 6.10", .has = can_link_descriptors),
     (DID_WITH("create", "#{inode}", "deleted"){
         .op = "link", .path = "#{inode}", .to = "file", .flags = "lexical nofollow deleted",
         .resolved_flags = "deleted"}, ))
{
    struct stat status;
    int fd = (int)OK(SYS(openat, AT_FDCWD, ".", O_WRONLY | O_TMPFILE, 0644));

    OK(SYS(fstat, fd, &status));
    shared->inode = status.st_ino;
    OK(SYS(linkat, fd, "", AT_FDCWD, "file", AT_EMPTY_PATH));
}

CASE(open_device, "read", "a device: intent", (),
     (OPENED("/dev/null") DID_WITH("read", "/dev/null", "intent") DID_WITH("write", "/dev/null", "intent")))
{
    int fd = open_file("/dev/null", O_RDWR);

    OK(SYS(read, fd, buffer, 1L));
    OK(SYS(write, fd, "x", 1L));
}

CASE(open_device_read, "read", "a device, for reading only: intent", (),
     (OPENED("/dev/zero") DID_WITH("read", "/dev/zero", "intent")))
{
    read_file("/dev/zero");
}

static void with_fifo(void)
{
    if (mkfifo("fifo", 0644))
        fail_setup("fifo");
}
CASE(open_fifo, "write", "a fifo: intent", (.setup = with_fifo),
     (OPENED("fifo") DID_WITH("read", "fifo", "intent") DID_WITH("write", "fifo", "intent")))
{
    int fd = open_file("fifo", O_RDWR | O_NONBLOCK);

    OK(SYS(write, fd, "x", 1L));
    OK(SYS(read, fd, buffer, 1L));
}

static union {
    struct file_handle handle;
    char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
} place;

static int can_open_handles(void)
{
    int mount_id, base = open(root, O_RDONLY), fd = -1;

    place.handle.handle_bytes = MAX_HANDLE_SZ;
    if (!name_to_handle_at(base, "", &place.handle, &mount_id, AT_EMPTY_PATH))
        fd = open_by_handle_at(base, &place.handle, O_RDONLY);
    close(fd);
    close(base);
    return fd >= 0;
}
CASE(open_by_handle, "read", "name_to_handle_at, open_by_handle_at",
     (.setup = with_file, .has = can_open_handles, .needs = "CAP_DAC_READ_SEARCH in the host's user namespace"),
     (NAMED_ITSELF("probe", "file") OPENED_DIRECTORY(".") DID("read", "file")))
{
    int mount_id;

    place.handle.handle_bytes = MAX_HANDLE_SZ;
    OK(SYS(name_to_handle_at, AT_FDCWD, "file", &place.handle, &mount_id, 0));
    int here = open_file(".", O_RDONLY);

    read_and_close(OK(SYS(open_by_handle_at, here, &place.handle, O_RDONLY)));
}
