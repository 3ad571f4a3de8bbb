/* Mode, owner, times and attributes changed. */
#include "matrix.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <utime.h>

#define BY_NAME(id, call_name, name, call) \
    CASE(id, "metadata", call_name, (.setup = with_link), (NAMED_FOR("metadata", name, "file"))) { OK(call); }
#define BY_NAME_ITSELF(id, call_name, name, call) \
    CASE(id, "metadata", call_name, (.setup = with_link), (NAMED_ITSELF("metadata", name))) { OK(call); }
#define BY_DESCRIPTOR(id, call_name, call)                                                  \
    CASE(id, "metadata", call_name, (.setup = with_file), (OPENED("file") DID("metadata", "file"))) \
    {                                                                                       \
        int fd = open_file("file", O_RDWR);                                                 \
                                                                                            \
        OK(call);                                                                           \
    }

#ifdef __NR_chmod
BY_NAME(chmod, "chmod, through a symlink", "link", SYS(chmod, "link", 0600))
BY_NAME(chown, "chown", "file", SYS(chown, at("file"), 0, 0))
BY_NAME_ITSELF(lchown, "lchown", "link", SYS(lchown, "link", 0, 0))
BY_NAME(utime, "utime", "file", SYS(utime, "file", 0L))
BY_NAME(utimes, "utimes", "file", SYS(utimes, "file", 0L))
BY_NAME(futimesat, "futimesat", "file", SYS(futimesat, AT_FDCWD, "file", 0L))
BY_DESCRIPTOR(futimesat_null, "futimesat, NULL path", SYS(futimesat, fd, 0L, 0L))
#endif

BY_DESCRIPTOR(fchmod, "fchmod", SYS(fchmod, fd, 0600))
BY_DESCRIPTOR(fchown, "fchown", SYS(fchown, fd, 0, 0))
BY_NAME(fchmodat, "fchmodat", "file", SYS(fchmodat, AT_FDCWD, "file", 0600))

CASE(fchmod_inherited, "metadata", "fchmod, inherited descriptor", (.setup = with_inherited),
     (DID_WITH("metadata", "file", "inherited")))
{
    OK(SYS(fchmod, inherited_fd, 0600));
}

CASE(fchmodat_dirfd, "metadata", "fchmodat, descriptor", (.setup = with_inherited_directory),
     (NAMED("metadata", "dir/file")))
{
    OK(SYS(fchmodat, inherited_fd, "file", 0600));
}

CASE(fchmodat_absent, "absent", "fchmodat, ENOENT", (), (ABSENT("file")))
{
    FAILS(ENOENT, SYS(fchmodat, AT_FDCWD, "file", 0600));
}

#define FCHMODAT2 .needs = "fchmodat2 (Linux 6.6)", .syscall = __NR_fchmodat2

CASE(fchmodat2, "metadata", "fchmodat2", (.setup = with_file, FCHMODAT2), (NAMED("metadata", "file")))
{
    OK(SYS(fchmodat2, AT_FDCWD, "file", 0600, 0));
}

CASE(fchmodat2_nofollow, "metadata", "fchmodat2, AT_SYMLINK_NOFOLLOW", (.setup = with_file, FCHMODAT2),
     (NAMED_ITSELF("metadata", "file")))
{
    OK(SYS(fchmodat2, AT_FDCWD, "file", 0600, AT_SYMLINK_NOFOLLOW));
}

CASE(fchmodat2_empty, "metadata", "fchmodat2, AT_EMPTY_PATH", (.setup = with_file, FCHMODAT2),
     (OPENED("file") DID("metadata", "file")))
{
    OK(SYS(fchmodat2, open_file("file", O_RDONLY), "", 0600, AT_EMPTY_PATH));
}

BY_NAME(fchownat, "fchownat", "file", SYS(fchownat, AT_FDCWD, "file", 0, 0, 0))
BY_NAME_ITSELF(fchownat_nofollow, "fchownat, AT_SYMLINK_NOFOLLOW", "link",
               SYS(fchownat, AT_FDCWD, "link", 0, 0, AT_SYMLINK_NOFOLLOW))
BY_DESCRIPTOR(fchownat_empty, "fchownat, AT_EMPTY_PATH", SYS(fchownat, fd, "", 0, 0, AT_EMPTY_PATH))

CASE(fchownat_empty_link, "metadata", "fchownat, AT_EMPTY_PATH, O_PATH descriptor of a symlink",
     (.setup = with_link), (OPENED("link") DID("metadata", "link")))
{
    OK(SYS(fchownat, open_file("link", O_PATH | O_NOFOLLOW), "", 0, 0, AT_EMPTY_PATH));
}

