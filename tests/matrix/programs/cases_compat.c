/* System calls whose numbers are not what the register holds that has them: with something in its upper half, which Linux
 * ignores since 5.14, and 32-bit ones of a 64-bit process, by int $0x80. Their pointers have 32 bits: all that they
 * name is static, and the program is linked below 4 GiB. */
#include "matrix.h"

#if defined(__x86_64__)

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

static long wide_call(uint32_t upper, long number, long a, long b, long c, long d)
{
    register long r10 __asm__("r10") = d;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"((uint64_t)upper << 32 | (uint64_t)number), "D"(a), "S"(b), "d"(c), "r"(r10)
                     : "memory", "rcx", "r11");
    return result;
}
#define WIDE_CALL(upper, name, a, b, c, d) wide_call(upper, __NR_##name, (long)(a), (long)(b), (long)(c), (long)(d))

static int has_wide_numbers(void) { return WIDE_CALL(1, getpid, 0, 0, 0, 0) > 0; }

/* As a 64-bit number it is negative, or larger than any. */
#define WIDE(id, upper, what)                                                                                          \
    CASE(wide_##id, "rename", "openat, read, rename: their numbers " what,                                             \
         (.setup = with_directory, .has = has_wide_numbers, .needs = "numbers of calls of 32 bits (Linux 5.14)"),      \
         (OPENED("file") DID("read", "file") TWO("rename", "file", "new") OPENED_DIRECTORY("dir")                      \
              TWO("rename", "dir/file", "dir/new")))                                                                   \
    {                                                                                                                  \
        long fd = OK(WIDE_CALL(upper, openat, AT_FDCWD, "file", O_RDONLY, 0));                                         \
                                                                                                                       \
        OK(WIDE_CALL(upper, read, fd, buffer, 4, 0));                                                                  \
        OK(WIDE_CALL(upper, rename, "file", "new", 0, 0));                                                             \
        fd = OK(WIDE_CALL(upper, openat, AT_FDCWD, "dir", O_RDONLY | O_DIRECTORY, 0));                                 \
        OK(WIDE_CALL(upper, renameat, fd, "file", fd, "new"));                                                         \
    }

WIDE(negative, 0xffffffffu, "negative")
WIDE(positive, 1u, "with more in their upper half")

static long call32(long number, const void *a, const void *b, const void *c, const void *d, const void *e)
{
    register const void *rsi __asm__("rsi") = d;
    register const void *rdi __asm__("rdi") = e;
    long result;

    /* The gate does not keep r8 to r11 on every kernel. */
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(number), "b"(a), "c"(b), "d"(c), "r"(rsi), "r"(rdi)
                     : "memory", "r8", "r9", "r10", "r11");
    return (int32_t)result;
}
#define P(value) ((const void *)(uintptr_t)(value))
#define CALL32(number, a, b, c, d, e) call32(number, P(a), P(b), P(c), P(d), P(e))

/* ENOSYS, or a trap where the gate is switched off. */
static sigjmp_buf without;
static void on_trap(int number) { siglongjmp(without, number); }
static int has_compat(void)
{
    int there = 0;

    signal(SIGSEGV, on_trap);
    if (!sigsetjmp(without, 1))
        there = CALL32(20 /* getpid */, 0, 0, 0, 0, 0) > 0;
    signal(SIGSEGV, SIG_DFL);
    return there;
}

#define COMPAT(id, op, call_name, setup_, rows) \
    CASE(compat_##id, op, "i386: " call_name, \
         (.setup = setup_, .has = has_compat, .needs = "CONFIG_IA32_EMULATION"), rows)

static void with_none(void) {}
static char *no_strings[] = {NULL};

COMPAT(open, "read", "open, read", with_file, (OPENED("file") DID("read", "file")))
{
    long fd = OK(CALL32(5, "file", O_RDONLY, 0, 0, 0));

    OK(CALL32(3, fd, buffer, 4, 0, 0));
}

COMPAT(openat, "write", "openat, write", with_inherited_directory, (OPENED("dir/file") DID("write", "dir/file")))
{
    OK(CALL32(4, OK(CALL32(295, inherited_fd, "file", O_WRONLY, 0, 0)), "abc", 3, 0, 0));
}

COMPAT(openat_absent, "absent", "openat, ENOENT", with_none, (ABSENT("none")))
{
    FAILS(ENOENT, CALL32(295, AT_FDCWD, "none", O_RDONLY, 0, 0));
}

COMPAT(creat, "create", "creat", with_none, (DID("create", "new")))
{
    OK(CALL32(8, "new", 0644, 0, 0, 0));
}

COMPAT(stat64, "probe", "stat64", with_file, (NAMED("probe", "file")))
{
    OK(CALL32(195, "file", buffer, 0, 0, 0));
}

COMPAT(lstat64, "probe", "lstat64", with_link, (NAMED_ITSELF("probe", "link")))
{
    OK(CALL32(196, "link", buffer, 0, 0, 0));
}

