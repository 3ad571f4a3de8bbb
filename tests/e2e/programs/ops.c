/* Does each operation on paths that test_operations.py knows, in the directory /data, most of them
 * twice: the second time must leave no row. Exits with the number of the line whose call did not
 * do what it should. */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "raw.h"

#define HERE AT_FDCWD
#define ENOENT 2
#define ENOTDIR 20

#define MUST(condition)                                             \
    do {                                                            \
        if (!(condition)) CALL(exit_group, __LINE__ & 255, 0, 0, 0, 0); \
    } while (0)
#define TWICE for (int round = 0; round < 2; round++)

static char buffer[4096];

static int open_path(const char *path, int flags) { return (int)CALL(openat, HERE, path, flags, 0644, 0); }

static void close_fd(int fd) { MUST(CALL(close, fd, 0, 0, 0, 0) == 0); }

static void reading(void)
{
    TWICE {
        int fd = open_path("/data/read", O_RDONLY);

        MUST(fd >= 0 && CALL(read, fd, buffer, 3, 0, 0) == 3 && CALL(read, fd, buffer, 3, 0, 0) == 3);
        close_fd(fd);
    }
    TWICE close_fd(open_path("/data/opened-only", O_RDWR));

    int fd = open_path("/data/pread", O_RDWR);
    MUST(fd >= 0 && CALL(pread64, fd, buffer, 3, 1, 0) == 3);
    close_fd(fd);
}

static void writing(void)
{
    TWICE {
        int fd = open_path("/data/write", O_WRONLY);

        MUST(fd >= 0 && CALL(write, fd, "abc", 3, 0, 0) == 3 && CALL(write, fd, "abc", 3, 0, 0) == 3);
        close_fd(fd);
    }
    int fd = open_path("/data/both", O_RDWR | O_APPEND);
    MUST(fd >= 0 && CALL(read, fd, buffer, 1, 0, 0) == 1 && CALL(write, fd, "x", 1, 0, 0) == 1);
    close_fd(fd);

    fd = open_path("/data/created", O_WRONLY | O_CREAT | O_EXCL);
    MUST(fd >= 0 && CALL(write, fd, "new", 3, 0, 0) == 3);
    close_fd(fd);
    close_fd(open_path("/data/created-empty", O_WRONLY | O_CREAT));
    close_fd(open_path("/data/opened-to-create", O_WRONLY | O_CREAT)); /* exists */

    fd = open_path("/data/cut-by-open", O_WRONLY | O_TRUNC);
    MUST(fd >= 0 && CALL(write, fd, "short", 5, 0, 0) == 5);
    close_fd(fd);
    TWICE MUST(CALL(truncate, "/data/cut-by-name", 1, 0, 0, 0) == 0);
    fd = open_path("/data/cut-by-fd", O_RDWR);
    MUST(fd >= 0 && CALL(ftruncate, fd, 1, 0, 0, 0) == 0);
    close_fd(fd);
}

static void probing(void)
{
    struct stat status;

    TWICE MUST(CALL(newfstatat, HERE, "/data/stat", &status, 0, 0) == 0);
    TWICE MUST(CALL(faccessat, HERE, "/data/access", 4 /* R_OK */, 0, 0) == 0);
    TWICE MUST(CALL(statx, HERE, "/data/statx", 0, 0x7ff, buffer) == 0);
    TWICE MUST(CALL(newfstatat, HERE, "/data/no-stat", &status, 0, 0) == -ENOENT);
    TWICE MUST(CALL(faccessat, HERE, "/data/no-access", 0, 0, 0) == -ENOENT);
    TWICE MUST(open_path("/data/no-open", O_RDONLY) == -ENOENT);
    TWICE MUST(open_path("/data/read/below-a-file", O_RDONLY) == -ENOTDIR);
    TWICE MUST(CALL(readlinkat, HERE, "/data/link", buffer, sizeof(buffer), 0) == 4);
}

static void listing(void)
{
    TWICE {
        int fd = open_path("/data/directory", O_RDONLY | O_DIRECTORY);

        MUST(fd >= 0);
        while (CALL(getdents64, fd, buffer, sizeof(buffer), 0, 0) > 0) continue;
        close_fd(fd);
    }
}

static void naming(void)
{
    MUST(CALL(mkdirat, HERE, "/data/made", 0755, 0, 0) == 0);
    MUST(CALL(unlinkat, HERE, "/data/made", AT_REMOVEDIR, 0, 0) == 0);
    MUST(CALL(unlinkat, HERE, "/data/unlinked", 0, 0, 0) == 0);
    MUST(CALL(renameat2, HERE, "/data/old-name", HERE, "/data/new-name", 0) == 0);
    MUST(CALL(linkat, HERE, "/data/linked", HERE, "/data/second-name", 0) == 0);
    MUST(CALL(symlinkat, "some/target", HERE, "/data/symlink", 0, 0) == 0);
}

/* Relative names, and a directory descriptor as their base. */
static void relative(void)
{
    struct stat status;

    MUST(CALL(chdir, "/data/directory", 0, 0, 0, 0) == 0);
    MUST(CALL(newfstatat, HERE, "inside", &status, 0, 0) == 0);
    MUST(CALL(newfstatat, HERE, "no-inside", &status, 0, 0) == -ENOENT);
    int fd = open_path("/data/base", O_RDONLY | O_DIRECTORY);
    MUST(fd >= 0);
    int file = (int)CALL(openat, fd, "file", O_RDONLY, 0, 0);
    MUST(file >= 0 && CALL(read, file, buffer, 1, 0, 0) == 1);
    close_fd(file);
    MUST(CALL(unlinkat, fd, "removed", 0, 0, 0) == 0);
    close_fd(fd);
}

/* Forks; the child goes on in `argv` with execve. Returns its wait status. */
static int in_child(char **argv)
{
    int status = 0;
    char *environment[] = {0};
    long child = CALL(clone, SIGCHLD, 0, 0, 0, 0);

    MUST(child >= 0);
    if (child == 0) {
        int fd = open_path("/data/read", O_RDONLY);

        MUST(fd >= 0 && CALL(read, fd, buffer, 3, 0, 0) == 3);
        close_fd(fd);
        CALL(execve, argv[0], argv, environment, 0, 0);
        CALL(exit_group, 9, 0, 0, 0, 0);
    }
    MUST(CALL(wait4, child, &status, 0, 0, 0) == child);
    return status;
}

int run(int argc, char **argv __attribute__((unused)))
{
    struct stat status;

    if (argc > 1) { /* the child's second program */
        MUST(CALL(newfstatat, HERE, "/data/after-exec", &status, 0, 0) == 0);
        return 7;
    }
    reading();
    writing();
    probing();
    listing();
    naming();
    char *again[] = {"/ops", "again", 0};
    char *nothing[] = {"/data/no-program", 0};
    MUST(in_child(again) == 7 << 8);
    MUST(in_child(nothing) == 9 << 8);
    relative();
    return 0;
}
