/* Descriptors that are no files of the tree: nothing that a build could depend on passes there. */
#include "matrix.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

CASE(pipe, "read", "a pipe: no file", (), ())
{
    struct stat status;
    int pipe[2];

    OK(SYS(pipe2, pipe, 0));
    OK(SYS(write, pipe[1], "abcd", 4L));
    OK(SYS(read, pipe[0], buffer, 4L));
    OK(SYS(fstat, pipe[0], &status));
}

CASE(socket_pair, "write", "a pair of sockets: no file", (), ())
{
    int pair[2];

    OK(SYS(socketpair, AF_UNIX, SOCK_STREAM, 0, pair));
    OK(SYS(write, pair[1], "abcd", 4L));
    OK(SYS(read, pair[0], buffer, 4L));
}

CASE(eventfd, "read", "an eventfd: no file", (), ())
{
    uint64_t value = 1;
    int fd = (int)OK(SYS(eventfd2, 0, 0));

    OK(SYS(write, fd, &value, sizeof(value)));
    OK(SYS(read, fd, &value, sizeof(value)));
}

CASE(timerfd, "read", "a timerfd: no file", (), ())
{
    struct itimerspec soon = {.it_value.tv_nsec = 1};
    uint64_t value;
    int fd = (int)OK(SYS(timerfd_create, 1, 0));

    OK(SYS(timerfd_settime, fd, 0, &soon, 0L));
    OK(SYS(read, fd, &value, sizeof(value)));
}

CASE(inotify_events, "read", "events of an inotify descriptor: no file", (.setup = with_file),
     (NAMED("probe", "file")))
{
    int fd = (int)OK(SYS(inotify_init1, 0));

    OK(SYS(inotify_add_watch, fd, "file", IN_OPEN));
    open_file("file", O_RDONLY);
    OK(SYS(read, fd, buffer, sizeof(buffer)));
}

CASE(epoll, "read", "an epoll descriptor: no file", (), ())
{
    struct epoll_event event = {.events = EPOLLIN};
    int fd = (int)OK(SYS(epoll_create1, 0));
    int other = (int)OK(SYS(eventfd2, 1, 0));
    struct stat status;

    OK(SYS(epoll_ctl, fd, EPOLL_CTL_ADD, other, &event));
    OK(SYS(epoll_pwait, fd, &event, 1, 0, 0L, 8L));
    OK(SYS(fstat, fd, &status));
}

CASE(memfd, "write", "a memfd, written, read and mapped: memory, no file", (), ())
{
    int fd = (int)OK(SYS(memfd_create, "memory", 0));

    OK(SYS(write, fd, "abcd", 4L));
    OK(SYS(pread64, fd, buffer, 4L, 0L));
    OK(SYS(mmap, 0L, 4096L, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0L));
    OK(SYS(ftruncate, fd, 1L));
}
