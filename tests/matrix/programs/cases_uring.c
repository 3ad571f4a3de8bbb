/* io_uring: the rows are those of the plain system calls. */
#include "matrix.h"
#include "uring.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/stat.h>

/* Requests are told when they are done, in whichever thread: with their names as the caller wrote them. */
#undef NAMED
#undef NAMED_ITSELF
#undef TWO
#define NAMED(what, name) {.op = what, .path = name, .flags = "lexical", .in = NEVER_RESOLVED},
#define NAMED_ITSELF(what, name) {.op = what, .path = name, .flags = "lexical nofollow", .in = NEVER_RESOLVED},
#define TWO(what, from, to_) {.op = what, .path = from, .to = to_, .flags = "lexical nofollow", .in = NEVER_RESOLVED},

#define URING_CASE(id, op, request, setup_, has_, needs_, rows) \
    CASE(uring_##id, op, "io_uring: " request, (.setup = setup_, .has = has_, .needs = needs_), rows)
#define URING(id, op, request, setup_, rows) \
    URING_CASE(id, op, request, setup_, has_uring, "io_uring (Linux 6.0, and kernel.io_uring_disabled=0)", rows)
#define URING_NAME(id, op, request, setup_, rows) \
    URING_CASE(id, op, request, setup_, has_uring_names, "io_uring's calls on names (Linux 6.0)", rows)
#define POINTER(value) ((uint64_t)(uintptr_t)(value))

static void with_none(void) {}

static long open_by_ring(int dirfd, const char *name, uint32_t flags)
{
    return submit((struct io_uring_sqe){.opcode = IORING_OP_OPENAT, .fd = dirfd, .addr = POINTER(name),
                                        .len = 0644, .open_flags = flags});
}
static long transfer(int opcode, long fd, uint8_t flags)
{
    return submit((struct io_uring_sqe){.opcode = (uint8_t)opcode, .flags = flags, .fd = (int)fd,
                                        .addr = POINTER(buffer), .len = 4});
}

URING(read, "read", "openat and read", with_inherited_directory, (OPENED("dir/file") DID("read", "dir/file")))
{
    make_uring(0);
    OK(transfer(IORING_OP_READ, OK(open_by_ring(inherited_fd, "file", O_RDONLY)), 0));
}

URING(write, "write", "openat O_CREAT and write", with_none, (DID("create", "new") DID("write", "new")))
{
    make_uring(0);
    OK(transfer(IORING_OP_WRITE, OK(open_by_ring(AT_FDCWD, "new", O_WRONLY | O_CREAT)), 0));
}

URING(inherited, "read", "read, inherited descriptor", with_inherited, (DID_WITH("read", "file", "inherited")))
{
    make_uring(0);
    OK(transfer(IORING_OP_READ, inherited_fd, 0));
}

URING(worker, "read", "openat and read by a worker thread (IOSQE_ASYNC)", with_file,
      (OPENED("file") DID("read", "file")))
{
    make_uring(0);
    struct io_uring_sqe request = {.opcode = IORING_OP_OPENAT, .flags = IOSQE_ASYNC, .fd = AT_FDCWD,
                                   .addr = POINTER("file")};

    OK(transfer(IORING_OP_READ, OK(submit(request)), IOSQE_ASYNC));
}

URING(sqpoll, "read", "openat and read by the polling thread (SQPOLL)", with_file,
      (OPENED("file") DID("read", "file")))
{
    make_uring(IORING_SETUP_SQPOLL);
    OK(transfer(IORING_OP_READ, OK(open_by_ring(AT_FDCWD, at("file"), O_RDONLY)), 0));
}

URING(direct, "read", "openat into the ring's own table, and read", with_file,
      (OPENED("file") DID("read", "file")))
{
    static int slots[1] = {-1};

    make_uring(0);
    OK(SYS(io_uring_register, uring_fd, IORING_REGISTER_FILES, slots, 1));
    OK(submit((struct io_uring_sqe){.opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .addr = POINTER("file"),
                                    .file_index = 1}));
    OK(transfer(IORING_OP_READ, 0, IOSQE_FIXED_FILE));
}

URING(absent, "absent", "openat, ENOENT", with_none, (ABSENT("none")))
{
    make_uring(0);
    FAILS(ENOENT, open_by_ring(AT_FDCWD, "none", O_RDONLY));
}

URING(statx, "probe", "statx", with_inherited_directory, (NAMED("probe", "dir/file") ABSENT("dir/none")))
{
    struct io_uring_sqe request = {.opcode = IORING_OP_STATX, .fd = inherited_fd, .addr = POINTER("file"),
                                   .len = 0x7ff, .addr2 = POINTER(buffer)};

    make_uring(0);
    OK(submit(request));
    request.addr = POINTER("none");
    FAILS(ENOENT, submit(request));
}

URING_NAME(unlinkat, "delete", "unlinkat", with_file, (NAMED_ITSELF("delete", "file")))
{
    make_uring(0);
    OK(submit((struct io_uring_sqe){.opcode = IORING_OP_UNLINKAT, .fd = AT_FDCWD, .addr = POINTER("file")}));
}

URING_NAME(mkdirat, "mkdir", "mkdirat", with_none, (NAMED_ITSELF("mkdir", "dir")))
{
    make_uring(0);
    OK(submit((struct io_uring_sqe){.opcode = IORING_OP_MKDIRAT, .fd = AT_FDCWD, .addr = POINTER("dir"),
                                    .len = 0755}));
}

URING_NAME(renameat, "rename", "renameat", with_file, (TWO("rename", "file", "new")))
{
    make_uring(0);
    OK(submit((struct io_uring_sqe){.opcode = IORING_OP_RENAMEAT, .fd = AT_FDCWD, .addr = POINTER("file"),
                                    .len = (uint32_t)AT_FDCWD, .addr2 = POINTER("new")}));
}

URING_NAME(linkat, "link", "linkat", with_file, (TWO("link", "file", "new")))
{
    make_uring(0);
    OK(submit((struct io_uring_sqe){.opcode = IORING_OP_LINKAT, .fd = AT_FDCWD, .addr = POINTER("file"),
                                    .len = (uint32_t)AT_FDCWD, .addr2 = POINTER("new")}));
}

URING_NAME(symlinkat, "symlink", "symlinkat", with_none, (TWO("symlink", "link", "target")))
{
    make_uring(0);
    OK(submit((struct io_uring_sqe){.opcode = IORING_OP_SYMLINKAT, .fd = AT_FDCWD, .addr = POINTER("target"),
                                    .addr2 = POINTER("link")}));
}

URING(fallocate, "write", "fallocate", with_inherited, (DID_WITH("write", "file", "inherited")))
{
    make_uring(0);
    OK(submit((struct io_uring_sqe){.opcode = IORING_OP_FALLOCATE, .fd = inherited_fd, .addr = 100}));
}

URING_CASE(setxattr, "metadata", "setxattr", with_file, has_uring_xattr,
           "io_uring's calls on extended attributes (Linux 6.0)", (NAMED("metadata", "file")))
{
    make_uring(0);
    OK(submit((struct io_uring_sqe){.opcode = IORING_OP_SETXATTR, .addr = POINTER("user.x"),
                                    .addr2 = POINTER("1"), .len = 1, .addr3 = POINTER("file")}));
}

URING(splice, "read", "splice, file to pipe", with_inherited, (DID_WITH("read", "file", "inherited")))
{
    int pipe[2];

    make_uring(0);
    OK(SYS(pipe2, pipe, 0));
    OK(submit((struct io_uring_sqe){.opcode = IORING_OP_SPLICE, .fd = pipe[1], .off = (uint64_t)-1, .len = 4,
                                    .splice_off_in = 0, .splice_fd_in = inherited_fd}));
}

URING(splice_registered, "read", "splice, file of the ring's own table to pipe", with_inherited,
      (DID_WITH("read", "file", "inherited")))
{
    int pipe[2], slots[2] = {-1, inherited_fd};

    make_uring(0);
    OK(SYS(pipe2, pipe, 0));
    OK(SYS(io_uring_register, uring_fd, IORING_REGISTER_FILES, slots, 2));
    OK(submit((struct io_uring_sqe){.opcode = IORING_OP_SPLICE, .fd = pipe[1], .off = (uint64_t)-1, .len = 4,
                                    .splice_off_in = 0, .splice_fd_in = 1, .splice_flags = SPLICE_F_FD_IN_FIXED}));
}

URING(connect, "connect", "connect", with_none, (DID("connect", "inet:127.0.0.1:53")))
{
    static struct sockaddr_in address;

    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(53),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    make_uring(0);
    int fd = (int)OK(SYS(socket, AF_INET, SOCK_DGRAM, 0));

    OK(submit((struct io_uring_sqe){.opcode = IORING_OP_CONNECT, .fd = fd, .addr = POINTER(&address),
                                    .off = sizeof(address)}));
}
