/* A file system storm: PROCESSES processes make OPENS opens each, over FILES distinct files, and
 * then FORKS forks in bursts. Static, so that it runs in an empty image.
 *
 *   fs_storm DIRECTORY [PROCESSES OPENS FILES FORKS]
 *
 * The files are made first. Prints what it did, for the checker to compare with the trail. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILES_PER_DIRECTORY 1000
#define BURST 100

static void name_file(char *name, size_t size, const char *directory, long file)
{
    snprintf(name, size, "%s/d%ld/file-%ld", directory, file / FILES_PER_DIRECTORY, file);
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void make_files(const char *directory, long files)
{
    char name[4096];

    for (long file = 0; file < files; file++) {
        if (file % FILES_PER_DIRECTORY == 0) {
            snprintf(name, sizeof name, "%s/d%ld", directory, file / FILES_PER_DIRECTORY);
            if (mkdir(name, 0755) && errno != EEXIST) fail(name);
        }
        name_file(name, sizeof name, directory, file);
        int fd = open(name, O_WRONLY | O_CREAT, 0644);
        if (fd < 0) fail(name);
        close(fd);
    }
}

static void open_files(const char *directory, long opens, long files, unsigned seed)
{
    char name[4096];
    unsigned state = seed * 2654435761u + 1;

    for (long i = 0; i < opens; i++) {
        /* Every file once, then anywhere. */
        state = state * 1664525u + 1013904223u;
        long file = i < files ? i : (long)(state >> 8) % files;
        name_file(name, sizeof name, directory, file);
        int fd = open(name, O_RDONLY);
        if (fd < 0) fail(name);
        char byte;
        if (read(fd, &byte, 1) < 0) fail(name);
        close(fd);
    }
}

static int wait_all(void)
{
    int status, failed = 0;

    while (wait(&status) > 0) failed |= status;
    return failed;
}

int main(int argc, char **argv)
{
    long processes = argc > 2 ? atol(argv[2]) : 4;
    long opens = argc > 3 ? atol(argv[3]) : 250000;
    long files = argc > 4 ? atol(argv[4]) : 100000;
    long forks = argc > 5 ? atol(argv[5]) : 10000;
    int failed = 0;

    if (argc < 2) {
        fprintf(stderr, "usage: fs_storm DIRECTORY [PROCESSES OPENS FILES FORKS]\n");
        return 64;
    }
    make_files(argv[1], files);
    for (long process = 0; process < processes; process++) {
        pid_t pid = fork();
        if (pid < 0) fail("fork");
        if (pid == 0) {
            open_files(argv[1], opens, files, (unsigned)process);
            _exit(0);
        }
    }
    failed |= wait_all();
    for (long done = 0; done < forks; done += BURST) {
        for (long i = 0; i < BURST && done + i < forks; i++) {
            pid_t pid = fork();
            if (pid < 0) fail("fork");
            if (pid == 0) _exit(0);
        }
        failed |= wait_all();
    }
    printf("{\"processes\":%ld,\"opens\":%ld,\"files\":%ld,\"forks\":%ld}\n", processes, opens * processes, files, forks);
    return failed != 0;
}
