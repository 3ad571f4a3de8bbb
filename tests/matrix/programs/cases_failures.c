/* Calls that fail: the operation meant, with its error; what is not there is `absent`. */
#include "matrix.h"

#include <sys/resource.h>
#include <sys/stat.h>

static struct stat status;

static void with_private_directory(void)
{
    with_directory();
    if (chmod("dir", 0700) || chmod("file", 0600))
        fail_setup("chmod");
}

#define DENIED(id, op, call_name, rows, call)                          \
    CASE(id, op, call_name ", EACCES", (.setup = with_private_directory), rows) \
    {                                                                  \
        become_ordinary();                                             \
        FAILS(EACCES, call);                                           \
    }

DENIED(eacces_read, "read", "openat for reading", (FAILED("read", "file", "EACCES")),
       SYS(openat, AT_FDCWD, "file", O_RDONLY))
DENIED(eacces_write, "write", "openat for writing", (FAILED("write", "file", "EACCES")),
       SYS(openat, AT_FDCWD, "file", O_WRONLY))
DENIED(eacces_create, "create", "openat O_CREAT", (FAILED_AT("create", "new", "EACCES")),
       SYS(openat, AT_FDCWD, "new", O_WRONLY | O_CREAT, 0644))
DENIED(eacces_stat, "probe", "newfstatat below a closed directory", (FAILED("probe", "dir/file", "EACCES")),
       SYS(newfstatat, AT_FDCWD, "dir/file", &status, 0))
DENIED(eacces_access, "probe", "faccessat", (FAILED_AT("probe", "file", "EACCES")), SYS(faccessat, AT_FDCWD, "file", 4))
DENIED(eacces_unlink, "delete", "unlinkat", (FAILED_AT_ITSELF("delete", "file", "EACCES")),
       SYS(unlinkat, AT_FDCWD, "file", 0))
DENIED(eacces_mkdir, "mkdir", "mkdirat", (FAILED_AT_ITSELF("mkdir", "new", "EACCES")),
       SYS(mkdirat, AT_FDCWD, "new", 0755))
DENIED(eacces_rename, "rename", "renameat",
       ({.op = "rename", .path = "file", .to = "new", .error = "EACCES", .flags = "lexical nofollow", .resolved = "file"}, ),
       SYS(renameat, AT_FDCWD, "file", AT_FDCWD, "new"))
DENIED(eacces_truncate, "truncate", "truncate", (FAILED_AT("truncate", "file", "EACCES")), SYS(truncate, "file", 1L))

CASE(eperm_chmod, "metadata", "fchmodat, EPERM", (.setup = with_file), (FAILED_AT("metadata", "file", "EPERM")))
{
    become_ordinary();
    FAILS(EPERM, SYS(fchmodat, AT_FDCWD, "file", 0600));
}

CASE(enotdir_open, "absent", "openat below a file, ENOTDIR", (.setup = with_file),
     (FAILED("absent", "file/below", "ENOTDIR")))
{
    FAILS(ENOTDIR, SYS(openat, AT_FDCWD, "file/below", O_RDONLY));
}

CASE(enotdir_dirfd, "absent", "openat, descriptor of a file, ENOTDIR", (.setup = with_inherited),
     (FAILED("absent", "file/below", "ENOTDIR")))
{
    FAILS(ENOTDIR, SYS(openat, inherited_fd, "below", O_RDONLY));
}

CASE(enotdir_directory, "absent", "openat O_DIRECTORY of a file, ENOTDIR", (.setup = with_file),
     (FAILED("absent", "file", "ENOTDIR")))
{
    FAILS(ENOTDIR, SYS(openat, AT_FDCWD, "file", O_RDONLY | O_DIRECTORY));
}

CASE(enotdir_stat, "absent", "newfstatat below a file, ENOTDIR", (.setup = with_file),
     (FAILED("absent", "file/below", "ENOTDIR")))
{
    FAILS(ENOTDIR, SYS(newfstatat, AT_FDCWD, "file/below", &status, 0));
}

static void with_loop(void) { make_link("loop", "loop"); }
CASE(eloop_open, "read", "openat, ELOOP", (.setup = with_loop), (FAILED("read", "loop", "ELOOP")))
{
    FAILS(ELOOP, SYS(openat, AT_FDCWD, "loop", O_RDONLY));
}

CASE(eloop_stat, "probe", "newfstatat, ELOOP", (.setup = with_loop), (FAILED("probe", "loop", "ELOOP")))
{
    FAILS(ELOOP, SYS(newfstatat, AT_FDCWD, "loop", &status, 0));
}