static void with_fifo(void)
{
    if (mkfifo("fifo", 0644))
        fail_setup("fifo");
}
CASE(fchmod_fifo, "metadata", "fchmod of a fifo", (.setup = with_fifo),
     (OPENED("fifo") DID_WITH("read", "fifo", "intent") DID_WITH("write", "fifo", "intent") DID("metadata", "fifo")))
{
    OK(SYS(fchmod, open_file("fifo", O_RDWR | O_NONBLOCK), 0600));
}

CASE(fchmod_directory, "metadata", "fchmod of a directory", (.setup = with_directory),
     (OPENED_DIRECTORY("dir") DID_WITH("metadata", "dir", "directory")))
{
    OK(SYS(fchmod, open_file("dir", O_RDONLY), 0700));
}

BY_NAME(utimensat, "utimensat", "file", SYS(utimensat, AT_FDCWD, "file", 0L, 0))
BY_NAME_ITSELF(utimensat_nofollow, "utimensat, AT_SYMLINK_NOFOLLOW", "link",
               SYS(utimensat, AT_FDCWD, "link", 0L, AT_SYMLINK_NOFOLLOW))
BY_DESCRIPTOR(utimensat_null, "utimensat, descriptor and NULL path", SYS(utimensat, fd, 0L, 0L, 0))
BY_DESCRIPTOR(utimensat_empty, "utimensat, AT_EMPTY_PATH", SYS(utimensat, fd, "", 0L, AT_EMPTY_PATH))

BY_NAME(setxattr, "setxattr", "file", SYS(setxattr, "file", "user.x", "1", 1L, 0))
BY_DESCRIPTOR(fsetxattr, "fsetxattr", SYS(fsetxattr, fd, "user.x", "1", 1L, 0))

CASE(lsetxattr, "metadata", "lsetxattr of a symlink, EPERM", (.setup = with_link),
     (FAILED_AT_ITSELF("metadata", "link", "EPERM")))
{
    FAILS(EPERM, SYS(lsetxattr, "link", "user.x", "1", 1L, 0));
}

static void with_attribute(void)
{
    with_link();
    if (setxattr("file", "user.x", "1", 1, 0))
        fail_setup("setxattr");
}

CASE(removexattr, "metadata", "removexattr", (.setup = with_attribute), (NAMED_FOR("metadata", "link", "file")))
{
    OK(SYS(removexattr, "link", "user.x"));
}

CASE(lremovexattr, "metadata", "lremovexattr", (.setup = with_attribute), (NAMED_ITSELF("metadata", "file")))
{
    OK(SYS(lremovexattr, "file", "user.x"));
}

CASE(fremovexattr, "metadata", "fremovexattr", (.setup = with_attribute),
     (OPENED("file") DID("metadata", "file")))
{
    OK(SYS(fremovexattr, open_file("file", O_RDONLY), "user.x"));
}

struct xattr_args_ {
    uint64_t value;
    uint32_t size, flags;
};
#define XATTRAT .needs = "setxattrat and its like (Linux 6.13)", .syscall = __NR_setxattrat

CASE(setxattrat, "metadata", "setxattrat", (.setup = with_file, XATTRAT), (NAMED("metadata", "file")))
{
    struct xattr_args_ arguments = {.value = (uint64_t)(uintptr_t) "1", .size = 1};

    OK(SYS(setxattrat, AT_FDCWD, "file", 0, "user.x", &arguments, sizeof(arguments)));
}

CASE(removexattrat, "metadata", "removexattrat, AT_EMPTY_PATH", (.setup = with_attribute, XATTRAT),
     (OPENED("file") DID("metadata", "file")))
{
    OK(SYS(removexattrat, open_file("file", O_RDONLY), "", AT_EMPTY_PATH, "user.x"));
}

BY_DESCRIPTOR(ioctl_setflags, "ioctl FS_IOC_SETFLAGS", ({
                  int flags = 0;

                  MUST(SYS(ioctl, fd, FS_IOC_GETFLAGS, &flags) >= 0); /* not told. Without its other flags ext4 converts the file */
                  flags |= FS_NODUMP_FL;
                  SYS(ioctl, fd, FS_IOC_SETFLAGS, &flags);
              }))

BY_DESCRIPTOR(ioctl_upper_half, "ioctl FS_IOC_SETFLAGS, with more in the upper half of its number", ({
                  int flags = 0;

                  MUST(SYS(ioctl, fd, FS_IOC_GETFLAGS, &flags) >= 0);
                  flags |= FS_NODUMP_FL;
                  SYS(ioctl, fd, 1ul << 32 | FS_IOC_SETFLAGS, &flags);
              }))

CASE(file_setattr, "metadata", "file_setattr",
     (.setup = with_file, .needs = "file_setattr (Linux 6.17)", .syscall = __NR_file_setattr),
     (NAMED("metadata", "file")))
{
    static uint64_t attributes[3] = {0x80 /* FS_XFLAG_NODUMP */};

    OK(SYS(file_setattr, AT_FDCWD, "file", attributes, sizeof(attributes), 0));
}
