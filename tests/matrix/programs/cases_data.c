/* Content: the calls that read, write, list, truncate and map through a descriptor. */
#include "matrix.h"

#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>

static struct iovec vector = {.iov_base = buffer, .iov_len = 4};

/* Opens `file` and makes one call, which has to leave a row beside the open's. */
#define ON_FILE(id, op, call_name, open_flags, call)                                \
    CASE(id, op, call_name, (.setup = with_file), (OPENED("file") DID(op, "file"))) \
    {                                                                               \
        int fd = open_file("file", open_flags);                                     \
                                                                                    \
        OK(call);                                                                   \
    }

ON_FILE(read_plain, "read", "read", O_RDONLY, SYS(read, fd, buffer, 4L))
ON_FILE(pread, "read", "pread64", O_RDONLY, SYS(pread64, fd, buffer, 4L, 1L))
ON_FILE(readv, "read", "readv", O_RDONLY, SYS(readv, fd, &vector, 1L))
ON_FILE(preadv, "read", "preadv", O_RDONLY, SYS(preadv, fd, &vector, 1L, 0L, 0L))
ON_FILE(preadv2, "read", "preadv2", O_RDONLY, SYS(preadv2, fd, &vector, 1L, 0L, 0L, 0))
ON_FILE(write_plain, "write", "write", O_WRONLY, SYS(write, fd, "abcd", 4L))
ON_FILE(pwrite, "write", "pwrite64", O_WRONLY, SYS(pwrite64, fd, "abcd", 4L, 1L))
ON_FILE(writev, "write", "writev", O_WRONLY, SYS(writev, fd, &vector, 1L))
ON_FILE(pwritev, "write", "pwritev", O_WRONLY, SYS(pwritev, fd, &vector, 1L, 0L, 0L))
ON_FILE(pwritev2, "write", "pwritev2", O_WRONLY, SYS(pwritev2, fd, &vector, 1L, 0L, 0L, 0))
ON_FILE(fallocate, "write", "fallocate", O_WRONLY, SYS(fallocate, fd, 0, 0L, 100L))
ON_FILE(ftruncate, "truncate", "ftruncate", O_WRONLY, SYS(ftruncate, fd, 1L))

static void with_empty_file(void) { make_text("file", "", 0644); }
CASE(read_empty, "read", "read of an empty file", (.setup = with_empty_file),
     (OPENED("file") DID("read", "file")))
{
    MUST(SYS(read, open_file("file", O_RDONLY), buffer, 4L) == 0);
}

CASE(read_failing, "read", "read, EISDIR: nothing was read", (.setup = with_directory),
     (OPENED_DIRECTORY("dir")))
{
    FAILS(EISDIR, SYS(read, open_file("dir", O_RDONLY), buffer, 4L));
}

CASE(write_failing, "write", "write, EBADF: nothing was written", (.setup = with_file), (OPENED("file")))
{
    FAILS(EBADF, SYS(write, open_file("file", O_RDONLY), "abcd", 4L));
}

CASE(no_content, "probe", "lseek, fsync, flock, posix_fadvise, fcntl: no content", (.setup = with_file),
     (OPENED("file")))
{
    int fd = open_file("file", O_RDWR);

    OK(SYS(lseek, fd, 0L, 2));
    OK(SYS(fsync, fd));
    OK(SYS(flock, fd, 2));
    OK(SYS(fadvise64, fd, 0L, 0L, 0));
    OK(SYS(fcntl, fd, F_GETFL, 0L));
}

CASE(truncate_name, "truncate", "truncate", (.setup = with_file), (NAMED("truncate", "file")))
{
    OK(SYS(truncate, at("file"), 1L));
}

CASE(truncate_absent, "absent", "truncate, ENOENT", (), (ABSENT("file")))
{
    FAILS(ENOENT, SYS(truncate, "file", 1L));
}

CASE(getdents64, "list", "getdents64", (.setup = with_directory),
     (OPENED_DIRECTORY("dir") DID_WITH("list", "dir", "directory")))
{
    int fd = open_file("dir", O_RDONLY | O_DIRECTORY);

    while (OK(SYS(getdents64, fd, buffer, sizeof(buffer))) > 0)
        continue;
}

