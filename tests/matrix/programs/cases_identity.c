/* Which object is it, and has it been reported before? */
#include "matrix.h"

#include <linux/sched.h>
#include <signal.h>
#include <sys/stat.h>

static struct stat status;

CASE(repeated, "read", "the same file opened and read twice: one row each", (.setup = with_file),
     (OPENED("file") DID("read", "file")))
{
    read_file("file");
    read_file("file");
}

CASE(repeated_probe, "probe", "the same name looked at twice: one row", (.setup = with_file),
     (NAMED("probe", "file") ABSENT("none")))
{
    for (int i = 0; i < 2; i++) {
        OK(SYS(newfstatat, AT_FDCWD, "file", &status, 0));
        FAILS(ENOENT, SYS(newfstatat, AT_FDCWD, "none", &status, 0));
    }
}

static void with_hard_links(void)
{
    make_file("file");
    if (link("file", "other"))
        fail_setup("link");
}
CASE(hard_links, "read", "one file by two names: two rows", (.setup = with_hard_links),
     (OPENED("file") DID("read", "file") OPENED("other") DID("read", "other")))
{
    read_file("file");
    read_file("other");
}

CASE(renamed_between, "read", "renamed between two accesses: both names", (.setup = with_file),
     (OPENED("file") DID("read", "file") TWO("rename", "file", "new") OPENED("new") DID("read", "new")))
{
    read_file("file");
    OK(SYS(renameat, AT_FDCWD, "file", AT_FDCWD, "new"));
    read_file("new");
}

CASE(renamed_while_open, "write", "renamed while open, then written: the new name", (.setup = with_file),
     (OPENED("file") TWO("rename", "file", "new") DID("write", "new")))
{
    int fd = open_file("file", O_WRONLY);

    OK(SYS(renameat, AT_FDCWD, "file", AT_FDCWD, "new"));
    OK(SYS(write, fd, "abc", 3L));
}

CASE(renamed_base, "read", "a directory renamed while open, then the base of a name",
     (.setup = with_inherited_directory),
     ({.op = "rename", .path = "dir", .to = "new", .flags = "lexical nofollow", .resolved_flags = "directory"}, OPENED("new/file") DID("read", "new/file")))
{
    OK(SYS(renameat, AT_FDCWD, "dir", AT_FDCWD, "new"));
    OK(SYS(read, (int)OK(SYS(openat, inherited_fd, "file", O_RDONLY)), buffer, 4L));
}

CASE(deleted_while_open, "read", "deleted while open, then read", (.setup = with_file),
     (OPENED("file") NAMED_ITSELF("delete", "file") DID_WITH("read", "file", "deleted")))
{
    int fd = open_file("file", O_RDONLY);

    OK(SYS(unlinkat, AT_FDCWD, "file", 0));
    OK(SYS(read, fd, buffer, 4L));
}

CASE(deleted_reopened, "read", "deleted while open, opened again through /proc/self/fd", (.setup = with_file),
     (OPENED("file") NAMED_ITSELF("delete", "file") DID_WITH("read", "file", "deleted")))
{
    OK(SYS(dup3, open_file("file", O_RDONLY), 100, 0));
    OK(SYS(unlinkat, AT_FDCWD, "file", 0));
    read_file("/proc/self/fd/100");
}

/* The rows of a name that comes and goes have to leave its last state, or a cache stores the wrong
 * outputs. */
CASE(made_again, "create", "created, deleted, created again: each has its row", (),
     (DID("create", "file") NAMED_ITSELF("delete", "file") DID("create", "file")))
{
    open_and_close("file", O_WRONLY | O_CREAT);
    OK(SYS(unlinkat, AT_FDCWD, "file", 0));
    open_and_close("file", O_WRONLY | O_CREAT);
}

CASE(deleted_again, "delete", "created and deleted twice: each has its row", (),
     (DID("create", "file") NAMED_ITSELF("delete", "file") DID("create", "file") NAMED_ITSELF("delete", "file")))
{
    for (int i = 0; i < 2; i++) {
        open_and_close("file", O_WRONLY | O_CREAT);
        OK(SYS(unlinkat, AT_FDCWD, "file", 0));
    }
}

