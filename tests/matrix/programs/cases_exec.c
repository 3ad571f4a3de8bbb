/* Programs: what execve really started, and what fork, vfork, clone3 and threads make of a process.
 * The made program reads descriptor 100 and asks for "after-exec", so that what comes after the
 * exec has a row, too. */
#include "matrix.h"

#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static char *arguments[] = {"prog", NULL};
static char *environment[] = {NULL};

static long execve_(const char *name) { return SYS(execve, name, arguments, environment); }
static long execveat_(int dirfd, const char *name, int flags)
{
    return SYS(execveat, dirfd, name, arguments, environment, flags);
}
/* The process is the new program now; the trail goes on in it. */
#define STARTED(name) DID("exec", name) ABSENT("after-exec")

CASE(execve_absolute, "exec", "execve, absolute path", (.setup = with_program), (STARTED("prog")))
{
    OK(execve_(at("prog")));
}

CASE(execve_relative, "exec", "execve, relative path", (.setup = with_program), (STARTED("prog")))
{
    OK(execve_("./prog"));
}

static void with_program_link(void)
{
    make_program("prog");
    make_link("prog", "link");
}
CASE(execve_link, "exec", "execve, through a symlink: the target", (.setup = with_program_link),
     (STARTED("prog")))
{
    OK(execve_("link"));
}

static void with_dynamic_program(void)
{
    make_loader("loader");
    make_dynamic_program("prog", at("loader"));
}
CASE(execve_loader, "exec", "execve, program and dynamic loader", (.setup = with_dynamic_program),
     (DID("exec", "prog") DID("mmap-exec", "loader") ABSENT("after-exec")))
{
    OK(execve_("prog"));
}

static void make_script(const char *name, const char *interpreter)
{
    char text[300] = "#!";

    make_text(name, strcat(strcat(text, interpreter), "\n"), 0755);
}
static void with_script(void)
{
    make_program("prog");
    make_script("script", at("prog"));
}
CASE(execve_script, "exec", "execve, #! script: script and interpreter", (.setup = with_script),
     (DID_WITH("exec", "script", "lexical") STARTED("prog")))
{
    OK(execve_("script"));
}

static void with_script_chain(void)
{
    with_script();
    make_script("outer", at("script"));
}
CASE(execve_script_chain, "exec", "execve, #! script whose interpreter is a script", (.setup = with_script_chain),
     (DID_WITH("exec", "outer", "lexical") DID_WITH("exec", "script", "lexical intent") STARTED("prog")))
{
    OK(execve_(at("outer")));
}

static void with_headless_script(void) { make_script("script", at("none")); }
CASE(execve_script_absent, "exec", "execve, #! script without its interpreter, ENOENT",
     (.setup = with_headless_script,
      .limit = "the call says ENOENT, and not that the interpreter is what is missing"),
     (ABSENT("script")))
{
    FAILS(ENOENT, execve_("script"));
}

CASE(execve_absent, "absent", "execve, ENOENT", (), (ABSENT("prog")))
{
    FAILS(ENOENT, execve_(at("prog")));
}

CASE(execve_denied, "exec", "execve, EACCES", (.setup = with_file), (FAILED("exec", "file", "EACCES")))
{
    FAILS(EACCES, execve_("file"));
}

static void with_no_program(void) { make_text("prog", "nothing that runs", 0755); }
CASE(execve_format, "exec", "execve, ENOEXEC", (.setup = with_no_program), (FAILED("exec", "prog", "ENOEXEC")))
{
    FAILS(ENOEXEC, execve_("prog"));
}

static void with_program_in_directory(void)
{
    make_directory("dir");
    make_program("dir/prog");
    make_link("prog", "dir/link");
    make_script("dir/script", at("dir/prog"));
    inherited_fd = open("dir", O_RDONLY | O_DIRECTORY);
}
CASE(execveat_dirfd, "exec", "execveat, descriptor", (.setup = with_program_in_directory), (STARTED("dir/prog")))
{
    OK(execveat_(inherited_fd, "prog", 0));
}

CASE(execveat_absent, "absent", "execveat, ENOENT", (.setup = with_program_in_directory), (ABSENT("dir/none")))
{
    FAILS(ENOENT, execveat_(inherited_fd, "none", 0));
}

CASE(execveat_nofollow, "exec", "execveat, AT_SYMLINK_NOFOLLOW, ELOOP", (.setup = with_program_in_directory),
     (FAILED_ITSELF("exec", "dir/link", "ELOOP")))
{
    FAILS(ELOOP, execveat_(inherited_fd, "link", AT_SYMLINK_NOFOLLOW));
}

CASE(execveat_empty, "exec", "execveat, AT_EMPTY_PATH", (.setup = with_program),
     (OPENED("prog") STARTED("prog")))
{
    OK(execveat_(open_file("prog", O_PATH | O_CLOEXEC), "", AT_EMPTY_PATH));
}

