/* Looking without opening: is it there, what is it, where does it point. */
#include "matrix.h"

#include <linux/stat.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

static struct stat status;
static struct statfs system_status;
static struct statx more;

/* One call on `file` (or `link` to it) by name. */
#define BY_NAME(id, op, call_name, name, call)                                 \
    CASE(id, op, call_name, (.setup = with_link), (NAMED_FOR(op, name, "file"))) { OK(call); }
#define BY_NAME_ITSELF(id, op, call_name, name, call)                          \
    CASE(id, op, call_name, (.setup = with_link), (NAMED_ITSELF(op, name))) { OK(call); }

#ifdef __NR_stat
BY_NAME(stat, "probe", "stat", "file", SYS(stat, at("file"), &status))
BY_NAME(stat_link, "probe", "stat, through a symlink", "link", SYS(stat, "link", &status))
BY_NAME_ITSELF(lstat, "probe", "lstat", "link", SYS(lstat, "link", &status))
BY_NAME(access, "probe", "access", "file", SYS(access, "file", 4))
BY_NAME_ITSELF(readlink, "readlink", "readlink", "link", SYS(readlink, "link", buffer, 100L))

CASE(readlink_in_place, "readlink", "readlink into the memory that holds the name",
     (.setup = with_link, .limit = "the name is read when the call returns: the target has taken its place"),
     ({.op = "readlink", .path = "file", .flags = "lexical nofollow", .resolved = "link"}, ))
{
    memcpy(buffer, "link", 5);
    MUST(SYS(readlink, buffer, buffer, 100L) == 4);
}

CASE(stat_absent, "absent", "stat, ENOENT", (), (ABSENT("file")))
{
    FAILS(ENOENT, SYS(stat, at("file"), &status));
}

CASE(lstat_absent, "absent", "lstat, ENOENT", (), (ABSENT_ITSELF("file")))
{
    FAILS(ENOENT, SYS(lstat, "file", &status));
}
#endif

CASE(nofollow_and_follow, "probe", "newfstatat of a symlink, first not followed, then followed: one row each",
     (.setup = with_link), (NAMED_ITSELF("probe", "link") NAMED_FOR("probe", "link", "file")))
{
    OK(SYS(newfstatat, AT_FDCWD, "link", &status, AT_SYMLINK_NOFOLLOW));
    OK(SYS(newfstatat, AT_FDCWD, "link", &status, 0));
}

CASE(fstat_opened, "probe", "fstat of a file opened by the process: nothing new", (.setup = with_file),
     (OPENED("file")))
{
    OK(SYS(fstat, open_file("file", O_RDONLY), &status));
}

CASE(fstat_inherited, "probe", "fstat of an inherited descriptor", (.setup = with_inherited),
     (DID_WITH("probe", "file", "inherited")))
{
    OK(SYS(fstat, inherited_fd, &status));
}

BY_NAME(newfstatat_cwd, "probe", "newfstatat, working directory", "file",
        SYS(newfstatat, AT_FDCWD, "file", &status, 0))
BY_NAME(newfstatat_absolute, "probe", "newfstatat, absolute path", "file",
        SYS(newfstatat, -1, at("file"), &status, 0))
BY_NAME_ITSELF(newfstatat_nofollow, "probe", "newfstatat, AT_SYMLINK_NOFOLLOW", "link",
               SYS(newfstatat, AT_FDCWD, "link", &status, AT_SYMLINK_NOFOLLOW))

CASE(newfstatat_dirfd, "probe", "newfstatat, descriptor", (.setup = with_inherited_directory),
     (NAMED("probe", "dir/file")))
{
    OK(SYS(newfstatat, inherited_fd, "file", &status, 0));
}

CASE(newfstatat_empty, "probe", "newfstatat, AT_EMPTY_PATH, inherited descriptor", (.setup = with_inherited),
     (DID_WITH("probe", "file", "inherited")))
{
    OK(SYS(newfstatat, inherited_fd, "", &status, AT_EMPTY_PATH));
}

CASE(newfstatat_empty_cwd, "probe", "newfstatat, AT_EMPTY_PATH, working directory", (),
     (DID_WITH("probe", ".", "directory")))
{
    OK(SYS(newfstatat, AT_FDCWD, "", &status, AT_EMPTY_PATH));
}

CASE(newfstatat_nothing, "absent", "newfstatat, empty path without AT_EMPTY_PATH: names nothing", (), ())
{
    FAILS(ENOENT, SYS(newfstatat, AT_FDCWD, "", &status, 0));
}

CASE(newfstatat_absent, "absent", "newfstatat, ENOENT", (.setup = with_inherited_directory), (ABSENT("dir/none")))
{
    FAILS(ENOENT, SYS(newfstatat, inherited_fd, "none", &status, 0));
}

