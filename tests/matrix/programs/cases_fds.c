/* Descriptors that came from elsewhere: whose access is it, and does it say `inherited`? */
#include "matrix.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

CASE(inherited_read, "read", "read through an inherited descriptor", (.setup = with_inherited),
     (DID_WITH("read", "file", "inherited")))
{
    OK(SYS(read, inherited_fd, buffer, 4L));
}

CASE(inherited_write, "write", "write through an inherited descriptor", (.setup = with_inherited),
     (DID_WITH("write", "file", "inherited")))
{
    OK(SYS(write, inherited_fd, "abc", 3L));
}

CASE(inherited_untouched, "write", "an inherited descriptor that nobody uses: nothing", (.setup = with_inherited), ())
{
    OK(SYS(dup, inherited_fd));
    OK(SYS(close, inherited_fd));
}

CASE(inherited_and_opened, "read", "inherited, and opened by the process as well", (.setup = with_inherited),
     (OPENED("file") DID("read", "file")))
{
    read_file("file");
}

CASE(inherited_truncate, "truncate", "ftruncate of an inherited descriptor", (.setup = with_inherited),
     (DID_WITH("truncate", "file", "inherited")))
{
    OK(SYS(ftruncate, inherited_fd, 1L));
}

CASE(dup, "read", "dup, dup3 and F_DUPFD of one open file: one row", (.setup = with_file),
     (OPENED("file") DID("read", "file")))
{
    int fd = open_file("file", O_RDONLY);

    OK(SYS(read, (int)OK(SYS(dup, fd)), buffer, 1L));
    OK(SYS(read, (int)OK(SYS(dup3, fd, 50, 0)), buffer, 1L));
    OK(SYS(read, (int)OK(SYS(fcntl, fd, F_DUPFD, 60L)), buffer, 1L));
}

CASE(number_reused, "write", "a descriptor's number used again for another file", (.setup = with_two_files),
     (OPENED("file") DID("write", "file") OPENED("other")))
{
    int fd = open_file("file", O_WRONLY);

    OK(SYS(write, fd, "abc", 3L));
    OK(SYS(close, fd));
    MUST(open_file("other", O_WRONLY) == fd);
}

/* A child that opens `file` for its parent does so as number 1 of the case. */
#define CHILD_OPENS {.op = "probe", .path = "file", .flags = "open", .who = 1},

CASE(shared_table, "read", "CLONE_FILES: opened by the one, read by the other", (.setup = with_file, .processes = 1),
     (CHILD_OPENS DID_WITH("read", "file", "inherited")))
{
    int child = (int)OK(SYS(clone, 0x400L /* CLONE_FILES */ | 17 /* SIGCHLD */, 0L, 0L, 0L, 0L));

    if (child == 0) {
        shared->pids[1] = (int)SYS(getpid);
        shared->ready = open_file("file", O_RDONLY);
        SYS(exit_group, 0);
    }
    reap(child);
    OK(SYS(read, shared->ready, buffer, 4L));
}

static void send_descriptor(int socket, int fd)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.head = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    struct iovec data = {.iov_base = buffer, .iov_len = 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = sizeof(control)};

    memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
    OK(SYS(sendmsg, socket, &message, 0));
}

static int receive_descriptor(int socket)
{
    char room[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
    struct iovec data = {.iov_base = buffer, .iov_len = 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = room,
                             .msg_controllen = sizeof(room)};
    int fd;

    OK(SYS(recvmsg, socket, &message, 0));
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
    return fd;
}

CASE(received, "read", "a descriptor received with SCM_RIGHTS", (.setup = with_file, .processes = 1),
     (CHILD_OPENS DID_WITH("read", "file", "inherited")))
{
    int pair[2];

    OK(SYS(socketpair, AF_UNIX, SOCK_STREAM, 0, pair));
    int child = fork_as(1);

    if (child == 0) {
        send_descriptor(pair[1], open_file("file", O_RDONLY));
        SYS(exit_group, 0);
    }
    OK(SYS(read, receive_descriptor(pair[0]), buffer, 4L));
    reap(child);
}

CASE(received_write, "write", "written through a descriptor received with SCM_RIGHTS",
     (.setup = with_file, .processes = 1), (CHILD_OPENS DID_WITH("write", "file", "inherited")))
{
    int pair[2];

    OK(SYS(socketpair, AF_UNIX, SOCK_STREAM, 0, pair));
    int child = fork_as(1);

    if (child == 0) {
        send_descriptor(pair[1], open_file("file", O_WRONLY));
        SYS(exit_group, 0);
    }
    OK(SYS(write, receive_descriptor(pair[0]), "abc", 3L));
    reap(child);
}

CASE(pidfd_getfd, "read", "pidfd_getfd",
     (.setup = with_file, .processes = 1, .needs = "pidfd_getfd (Linux 5.6)", .syscall = __NR_pidfd_getfd),
     (CHILD_OPENS DID_WITH("read", "file", "inherited")))
{
    int ready[2];
    int number;

    OK(SYS(pipe2, ready, 0));
    int child = fork_as(1);

    if (child == 0) {
        number = open_file("file", O_RDONLY);
        OK(SYS(write, ready[1], &number, sizeof(number)));
        SYS(ppoll, NULL, 0, NULL, NULL, 0);
    }
    OK(SYS(read, ready[0], &number, sizeof(number)));
    OK(SYS(read, (int)OK(SYS(pidfd_getfd, (int)OK(SYS(pidfd_open, child, 0)), number, 0)), buffer, 4L));
    OK(SYS(kill, child, 9));
    OK(SYS(wait4, child, 0L, 0, 0L));
}

CASE(proc_fd_inherited, "read", "/proc/self/fd of an inherited descriptor: opened anew", (.setup = with_inherited),
     (OPENED("file") DID("read", "file")))
{
    OK(SYS(dup3, inherited_fd, 100, 0));
    read_file("/proc/self/fd/100");
}

CASE(child_writes, "write", "a child writes through its parent's descriptor", (.setup = with_file, .processes = 1),
     (OPENED("file"){.op = "write", .path = "file", .flags = "inherited", .who = 1}, ))
{
    int fd = open_file("file", O_WRONLY);
    int child = fork_as(1);

    if (child == 0) {
        OK(SYS(write, fd, "abc", 3L));
        SYS(exit_group, 0);
    }
    reap(child);
}