#ifdef __NR_getdents
CASE(getdents, "list", "getdents", (.setup = with_directory),
     (OPENED_DIRECTORY("dir") DID_WITH("list", "dir", "directory")))
{
    OK(SYS(getdents, open_file("dir", O_RDONLY | O_DIRECTORY), buffer, sizeof(buffer)));
}
#endif

CASE(getdents_inherited, "list", "getdents64, inherited directory", (.setup = with_inherited_directory),
     (DID_WITH("list", "dir", "directory inherited")))
{
    OK(SYS(getdents64, inherited_fd, buffer, sizeof(buffer)));
}

/* ------------------------------------------------------------------------ from file to file */

CASE(sendfile, "write", "sendfile, file to file", (.setup = with_two_files),
     (OPENED("file") OPENED("other") DID("read", "file") DID("write", "other")))
{
    int from = open_file("file", O_RDONLY), to = open_file("other", O_WRONLY);

    OK(SYS(sendfile, to, from, 0L, 4L));
}

CASE(sendfile_pipe, "read", "sendfile, file to pipe", (.setup = with_file),
     (OPENED("file") DID("read", "file")))
{
    int pipe[2], from = open_file("file", O_RDONLY);

    OK(SYS(pipe2, pipe, 0));
    OK(SYS(sendfile, pipe[1], from, 0L, 4L));
}

CASE(copy_file_range, "write", "copy_file_range", (.setup = with_two_files),
     (OPENED("file") OPENED("other") DID("read", "file") DID("write", "other")))
{
    int from = open_file("file", O_RDONLY), to = open_file("other", O_WRONLY);

    MUST(SYS(copy_file_range, from, 0L, to, 0L, 4L, 0) == 4);
}

CASE(splice_read, "read", "splice, file to pipe", (.setup = with_file), (OPENED("file") DID("read", "file")))
{
    int pipe[2], from = open_file("file", O_RDONLY);

    OK(SYS(pipe2, pipe, 0));
    MUST(SYS(splice, from, 0L, pipe[1], 0L, 4L, 0) == 4);
}

CASE(splice_write, "write", "splice, pipe to file", (.setup = with_file),
     (OPENED("file") DID("write", "file")))
{
    int pipe[2], to = open_file("file", O_WRONLY);

    OK(SYS(pipe2, pipe, 0));
    OK(SYS(write, pipe[1], "abcd", 4L));
    MUST(SYS(splice, pipe[0], 0L, to, 0L, 4L, 0) == 4);
}

static int has_clones(void)
{
    int from = open(root, O_TMPFILE | O_RDWR, 0600), to = open(root, O_TMPFILE | O_RDWR, 0600);
    int cloned = from >= 0 && to >= 0 && ioctl(to, FICLONE, from) == 0;

    close(from);
    close(to);
    return cloned;
}

/* Clones `file` into `other`, all of it. */
#define CLONE(id, call_name, call)                                                              \
    CASE(id, "write", call_name,                                                                \
         (.setup = with_two_files, .has = has_clones, .needs = "a file system that clones"),    \
         (OPENED("file") OPENED("other") DID("read", "file") DID("write", "other")))            \
    {                                                                                           \
        int from = open_file("file", O_RDONLY), to = open_file("other", O_WRONLY);              \
        struct file_clone_range range = {.src_fd = from};                                       \
                                                                                                \
        (void)range;                                                                            \
        OK(call);                                                                               \
    }

CLONE(ficlone, "ioctl FICLONE", SYS(ioctl, to, FICLONE, from))
CLONE(ficlone_upper_half, "ioctl FICLONE, with more in the upper half of its number",
      SYS(ioctl, to, 1ul << 32 | FICLONE, from))
CLONE(ficlonerange, "ioctl FICLONERANGE", SYS(ioctl, to, FICLONERANGE, &range))

/* ----------------------------------------------------------------------------------- mapping */

static long map(int protection, int flags, int fd) { return SYS(mmap, 0L, 4096L, protection, flags, fd, 0L); }