BY_NAME(statx, "probe", "statx", "file", SYS(statx, AT_FDCWD, "file", 0, STATX_ALL, &more))
BY_NAME_ITSELF(statx_nofollow, "probe", "statx, AT_SYMLINK_NOFOLLOW", "link",
               SYS(statx, AT_FDCWD, "link", AT_SYMLINK_NOFOLLOW, STATX_ALL, &more))

CASE(statx_dirfd, "probe", "statx, descriptor", (.setup = with_inherited_directory), (NAMED("probe", "dir/file")))
{
    OK(SYS(statx, inherited_fd, "file", 0, STATX_ALL, &more));
}

CASE(statx_empty, "probe", "statx, AT_EMPTY_PATH, inherited descriptor", (.setup = with_inherited),
     (DID_WITH("probe", "file", "inherited")))
{
    OK(SYS(statx, inherited_fd, "", AT_EMPTY_PATH, STATX_ALL, &more));
}

static int has_null_paths(void) { return result_of(syscall(__NR_statx, AT_FDCWD, 0L, AT_EMPTY_PATH, 0, &more)) == 0; }
CASE(statx_null, "probe", "statx, NULL path with AT_EMPTY_PATH",
     (.setup = with_inherited, .needs = "NULL paths (Linux 6.11)", .has = has_null_paths),
     (DID_WITH("probe", "file", "inherited")))
{
    OK(SYS(statx, inherited_fd, 0L, AT_EMPTY_PATH, STATX_ALL, &more));
}

CASE(statx_absent, "absent", "statx, ENOENT", (), (ABSENT("file")))
{
    FAILS(ENOENT, SYS(statx, AT_FDCWD, at("file"), 0, STATX_ALL, &more));
}

BY_NAME(faccessat, "probe", "faccessat", "file", SYS(faccessat, AT_FDCWD, "file", 4))

CASE(faccessat_dirfd, "probe", "faccessat, descriptor", (.setup = with_inherited_directory),
     (NAMED("probe", "dir/file")))
{
    OK(SYS(faccessat, inherited_fd, "file", 4));
}

CASE(faccessat_absent, "absent", "faccessat, ENOENT", (), (ABSENT("file")))
{
    FAILS(ENOENT, SYS(faccessat, AT_FDCWD, "file", 0));
}

#define FACCESSAT2 .needs = "faccessat2 (Linux 5.8)", .syscall = __NR_faccessat2

CASE(faccessat2, "probe", "faccessat2, AT_EACCESS", (.setup = with_file, FACCESSAT2), (NAMED("probe", "file")))
{
    OK(SYS(faccessat2, AT_FDCWD, "file", 4, AT_EACCESS));
}

CASE(faccessat2_nofollow, "probe", "faccessat2, AT_SYMLINK_NOFOLLOW", (.setup = with_link, FACCESSAT2),
     (NAMED_ITSELF("probe", "link")))
{
    OK(SYS(faccessat2, AT_FDCWD, "link", 0, AT_SYMLINK_NOFOLLOW));
}

CASE(faccessat2_empty, "probe", "faccessat2, AT_EMPTY_PATH", (.setup = with_inherited, FACCESSAT2),
     (DID_WITH("probe", "file", "inherited")))
{
    OK(SYS(faccessat2, inherited_fd, "", 4, AT_EMPTY_PATH));
}

static void with_link_in_directory(void)
{
    with_inherited_directory();
    make_link("file", "dir/link");
}
CASE(readlinkat, "readlink", "readlinkat, descriptor", (.setup = with_link_in_directory),
     (NAMED_ITSELF("readlink", "dir/link")))
{
    OK(SYS(readlinkat, inherited_fd, "link", buffer, 100L));
}

CASE(readlinkat_empty, "readlink", "readlinkat, empty path on an O_PATH descriptor", (.setup = with_link),
     (OPENED("link") DID("readlink", "link")))
{
    OK(SYS(readlinkat, open_file("link", O_PATH | O_NOFOLLOW), "", buffer, 100L));
}

CASE(readlinkat_file, "readlink", "readlinkat of what is no link, EINVAL", (.setup = with_file),
     (FAILED_AT_ITSELF("readlink", "file", "EINVAL")))
{
    FAILS(EINVAL, SYS(readlinkat, AT_FDCWD, "file", buffer, 100L));
}

CASE(readlinkat_absent, "absent", "readlinkat, ENOENT", (), (ABSENT_ITSELF("file")))
{
    FAILS(ENOENT, SYS(readlinkat, AT_FDCWD, "file", buffer, 100L));
}