CASE(directory_again, "mkdir", "a directory made, removed, made again: each has its row", (),
     (NAMED_ITSELF("mkdir", "dir") NAMED_ITSELF("rmdir", "dir") NAMED_ITSELF("mkdir", "dir")))
{
    OK(SYS(mkdirat, AT_FDCWD, "dir", 0755));
    OK(SYS(unlinkat, AT_FDCWD, "dir", AT_REMOVEDIR));
    OK(SYS(mkdirat, AT_FDCWD, "dir", 0755));
}

CASE(renamed_again, "rename", "there, back and there again: each has its row", (.setup = with_file),
     (TWO("rename", "file", "new") TWO("rename", "new", "file") TWO("rename", "file", "new")))
{
    OK(SYS(renameat, AT_FDCWD, "file", AT_FDCWD, "new"));
    OK(SYS(renameat, AT_FDCWD, "new", AT_FDCWD, "file"));
    OK(SYS(renameat, AT_FDCWD, "file", AT_FDCWD, "new"));
}

CASE(inode_reused, "read", "another file under the name of a deleted one: both are read", (.setup = with_file),
     (OPENED("file") DID("read", "file") NAMED_ITSELF("delete", "file") DID("create", "file")
          DID("write", "file")))
{
    read_file("file");
    OK(SYS(unlinkat, AT_FDCWD, "file", 0));
    int fd = open_file("file", O_RDWR | O_CREAT);

    OK(SYS(write, fd, "abc", 3L));
}

CASE(outlives_parent, "read", "a process whose parent has ended", (.setup = with_file, .processes = 1),
     ({.op = "probe", .path = "file", .flags = "open", .who = 1}, {.op = "read", .path = "file", .who = 1}, ))
{
    int parent = (int)SYS(getpid);

    if (fork_as(1) != 0)
        return;
    while (SYS(getppid) == parent)
        SYS(sched_yield);
    read_file("file");
}

static int has_set_tid(void)
{
    pid_t number = 30000;
    struct clone_args how = {.exit_signal = SIGCHLD, .set_tid = (uint64_t)(uintptr_t)&number, .set_tid_size = 1};
    long child = syscall(__NR_clone3, &how, sizeof(how));

    if (child == 0)
        syscall(__NR_exit_group, 0);
    return child > 0;
}

static void read_as_number(int who)
{
    pid_t number = 30001;
    struct clone_args how = {.exit_signal = SIGCHLD, .set_tid = (uint64_t)(uintptr_t)&number, .set_tid_size = 1};
    int child = (int)OK(SYS(clone3, &how, sizeof(how)));

    if (child == 0) {
        shared->pids[who] = (int)SYS(getpid);
        read_file("file");
        SYS(exit_group, 0);
    }
    reap(child);
}
CASE(pid_reused, "read", "two processes of the same number, one after the other",
     (.setup = with_file, .processes = 2, .has = has_set_tid, .needs = "clone3 with set_tid (Linux 5.5)"),
     ({.op = "probe", .path = "file", .flags = "open", .who = 1}, {.op = "read", .path = "file", .who = 1},
      {.op = "probe", .path = "file", .flags = "open", .who = 2}, {.op = "read", .path = "file", .who = 2}, ))
{
    read_as_number(1);
    read_as_number(2);
}

/* /image/file comes with the image: the first access finds the lower layer's file, the write moves
 * it to the upper one. */
CASE(overlay_copy_up, "write", "a file of the image, read, then written (overlay: lower, then upper)", (),
     (OPENED("/image/file") DID("read", "/image/file") DID("write", "/image/file")))
{
    read_file("/image/file");
    int fd = open_file("/image/file", O_RDWR);

    OK(SYS(read, fd, buffer, 4L));
    OK(SYS(write, fd, "abc", 3L));
}