COMPAT(fstatat64, "probe", "fstatat64", with_inherited_directory, (NAMED_ITSELF("probe", "dir/file")))
{
    OK(CALL32(300, inherited_fd, "file", buffer, AT_SYMLINK_NOFOLLOW, 0));
}

COMPAT(statx, "probe", "statx", with_file, (NAMED("probe", "file")))
{
    OK(CALL32(383, AT_FDCWD, "file", 0, 0x7ff, buffer));
}

COMPAT(access, "probe", "access", with_file, (NAMED("probe", "file")))
{
    OK(CALL32(33, "file", 4, 0, 0, 0));
}

COMPAT(statfs64, "probe", "statfs64", with_file, (NAMED("probe", "file")))
{
    OK(CALL32(268, "file", 84, buffer, 0, 0));
}

COMPAT(readlink, "readlink", "readlink", with_link, (NAMED_ITSELF("readlink", "link")))
{
    OK(CALL32(85, "link", buffer, 100, 0, 0));
}

COMPAT(unlink, "delete", "unlink", with_file, (NAMED_ITSELF("delete", "file")))
{
    OK(CALL32(10, "file", 0, 0, 0, 0));
}

COMPAT(rename, "rename", "rename", with_file, (TWO("rename", "file", "new")))
{
    OK(CALL32(38, "file", "new", 0, 0, 0));
}

COMPAT(link, "link", "link", with_file, (TWO("link", "file", "new")))
{
    OK(CALL32(9, "file", "new", 0, 0, 0));
}

COMPAT(symlink, "symlink", "symlink", with_none, (TWO("symlink", "link", "target")))
{
    OK(CALL32(83, "target", "link", 0, 0, 0));
}

COMPAT(mkdir, "mkdir", "mkdir", with_none, (NAMED_ITSELF("mkdir", "dir")))
{
    OK(CALL32(39, "dir", 0755, 0, 0, 0));
}

COMPAT(mknod, "mknod", "mknod", with_none, (NAMED_ITSELF("mknod", "fifo")))
{
    OK(CALL32(14, "fifo", S_IFIFO | 0644, 0, 0, 0));
}

COMPAT(chmod, "metadata", "chmod", with_file, (NAMED("metadata", "file")))
{
    OK(CALL32(15, "file", 0600, 0, 0, 0));
}

COMPAT(chown, "metadata", "chown (16 bits)", with_file, (NAMED("metadata", "file")))
{
    OK(CALL32(182, "file", 0, 0, 0, 0));
}

COMPAT(utimensat, "metadata", "utimensat", with_file, (NAMED("metadata", "file")))
{
    OK(CALL32(320, AT_FDCWD, "file", 0, 0, 0));
}

COMPAT(truncate64, "truncate", "truncate64", with_file, (NAMED("truncate", "file")))
{
    OK(CALL32(193, "file", 1, 0, 0, 0));
}

COMPAT(getdents64, "list", "getdents64", with_inherited_directory, (DID_WITH("list", "dir", "directory inherited")))
{
    OK(CALL32(220, inherited_fd, buffer, 1000, 0, 0));
}

COMPAT(mmap2, "mmap-exec", "mmap2, PROT_EXEC", with_inherited, (DID_WITH("mmap-exec", "file", "inherited")))
{
    MUST((unsigned)CALL32(192, 0, 4096, 1 | 4, 2, inherited_fd) < 0xfffff000u);
}

COMPAT(old_mmap, "read", "old mmap, its arguments in memory", with_inherited, (DID_WITH("read", "file", "inherited")))
{
    static uint32_t arguments[6] = {0, 4096, 1 /* PROT_READ */, 2 /* MAP_PRIVATE */};

    arguments[4] = (uint32_t)inherited_fd;
    MUST((unsigned)CALL32(90, arguments, 0, 0, 0, 0) < 0xfffff000u);
}

COMPAT(execve, "exec", "execve", with_program, (DID("exec", "prog") ABSENT("after-exec")))
{
    OK(CALL32(11, "prog", no_strings, no_strings, 0, 0));
}

COMPAT(execve_absent, "absent", "execve, ENOENT", with_none, (ABSENT("none")))
{
    FAILS(ENOENT, CALL32(11, "none", no_strings, no_strings, 0, 0));
}

static struct sockaddr_in address;
static void with_address(void)
{
    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(53),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

COMPAT(connect, "connect", "connect", with_address, (DID("connect", "inet:127.0.0.1:53")))
{
    OK(CALL32(362, OK(CALL32(359, AF_INET, SOCK_DGRAM, 0, 0, 0)), &address, sizeof(address), 0, 0));
}

COMPAT(socketcall, "connect", "socketcall, SYS_CONNECT", with_address, (DID("connect", "inet:127.0.0.1:53")))
{
    static uint32_t arguments[3];

    arguments[0] = (uint32_t)OK(CALL32(359, AF_INET, SOCK_DGRAM, 0, 0, 0));
    arguments[1] = (uint32_t)(uintptr_t)&address;
    arguments[2] = sizeof(address);
    OK(CALL32(102, 3, arguments, 0, 0, 0));
}

#endif