BY_NAME(statfs, "probe", "statfs", "file", SYS(statfs, "file", &system_status))

CASE(fstatfs_opened, "probe", "fstatfs of a file opened by the process: nothing new", (.setup = with_file),
     (OPENED("file")))
{
    OK(SYS(fstatfs, open_file("file", O_RDONLY), &system_status));
}

CASE(chdir, "probe", "chdir, and a name from there", (.setup = with_directory),
     (DID_WITH("probe", "dir", "directory") NAMED("probe", "dir/file")))
{
    OK(SYS(chdir, "dir"));
    OK(SYS(newfstatat, AT_FDCWD, "file", &status, 0));
}

CASE(fchdir, "probe", "fchdir, and a name from there", (.setup = with_inherited_directory),
     (NAMED("probe", "dir/file")))
{
    OK(SYS(fchdir, inherited_fd));
    OK(SYS(newfstatat, AT_FDCWD, "file", &status, 0));
}

BY_NAME(inotify_add_watch, "probe", "inotify_add_watch", "file",
        SYS(inotify_add_watch, (int)OK(SYS(inotify_init1, 0)), "file", IN_MODIFY))

BY_NAME_ITSELF(name_to_handle_at, "probe", "name_to_handle_at", "link", ({
                   struct file_handle *handle = (struct file_handle *)buffer;
                   int mount_id;

                   handle->handle_bytes = MAX_HANDLE_SZ;
                   SYS(name_to_handle_at, AT_FDCWD, "link", handle, &mount_id, 0);
               }))

/* ------------------------------------------------------------------------ extended attributes */

static void with_attribute(void)
{
    with_link();
    if (setxattr("file", "user.x", "1", 1, 0))
        fail_setup("setxattr");
}
static void with_attribute_inherited(void)
{
    with_inherited();
    if (setxattr("file", "user.x", "1", 1, 0))
        fail_setup("setxattr");
}

CASE(getxattr, "probe", "getxattr", (.setup = with_attribute), (NAMED("probe", "file")))
{
    OK(SYS(getxattr, "file", "user.x", buffer, 100L));
}

CASE(getxattr_none, "probe", "getxattr, ENODATA", (.setup = with_file), (FAILED_AT("probe", "file", "ENODATA")))
{
    FAILS(ENODATA, SYS(getxattr, "file", "user.x", buffer, 100L));
}

CASE(lgetxattr, "probe", "lgetxattr, ENODATA", (.setup = with_link),
     (FAILED_AT_ITSELF("probe", "link", "ENODATA")))
{
    FAILS(ENODATA, SYS(lgetxattr, "link", "trusted.x", buffer, 100L));
}

CASE(fgetxattr, "probe", "fgetxattr, inherited descriptor", (.setup = with_attribute_inherited),
     (DID_WITH("probe", "file", "inherited")))
{
    OK(SYS(fgetxattr, inherited_fd, "user.x", buffer, 100L));
}

BY_NAME(listxattr, "probe", "listxattr", "file", SYS(listxattr, "file", buffer, 100L))
BY_NAME_ITSELF(llistxattr, "probe", "llistxattr", "link", SYS(llistxattr, "link", buffer, 100L))

CASE(flistxattr, "probe", "flistxattr, inherited descriptor", (.setup = with_inherited),
     (DID_WITH("probe", "file", "inherited")))
{
    OK(SYS(flistxattr, inherited_fd, buffer, 100L));
}

struct xattr_args_ {
    uint64_t value;
    uint32_t size, flags;
};
#define XATTRAT .needs = "getxattrat and its like (Linux 6.13)", .syscall = __NR_getxattrat

CASE(getxattrat, "probe", "getxattrat", (.setup = with_attribute, XATTRAT), (NAMED("probe", "file")))
{
    struct xattr_args_ arguments = {.value = (uint64_t)(uintptr_t)buffer, .size = 100};

    OK(SYS(getxattrat, AT_FDCWD, "file", 0, "user.x", &arguments, sizeof(arguments)));
}

CASE(listxattrat, "probe", "listxattrat, AT_SYMLINK_NOFOLLOW", (.setup = with_link, XATTRAT),
     (NAMED_ITSELF("probe", "link")))
{
    OK(SYS(listxattrat, AT_FDCWD, "link", AT_SYMLINK_NOFOLLOW, buffer, 100L));
}

CASE(file_getattr, "probe", "file_getattr",
     (.setup = with_file, .needs = "file_getattr (Linux 6.17)", .syscall = __NR_file_getattr),
     (NAMED("probe", "file")))
{
    OK(SYS(file_getattr, AT_FDCWD, "file", buffer, 24L, 0));
}