CASE(eloop_nofollow, "read", "openat O_NOFOLLOW of a symlink, ELOOP", (.setup = with_link),
     (FAILED_ITSELF("read", "link", "ELOOP")))
{
    FAILS(ELOOP, SYS(openat, AT_FDCWD, "link", O_RDONLY | O_NOFOLLOW));
}

CASE(eisdir_open, "write", "openat for writing, EISDIR", (.setup = with_directory),
     (FAILED("write", "dir", "EISDIR")))
{
    FAILS(EISDIR, SYS(openat, AT_FDCWD, "dir", O_WRONLY));
}

CASE(eisdir_unlink, "delete", "unlinkat of a directory, EISDIR", (.setup = with_directory),
     ({.op = "delete", .path = "dir", .error = "EISDIR", .flags = "lexical nofollow", .resolved_flags = "directory"}, ))
{
    FAILS(EISDIR, SYS(unlinkat, AT_FDCWD, "dir", 0));
}

CASE(enotempty_rmdir, "rmdir", "unlinkat AT_REMOVEDIR, ENOTEMPTY", (.setup = with_directory),
     (FAILED_AT_ITSELF("rmdir", "dir", "ENOTEMPTY")))
{
    FAILS(ENOTEMPTY, SYS(unlinkat, AT_FDCWD, "dir", AT_REMOVEDIR));
}

CASE(enotdir_rmdir, "absent", "unlinkat AT_REMOVEDIR of a file, ENOTDIR", (.setup = with_file),
     (FAILED_ITSELF("absent", "file", "ENOTDIR")))
{
    FAILS(ENOTDIR, SYS(unlinkat, AT_FDCWD, "file", AT_REMOVEDIR));
}

CASE(eexist_mkdir, "mkdir", "mkdirat, EEXIST", (.setup = with_directory), (FAILED_ITSELF("mkdir", "dir", "EEXIST")))
{
    FAILS(EEXIST, SYS(mkdirat, AT_FDCWD, "dir", 0755));
}

CASE(eexist_link, "link", "linkat, EEXIST", (.setup = with_two_files),
     ({.op = "link", .path = "file", .to = "other", .error = "EEXIST", .flags = "lexical nofollow"}, ))
{
    FAILS(EEXIST, SYS(linkat, AT_FDCWD, "file", AT_FDCWD, "other", 0));
}

CASE(eexist_symlink, "symlink", "symlinkat, EEXIST", (.setup = with_file),
     ({.op = "symlink", .path = "file", .to = "x", .error = "EEXIST", .flags = "lexical nofollow"}, ))
{
    FAILS(EEXIST, SYS(symlinkat, "x", AT_FDCWD, "file"));
}

CASE(exdev_rename, "rename", "renameat to another file system, EXDEV", (.setup = with_file),
     ({.op = "rename", .path = "file", .to = "/dev/shm/x", .error = "EXDEV", .flags = "lexical nofollow"}, ))
{
    FAILS(EXDEV, SYS(renameat, AT_FDCWD, "file", AT_FDCWD, "/dev/shm/x"));
}

CASE(erofs_create, "create", "openat O_CREAT on a read-only mount, EROFS", (),
     (FAILED("create", "/run/spoor/trace/new", "EROFS")))
{
    FAILS(EROFS, SYS(openat, AT_FDCWD, "/run/spoor/trace/new", O_WRONLY | O_CREAT, 0644));
}

/* overlayfs of Linux 5.10 lets it be opened. */
static int has_busy_programs(void)
{
    int fd = open("/matrix", O_WRONLY);

    if (fd < 0)
        return 1;
    close(fd);
    return 0;
}

CASE(etxtbsy_write, "write", "openat for writing of a running program, ETXTBSY",
     (.has = has_busy_programs, .needs = "a root that keeps running programs from being written"),
     (FAILED("write", "/matrix", "ETXTBSY")))
{
    FAILS(ETXTBSY, SYS(openat, AT_FDCWD, "/matrix", O_WRONLY));
}

CASE(emfile_open, "read", "openat, EMFILE", (.setup = with_file), (FAILED("read", "file", "EMFILE")))
{
    struct rlimit none = {.rlim_cur = 0, .rlim_max = 4096};

    OK(SYS(prlimit64, 0, RLIMIT_NOFILE, &none, 0L));
    FAILS(EMFILE, SYS(openat, AT_FDCWD, "file", O_RDONLY));
}
