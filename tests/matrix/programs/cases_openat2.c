/* openat2: its RESOLVE_* flags decide where a name leads. */
#include "matrix.h"

#include <linux/openat2.h>

static long openat2_(int dirfd, const char *name, uint64_t flags, uint64_t mode, uint64_t resolve)
{
    struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};

    return SYS(openat2, dirfd, name, &how, sizeof(how));
}
#define OPENAT2 .needs = "openat2 (Linux 5.6)", .syscall = __NR_openat2

static void read_and_close(long fd)
{
    OK(SYS(read, (int)fd, buffer, 4L));
    OK(SYS(close, (int)fd));
}

CASE(openat2_plain, "read", "openat2", (.setup = with_inherited_directory, OPENAT2),
     (OPENED("dir/file") DID("read", "dir/file")))
{
    read_and_close(OK(openat2_(inherited_fd, "file", O_RDONLY, 0, 0)));
}

CASE(openat2_create, "create", "openat2, O_CREAT", (.setup = with_inherited_directory, OPENAT2),
     (DID("create", "dir/new")))
{
    OK(openat2_(inherited_fd, "new", O_WRONLY | O_CREAT, 0644, 0));
}

CASE(openat2_absent, "absent", "openat2, ENOENT", (.setup = with_inherited_directory, OPENAT2),
     (ABSENT("dir/none")))
{
    FAILS(ENOENT, openat2_(inherited_fd, "none", O_RDONLY, 0, 0));
}

CASE(openat2_beneath, "read", "openat2, RESOLVE_BENEATH", (.setup = with_inherited_directory, OPENAT2),
     (OPENED("dir/file") DID("read", "dir/file")))
{
    read_and_close(OK(openat2_(inherited_fd, "file", O_RDONLY, 0, RESOLVE_BENEATH)));
}

CASE(openat2_beneath_escape, "read", "openat2, RESOLVE_BENEATH, EXDEV",
     (.setup = with_inherited_directory, OPENAT2), (FAILED("read", "dir/../file", "EXDEV")))
{
    FAILS(EXDEV, openat2_(inherited_fd, "../file", O_RDONLY, 0, RESOLVE_BENEATH));
}

CASE(openat2_in_root, "read", "openat2, RESOLVE_IN_ROOT, absolute path",
     (.setup = with_inherited_directory, OPENAT2), (OPENED("dir/file") DID("read", "dir/file")))
{
    read_and_close(OK(openat2_(inherited_fd, "/file", O_RDONLY, 0, RESOLVE_IN_ROOT)));
}

CASE(openat2_in_root_absent, "absent", "openat2, RESOLVE_IN_ROOT, absolute path, ENOENT",
     (.setup = with_inherited_directory, OPENAT2), (ABSENT("dir/none")))
{
    FAILS(ENOENT, openat2_(inherited_fd, "/none", O_RDONLY, 0, RESOLVE_IN_ROOT));
}

CASE(openat2_no_symlinks, "read", "openat2, RESOLVE_NO_SYMLINKS, ELOOP", (.setup = with_link, OPENAT2),
     (FAILED("read", "link", "ELOOP")))
{
    FAILS(ELOOP, openat2_(AT_FDCWD, "link", O_RDONLY, 0, RESOLVE_NO_SYMLINKS));
}

CASE(openat2_no_magiclinks, "read", "openat2, RESOLVE_NO_MAGICLINKS, ELOOP", (OPENAT2),
     (FAILED("read", "/proc/self/exe", "ELOOP")))
{
    FAILS(ELOOP, openat2_(AT_FDCWD, "/proc/self/exe", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS));
}

CASE(openat2_no_xdev, "read", "openat2, RESOLVE_NO_XDEV, EXDEV", (OPENAT2),
     (FAILED("read", "/proc/version", "EXDEV")))
{
    FAILS(EXDEV, openat2_(AT_FDCWD, "/proc/version", O_RDONLY, 0, RESOLVE_NO_XDEV));
}

CASE(openat2_unread, "read", "openat2, unreadable pointer that nobody looked at, EINVAL: names nothing, loses nothing",
     (OPENAT2), ())
{
    FAILS(EINVAL, SYS(openat2, -1, 1L, 1L, 0L));
}

static int has_cached(void)
{
    long fd = openat2_(AT_FDCWD, "/", O_RDONLY, 0, RESOLVE_CACHED);

    close((int)fd);
    return fd >= 0 || fd == -EAGAIN;
}
CASE(openat2_cached, "read", "openat2, RESOLVE_CACHED",
     (.setup = with_file, .needs = "RESOLVE_CACHED (Linux 5.12)", .has = has_cached),
     (OPENED("file") DID("read", "file")))
{
    read_and_close(OK(openat2_(AT_FDCWD, "file", O_RDONLY, 0, RESOLVE_CACHED)));
}
