/* Names: made, moved, removed. */
#include "matrix.h"

#include <linux/fs.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static void with_subdirectory(void) { make_directory("dir"); }

#ifdef __NR_rename
CASE(rename, "rename", "rename", (.setup = with_file), (TWO("rename", "file", "new")))
{
    OK(SYS(rename, "file", at("new")));
}

CASE(rename_over, "rename", "rename over an existing file", (.setup = with_two_files),
     (TWO("rename", "file", "other")))
{
    OK(SYS(rename, "file", "other"));
}

CASE(unlink, "delete", "unlink", (.setup = with_file), (NAMED_ITSELF("delete", "file")))
{
    OK(SYS(unlink, at("file")));
}

CASE(rmdir, "rmdir", "rmdir", (.setup = with_subdirectory), (NAMED_ITSELF("rmdir", "dir")))
{
    OK(SYS(rmdir, at("dir")));
}

CASE(mkdir, "mkdir", "mkdir", (), (NAMED_ITSELF("mkdir", "dir")))
{
    OK(SYS(mkdir, at("dir"), 0755));
}

CASE(link, "link", "link", (.setup = with_file), (TWO("link", "file", "new")))
{
    OK(SYS(link, "file", "new"));
}

CASE(symlink, "symlink", "symlink", (), (TWO("symlink", "link", "some//target/../x")))
{
    OK(SYS(symlink, "some//target/../x", "link"));
}

CASE(mknod, "mknod", "mknod, a fifo", (), (NAMED_ITSELF("mknod", "fifo")))
{
    OK(SYS(mknod, "fifo", S_IFIFO | 0644, 0L));
}
#endif

CASE(renameat, "rename", "renameat, two descriptors", (.setup = with_inherited_directory),
     (OPENED_DIRECTORY(".") TWO("rename", "dir/file", "new")))
{
    int here = open_file(".", O_RDONLY);

    OK(SYS(renameat, inherited_fd, "file", here, "new"));
}

CASE(renameat2, "rename", "renameat2", (.setup = with_inherited_directory), (TWO("rename", "file", "dir/new")))
{
    OK(SYS(renameat2, AT_FDCWD, "file", inherited_fd, "new", 0));
}

CASE(renameat2_noreplace, "rename", "renameat2, RENAME_NOREPLACE", (.setup = with_file),
     (TWO("rename", "file", "new")))
{
    OK(SYS(renameat2, AT_FDCWD, "file", AT_FDCWD, "new", RENAME_NOREPLACE));
}

CASE(renameat2_noreplace_exists, "rename", "renameat2, RENAME_NOREPLACE, EEXIST", (.setup = with_two_files),
     ({.op = "rename", .path = "file", .to = "other", .error = "EEXIST", .flags = "lexical nofollow"}, ))
{
    FAILS(EEXIST, SYS(renameat2, AT_FDCWD, "file", AT_FDCWD, "other", RENAME_NOREPLACE));
}

CASE(renameat2_exchange, "rename", "renameat2, RENAME_EXCHANGE", (.setup = with_two_files),
     ({.op = "rename", .path = "file", .to = "other", .flags = "lexical nofollow exchange"}, ))
{
    OK(SYS(renameat2, AT_FDCWD, "file", AT_FDCWD, "other", RENAME_EXCHANGE));
}

CASE(rename_directory, "rename", "a directory; what is in it is found under the new name",
     (.setup = with_directory),
     ({.op = "rename", .path = "dir", .to = "new", .flags = "lexical nofollow", .resolved_flags = "directory"}, OPENED("new/file") DID("read", "new/file")))
{
    OK(SYS(renameat, AT_FDCWD, "dir", AT_FDCWD, "new"));
    read_file("new/file");
}

CASE(rename_absent, "rename", "renameat, ENOENT: which of the two is not known", (),
     ({.op = "rename", .path = "file", .to = "new", .error = "ENOENT", .flags = "lexical nofollow"}, ))
{
    FAILS(ENOENT, SYS(renameat, AT_FDCWD, "file", AT_FDCWD, "new"));
}

CASE(unlinkat, "delete", "unlinkat", (.setup = with_inherited_directory), (NAMED_ITSELF("delete", "dir/file")))
{
    OK(SYS(unlinkat, inherited_fd, "file", 0));
}

