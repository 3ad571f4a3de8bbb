/* Processes in cgroups below the container's own one. */
#include "matrix.h"

#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/vfs.h>

/* Whether the container lives in v2, which is what it is shown; on a hybrid host it is in both. */
static int is_unified(void)
{
    struct statfs status;

    return statfs("/sys/fs/cgroup", &status) == 0 && status.f_type == 0x63677270 /* CGROUP2_SUPER_MAGIC */;
}

/* The container's path in the hierarchy that says which container it is: v1's pids, or v2. */
static void own_cgroup(char *path, size_t size)
{
    FILE *file = fopen("/proc/self/cgroup", "r");
    char line[512];

    path[0] = 0;
    while (file && fgets(line, sizeof(line), file)) {
        char *controllers = strchr(line, ':') + 1, *name = strchr(controllers, ':') + 1;

        if (strncmp(controllers, is_unified() ? ":" : "pids:", is_unified() ? 1 : 5))
            continue;
        name[strcspn(name, "\n")] = 0;
        snprintf(path, size, "%s", strcmp(name, "/") ? name : "");
    }
    if (file)
        fclose(file);
}

static char own[600], below[640];

static void move_to(const char *directory)
{
    char name[700];
    int fd;

    snprintf(name, sizeof(name), "%s/cgroup.procs", directory);
    fd = open(name, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1 || close(fd))
        fail_setup(name);
}

static void with_cgroup(void)
{
    int unified = is_unified();
    char path[512];

    own_cgroup(path, sizeof(path));
    make_file("file");
    make_directory("cgroup");
    if (mount("none", "cgroup", unified ? "cgroup2" : "cgroup", 0, unified ? NULL : "pids"))
        fail_setup("mount");
    snprintf(own, sizeof(own), "%s/cgroup%s", case_directory(), path);
    snprintf(below, sizeof(below), "%s/below", own);
    make_directory(below);
}

static void remove_cgroup(void)
{
    move_to(own);
    close_inherited();
    if (rmdir(below) || umount2("cgroup", MNT_DETACH))
        fail_setup("remove cgroup");
}

static void move_below(void)
{
    with_cgroup();
    move_to(below);
}

static int can_mount(void)
{
    return syscall(__NR_mount, "none", "/", 0L, (long)(MS_REC | MS_PRIVATE), 0L) == 0;
}
static int can_clone_into(void) { return can_mount() && is_unified(); }

#define CHILD_READS                                               \
    {.op = "probe", .path = "file", .flags = "open", .who = 1},   \
        {.op = "read", .path = "file", .who = 1},

CASE(cgroup_below, "read", "a process, and its child, in a cgroup made below the container's",
     (.setup = move_below, .cleanup = remove_cgroup, .processes = 1, .has = can_mount,
      .needs = "CAP_SYS_ADMIN in the container"),
     (OPENED("file") CHILD_READS))
{
    open_and_close("file", O_RDONLY);
    int child = fork_as(1);

    if (child == 0) {
        read_file("file");
        SYS(exit_group, 0);
    }
    reap(child);
}

static void with_cgroup_opened(void)
{
    with_cgroup();
    inherited_fd = open(below, O_RDONLY | O_DIRECTORY);
}
CASE(clone3_into_cgroup, "read", "clone3 with CLONE_INTO_CGROUP, below the container's",
     (.setup = with_cgroup_opened, .cleanup = remove_cgroup, .processes = 1, .has = can_clone_into,
      .needs = "cgroup v2, and CAP_SYS_ADMIN in the container"),
     (CHILD_READS))
{
    struct clone_args how = {.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (uint64_t)inherited_fd};
    int child = (int)OK(SYS(clone3, &how, sizeof(how)));

    if (child == 0) {
        shared->pids[1] = (int)SYS(getpid);
        read_file("file");
        SYS(exit_group, 0);
    }
    reap(child);
}