CASE(execveat_script, "exec", "execveat, descriptor, #! script", (.setup = with_program_in_directory),
     (DID_WITH("exec", "dir/script", "lexical") STARTED("dir/prog")))
{
    OK(execveat_(inherited_fd, "script", 0));
}

CASE(execveat_empty_script, "exec", "execveat, AT_EMPTY_PATH, #! script", (.setup = with_program_in_directory),
     (OPENED("dir/script") DID("exec", "dir/script") STARTED("dir/prog")))
{
    OK(execveat_(open_file("dir/script", O_RDONLY), "", AT_EMPTY_PATH));
}

CASE(exec_memfd, "exec", "execveat of a memfd: memory, no file", (.setup = with_program),
     (OPENED("prog") DID("read", "prog") DID_WITH("exec", "/memfd:prog", "memory") ABSENT("after-exec")))
{
    int from = open_file("prog", O_RDONLY | O_CLOEXEC);
    int fd = (int)OK(SYS(memfd_create, "prog", 1 /* MFD_CLOEXEC */));

    MUST(SYS(sendfile, fd, from, 0L, sizeof(buffer)) > 0);
    OK(execveat_(fd, "", AT_EMPTY_PATH));
}

CASE(exec_opened, "read", "read after exec through a descriptor opened before it", (.setup = with_program),
     (OPENED("prog") DID("exec", "prog") DID("read", "prog") ABSENT("after-exec")))
{
    OK(SYS(dup3, open_file("prog", O_RDONLY | O_CLOEXEC), 100, 0));
    OK(execve_("prog"));
}

static void with_program_inherited(void)
{
    make_program("prog");
    with_inherited();
}
CASE(exec_inherited, "read", "read after exec through an inherited descriptor", (.setup = with_program_inherited),
     (DID("exec", "prog") DID_WITH("read", "file", "inherited") ABSENT("after-exec")))
{
    OK(SYS(dup3, inherited_fd, 100, 0));
    OK(execve_("prog"));
}

/* ------------------------------------------------------------------------------------ processes */

CASE(fork, "read", "fork: the child's access is the child's", (.setup = with_file, .processes = 1),
     (OPENED("file"){.op = "probe", .path = "file", .flags = "open", .who = 1},
      {.op = "read", .path = "file", .who = 1}, ))
{
    open_and_close("file", O_RDONLY);
    int child = fork_as(1);

    if (child == 0) {
        read_file("file");
        SYS(exit_group, 0);
    }
    reap(child);
}

static int child_executes(void *unused)
{
    (void)unused;
    shared->pids[1] = (int)SYS(getpid);
    return (int)-execve_("prog");
}

CASE(vfork_exec, "exec", "vfork and execve", (.setup = with_program, .processes = 1),
     ({.op = "exec", .path = "prog", .who = 1},
      {.op = "absent", .path = "after-exec", .error = "ENOENT", .flags = "lexical", .who = 1}, ))
{
    /* The child shares the memory and a stack of its own, as posix_spawn(3) has it. */
    static char stack[65536] __attribute__((aligned(16)));
    int child = clone(child_executes, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);

    OK(child);
    reap(child);
}

CASE(clone3, "read", "clone3", (.setup = with_file, .processes = 1, .needs = "clone3 (Linux 5.3)",
                                 .syscall = __NR_clone3),
     ({.op = "probe", .path = "file", .flags = "open", .who = 1}, {.op = "read", .path = "file", .who = 1}, ))
{
    struct clone_args how = {.exit_signal = SIGCHLD};
    int child = (int)OK(SYS(clone3, &how, sizeof(how)));

    if (child == 0) {
        shared->pids[1] = (int)SYS(getpid);
        read_file("file");
        SYS(exit_group, 0);
    }
    reap(child);
}

/* A thread that does `body`; the caller goes on at once. */
static void start_thread(int (*body)(void *))
{
    static char stack[65536] __attribute__((aligned(16)));

    OK(clone(body, stack + sizeof(stack),
             CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM, NULL));
}

static int thread_reads(void *unused)
{
    (void)unused;
    read_file("file");
    __atomic_store_n(&shared->ready, 1, __ATOMIC_RELEASE);
    SYS(exit, 0);
    return 0;
}
CASE(thread_access, "read", "a thread's access is its process's", (.setup = with_file),
     (OPENED("file") DID("read", "file")))
{
    start_thread(thread_reads);
    while (!__atomic_load_n(&shared->ready, __ATOMIC_ACQUIRE))
        SYS(sched_yield);
    read_file("file");
}

static int thread_executes(void *unused)
{
    (void)unused;
    OK(execve_("prog"));
    return 0;
}
CASE(thread_exec, "exec", "execve by a thread that is not the leader", (.setup = with_program),
     (NAMED("probe", "prog") STARTED("prog")))
{
    OK(SYS(faccessat, AT_FDCWD, "prog", 0));
    start_thread(thread_executes);
    for (;;)
        SYS(ppoll, NULL, 0, NULL, NULL, 0);
}