ON_FILE(mmap_private, "read", "mmap PROT_READ, MAP_PRIVATE", O_RDONLY, map(PROT_READ, MAP_PRIVATE, fd))
ON_FILE(mmap_shared, "read", "mmap PROT_READ, MAP_SHARED", O_RDWR, map(PROT_READ, MAP_SHARED, fd))
ON_FILE(mmap_copy, "read", "mmap PROT_WRITE, MAP_PRIVATE: no output", O_RDONLY,
        map(PROT_READ | PROT_WRITE, MAP_PRIVATE, fd))
ON_FILE(mmap_exec, "mmap-exec", "mmap PROT_EXEC", O_RDONLY, map(PROT_READ | PROT_EXEC, MAP_PRIVATE, fd))
ON_FILE(mmap_shared_validate, "read", "mmap PROT_READ, MAP_SHARED_VALIDATE", O_RDWR,
        map(PROT_READ, MAP_SHARED_VALIDATE, fd))

CASE(mmap_write, "mmap-write", "mmap PROT_READ|PROT_WRITE, MAP_SHARED: both", (.setup = with_file),
     (OPENED("file") DID("read", "file") DID("mmap-write", "file")))
{
    OK(map(PROT_READ | PROT_WRITE, MAP_SHARED, open_file("file", O_RDWR)));
}

CASE(mmap_write_exec, "mmap-write", "mmap PROT_WRITE|PROT_EXEC, MAP_SHARED: both", (.setup = with_file),
     (OPENED("file") DID("mmap-exec", "file") DID("mmap-write", "file")))
{
    OK(map(PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED, open_file("file", O_RDWR)));
}

CASE(mmap_inherited, "mmap-write", "mmap MAP_SHARED of an inherited descriptor", (.setup = with_inherited),
     (DID_WITH("read", "file", "inherited") DID_WITH("mmap-write", "file", "inherited")))
{
    OK(map(PROT_READ | PROT_WRITE, MAP_SHARED, inherited_fd));
}

CASE(mmap_anonymous, "read", "mmap MAP_ANONYMOUS with a descriptor: no file", (.setup = with_file),
     (OPENED("file")))
{
    OK(map(PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, open_file("file", O_RDWR)));
}

CASE(mprotect_write, "mmap-write", "mprotect adds PROT_WRITE to a MAP_SHARED mapping", (.setup = with_file),
     (OPENED("file") DID("read", "file") DID("mmap-write", "file")))
{
    long address = OK(map(PROT_READ, MAP_SHARED, open_file("file", O_RDWR)));

    OK(SYS(mprotect, address, 4096L, PROT_READ | PROT_WRITE));
    *(volatile char *)address = 'x';
}

CASE(mprotect_exec, "mmap-exec", "mprotect adds PROT_EXEC to a mapping", (.setup = with_file),
     (OPENED("file") DID("read", "file") DID("mmap-exec", "file")))
{
    long address = OK(map(PROT_READ, MAP_PRIVATE, open_file("file", O_RDONLY)));

    OK(SYS(mprotect, address, 4096L, PROT_READ | PROT_EXEC));
}

/* ------------------------------------------------------------------------- asynchronous calls */

static void submit_aio(int fd, int opcode)
{
    aio_context_t context = 0;
    struct iocb request = {.aio_fildes = (uint32_t)fd, .aio_lio_opcode = (uint16_t)opcode,
                           .aio_buf = (uint64_t)(uintptr_t)buffer, .aio_nbytes = 4};
    struct iocb *requests[] = {&request};
    struct io_event event;

    OK(SYS(io_setup, 1, &context));
    MUST(SYS(io_submit, context, 1L, requests) == 1);
    MUST(SYS(io_getevents, context, 1L, 1L, &event, 0L) == 1 && event.res == 4);
}
#define AIO .needs = "Linux AIO", .syscall = __NR_io_setup

CASE(aio_read, "read", "io_submit, IOCB_CMD_PREAD", (.setup = with_file, AIO),
     (OPENED("file") DID("read", "file")))
{
    submit_aio(open_file("file", O_RDONLY), IOCB_CMD_PREAD);
}

CASE(aio_write, "write", "io_submit, IOCB_CMD_PWRITE", (.setup = with_file, AIO),
     (OPENED("file") DID("write", "file")))
{
    submit_aio(open_file("file", O_WRONLY), IOCB_CMD_PWRITE);
}
