/* Another root, other mounts, another cgroup. Paths are those that the process sees. */
#include "matrix.h"

#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

static void with_root(void)
{
    with_inherited_directory();
    make_directory("root");
    make_file("root/file");
    make_directory("root/inner");
}

CASE(chroot, "probe", "chroot: names from the new root on", (.setup = with_root),
     (NAMED_DIRECTORY("probe", "root") DID_WITH("probe", "/", "directory") OPENED("/file") DID("read", "/file") ABSENT("/none")))
{
    OK(SYS(chroot, "root"));
    OK(SYS(chdir, "/"));
    read_file("/file");
    FAILS(ENOENT, SYS(openat, AT_FDCWD, "none", O_RDONLY));
}

CASE(chroot_outside, "read", "a file outside of the root, through an older descriptor", (.setup = with_root),
     (NAMED_DIRECTORY("probe", "root") DID_WITH("probe", "dir/file", "open unreachable")
          DID_WITH("read", "dir/file", "unreachable")))
{
    OK(SYS(chroot, "root"));
    OK(SYS(read, (int)OK(SYS(openat, inherited_fd, "file", O_RDONLY)), buffer, 4L));
}

static int can_mount(void) { return syscall(__NR_mount, "none", "/", 0L, (long)(MS_REC | MS_PRIVATE), 0L) == 0; }
#define MOUNTS .has = can_mount, .needs = "CAP_SYS_ADMIN in the container"

static void private_mounts(void)
{
    OK(SYS(unshare, CLONE_NEWNS));
    OK(SYS(mount, "none", "/", 0L, (long)(MS_REC | MS_PRIVATE), 0L));
}

CASE(mount_tmpfs, "create", "a file in a new mount of a nested mount namespace", (.setup = with_root, MOUNTS),
     (DID("create", "root/new") DID("write", "root/new")))
{
    private_mounts();
    OK(SYS(mount, "none", "root", "tmpfs", 0L, 0L));
    OK(SYS(write, open_file("root/new", O_WRONLY | O_CREAT), "abc", 3L));
}

CASE(mount_bind, "read", "a file through a bind mount: the name it was opened by", (.setup = with_root, MOUNTS),
     (OPENED("root/inner/file") DID("read", "root/inner/file") OPENED("dir/file") DID("read", "dir/file")))
{
    private_mounts();
    OK(SYS(mount, "dir", "root/inner", 0L, (long)MS_BIND, 0L));
    read_file("root/inner/file");
    read_file("dir/file");
}

CASE(mount_bind_file, "read", "a bind mount of a file", (.setup = with_root, MOUNTS),
     (OPENED("file") DID("read", "file")))
{
    private_mounts();
    OK(SYS(mount, "dir/file", "file", 0L, (long)MS_BIND, 0L));
    read_file("file");
}

CASE(pivot_root, "read", "pivot_root: a container in the container", (.setup = with_root, MOUNTS),
     (DID_WITH("probe", "root", "directory") DID_WITH("probe", "/", "directory") OPENED("/file") DID("read", "/file")
          OPENED("/inner/matrix")))
{
    private_mounts();
    OK(SYS(mount, "root", "root", 0L, (long)MS_BIND, 0L));
    OK(SYS(chdir, "root"));
    OK(SYS(pivot_root, ".", "inner"));
    OK(SYS(chdir, "/"));
    read_file("/file");
    open_and_close("/inner/matrix", O_PATH);
}

CASE(user_namespace, "read", "a nested user, mount and pid namespace: the container's numbers",
     (.setup = with_file, .processes = 1, MOUNTS),
     (OPENED("file"){.op = "probe", .path = "file", .flags = "open", .who = 1},
      {.op = "read", .path = "file", .who = 1}, ))
{
    OK(SYS(unshare, CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID));
    open_and_close("file", O_RDONLY);
    /* getpid() in the child is 1: the parent, which lives outside, knows its number. */
    int child = (int)OK(SYS(clone, (long)SIGCHLD, 0L, 0L, 0L, 0L));

    if (child == 0) {
        read_file("file");
        SYS(exit_group, 0);
    }
    shared->pids[1] = child;
    reap(child);
}

