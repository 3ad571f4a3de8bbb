#include "uring.h"

#include "matrix.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>

int uring_fd = -1;
static struct io_uring_params params;
static char *ring;
static struct io_uring_sqe *requests;

/* Before 6.0 io_uring's tracepoints do not have the request: spoor tells of a ring's making only, as a loss. */
static int is_told(void)
{
    struct utsname name;
    int major = 0;

    return uname(&name) == 0 && sscanf(name.release, "%d", &major) == 1 && major >= 6;
}

int has_uring(void)
{
    if (!is_told())
        return 0;

    struct io_uring_params plain = {0};
    int fd = (int)syscall(__NR_io_uring_setup, 1, &plain);

    close(fd);
    return fd >= 0;
}

static int has_operation(int opcode)
{
    static struct {
        struct io_uring_probe head;
        struct io_uring_probe_op operations[256];
    } probe;
    if (!is_told())
        return 0;

    struct io_uring_params plain = {0};
    int fd = (int)syscall(__NR_io_uring_setup, 1, &plain);

    memset(&probe, 0, sizeof(probe));
    long done = syscall(__NR_io_uring_register, fd, IORING_REGISTER_PROBE, &probe, 256);

    close(fd);
    return done == 0 && probe.operations[opcode].flags & IO_URING_OP_SUPPORTED;
}
int has_uring_names(void) { return has_operation(IORING_OP_LINKAT); }
int has_uring_xattr(void) { return has_operation(IORING_OP_SETXATTR); }

void make_uring(unsigned flags)
{
    params = (struct io_uring_params){.flags = flags, .sq_thread_idle = 1000};
    uring_fd = (int)OK(SYS(io_uring_setup, 4, &params));
    size_t size = params.sq_off.array + params.sq_entries * sizeof(uint32_t);
    size_t more = params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe);

    MUST(params.features & IORING_FEAT_SINGLE_MMAP);
    ring = (char *)OK(SYS(mmap, 0L, size > more ? size : more, PROT_READ | PROT_WRITE, MAP_SHARED, uring_fd,
                          (long)IORING_OFF_SQ_RING));
    requests = (struct io_uring_sqe *)OK(SYS(mmap, 0L, params.sq_entries * sizeof(struct io_uring_sqe),
                                             PROT_READ | PROT_WRITE, MAP_SHARED, uring_fd,
                                             (long)IORING_OFF_SQES));
}

static uint32_t *word(uint32_t offset) { return (uint32_t *)(ring + offset); }

long submit(struct io_uring_sqe request)
{
    uint32_t tail = *word(params.sq_off.tail), head = *word(params.cq_off.head);
    uint32_t index = tail & *word(params.sq_off.ring_mask);

    requests[index] = request;
    word(params.sq_off.array)[index] = index;
    __atomic_store_n(word(params.sq_off.tail), tail + 1, __ATOMIC_RELEASE);
    OK(SYS(io_uring_enter, uring_fd, params.flags & IORING_SETUP_SQPOLL ? 0 : 1, 1,
           IORING_ENTER_GETEVENTS | (params.flags & IORING_SETUP_SQPOLL ? IORING_ENTER_SQ_WAKEUP : 0), 0L, 0L));
    while (__atomic_load_n(word(params.cq_off.tail), __ATOMIC_ACQUIRE) == head)
        SYS(sched_yield);
    struct io_uring_cqe *done = (struct io_uring_cqe *)(ring + params.cq_off.cqes);
    long result = done[head & *word(params.cq_off.ring_mask)].res;

    __atomic_store_n(word(params.cq_off.head), head + 1, __ATOMIC_RELEASE);
    return result;
}