CASE(unlinkat_link, "delete", "unlinkat, a symlink itself", (.setup = with_link),
     (NAMED_ITSELF("delete", "link")))
{
    OK(SYS(unlinkat, AT_FDCWD, "link", 0));
}

CASE(unlinkat_absent, "absent", "unlinkat, ENOENT", (), (ABSENT_ITSELF("file")))
{
    FAILS(ENOENT, SYS(unlinkat, AT_FDCWD, "file", 0));
}

CASE(unlinkat_directory, "rmdir", "unlinkat, AT_REMOVEDIR", (.setup = with_subdirectory),
     (NAMED_ITSELF("rmdir", "dir")))
{
    OK(SYS(unlinkat, AT_FDCWD, "dir", AT_REMOVEDIR));
}

CASE(mkdirat, "mkdir", "mkdirat", (.setup = with_inherited_directory), (NAMED_ITSELF("mkdir", "dir/new")))
{
    OK(SYS(mkdirat, inherited_fd, "new", 0755));
}

CASE(mkdirat_absent, "absent", "mkdirat, ENOENT", (), (ABSENT_ITSELF("none/new")))
{
    FAILS(ENOENT, SYS(mkdirat, AT_FDCWD, "none/new", 0755));
}

CASE(linkat, "link", "linkat, a descriptor and the working directory", (.setup = with_inherited_directory),
     (TWO("link", "dir/file", "new")))
{
    OK(SYS(linkat, inherited_fd, "file", AT_FDCWD, "new", 0));
}

CASE(linkat_link, "link", "linkat, a symlink itself", (.setup = with_link), (TWO("link", "link", "new")))
{
    OK(SYS(linkat, AT_FDCWD, "link", AT_FDCWD, "new", 0));
}

CASE(linkat_follow, "link", "linkat, AT_SYMLINK_FOLLOW", (.setup = with_link),
     ({.op = "link", .path = "link", .to = "new", .flags = "lexical", .resolved = "file"}, ))
{
    OK(SYS(linkat, AT_FDCWD, "link", AT_FDCWD, "new", AT_SYMLINK_FOLLOW));
}

CASE(symlinkat, "symlink", "symlinkat", (.setup = with_inherited_directory),
     (TWO("symlink", "dir/link", "target")))
{
    OK(SYS(symlinkat, "target", inherited_fd, "link"));
}

CASE(symlinkat_absent, "absent", "symlinkat, ENOENT", (), (ABSENT_ITSELF("none/link")))
{
    FAILS(ENOENT, SYS(symlinkat, "target", AT_FDCWD, "none/link"));
}

CASE(mknodat_fifo, "mknod", "mknodat, a fifo", (.setup = with_inherited_directory),
     (NAMED_ITSELF("mknod", "dir/fifo")))
{
    OK(SYS(mknodat, inherited_fd, "fifo", S_IFIFO | 0644, 0L));
}

CASE(mknodat_file, "mknod", "mknodat, a regular file", (), (NAMED_ITSELF("mknod", "file")))
{
    OK(SYS(mknodat, AT_FDCWD, "file", S_IFREG | 0644, 0L));
}

CASE(mknodat_socket, "mknod", "mknodat, a socket", (), (NAMED_ITSELF("mknod", "socket")))
{
    OK(SYS(mknodat, AT_FDCWD, "socket", S_IFSOCK | 0644, 0L));
}

CASE(mknodat_exists, "mknod", "mknodat, EEXIST", (.setup = with_file),
     (FAILED_ITSELF("mknod", "file", "EEXIST")))
{
    FAILS(EEXIST, SYS(mknodat, AT_FDCWD, "file", S_IFREG | 0644, 0L));
}

static int can_make_devices(void)
{
    int made = mknod("/matrix-device", S_IFCHR | 0600, 0x103) == 0;

    if (made)
        unlink("/matrix-device");
    return made;
}
CASE(mknodat_device, "mknod", "mknodat, a device",
     (.has = can_make_devices, .needs = "CAP_MKNOD in the host's user namespace"), (NAMED_ITSELF("mknod", "device")))
{
    OK(SYS(mknodat, AT_FDCWD, "device", S_IFCHR | 0600, 0x103L));
}
