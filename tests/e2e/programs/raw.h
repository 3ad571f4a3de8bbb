/* System calls without a C library: a program built on this makes exactly the calls it names, and
 * none of a library's own at its start. */
#pragma once

#include <asm/unistd.h>

#if defined(__x86_64__)
static long call6(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
__asm__(".globl _start\n_start:\n xor %ebp,%ebp\n mov %rsp,%rdi\n and $-16,%rsp\n call start\n");
#elif defined(__aarch64__)
static long call6(long number, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;

    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
}
__asm__(".globl _start\n_start:\n mov x29,#0\n mov x0,sp\n bl start\n");
#else
#error "no system calls for this machine"
#endif

#define CALL(name, a, b, c, d, e) \
    call6(__NR_##name, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)

/* `stack`: as the kernel leaves it at exec: argc, argv, NULL, environment. */
int run(int argc, char **argv);
void start(long *stack);
void start(long *stack)
{
    CALL(exit_group, run((int)stack[0], (char **)(stack + 1)), 0, 0, 0, 0);
    __builtin_unreachable();
}
