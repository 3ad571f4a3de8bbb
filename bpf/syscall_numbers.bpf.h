/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * System call numbers by architecture (Linux's syscall tables), and for i386 programs on x86-64 the
 * native number that takes the same arguments in the same order.
 */
#pragma once

#if defined(__TARGET_ARCH_x86)
enum {
    NR_read = 0, NR_write = 1, NR_open = 2, NR_stat = 4, NR_fstat = 5, NR_lstat = 6, NR_mmap = 9,
    NR_mprotect = 10,
    NR_ioctl = 16, NR_pread64 = 17, NR_pwrite64 = 18, NR_readv = 19, NR_writev = 20, NR_access = 21,
    NR_mremap = 25, NR_sendfile = 40, NR_connect = 42, NR_sendto = 44, NR_sendmsg = 46, NR_bind = 49, NR_execve = 59, NR_truncate = 76, NR_ftruncate = 77,
    NR_getdents = 78, NR_chdir = 80, NR_rename = 82, NR_mkdir = 83, NR_rmdir = 84, NR_creat = 85,
    NR_link = 86, NR_unlink = 87, NR_symlink = 88, NR_readlink = 89, NR_chmod = 90, NR_fchmod = 91,
    NR_chown = 92, NR_fchown = 93, NR_lchown = 94, NR_utime = 132, NR_mknod = 133, NR_statfs = 137,
    NR_chroot = 161, NR_setxattr = 188, NR_lsetxattr = 189, NR_fsetxattr = 190, NR_getxattr = 191,
    NR_lgetxattr = 192, NR_fgetxattr = 193, NR_listxattr = 194, NR_llistxattr = 195, NR_flistxattr = 196,
    NR_removexattr = 197, NR_lremovexattr = 198, NR_fremovexattr = 199, NR_getdents64 = 217,
    NR_io_submit = 209, NR_utimes = 235, NR_inotify_add_watch = 254, NR_openat = 257, NR_mkdirat = 258, NR_mknodat = 259,
    NR_fchownat = 260, NR_futimesat = 261, NR_newfstatat = 262, NR_unlinkat = 263, NR_renameat = 264,
    NR_linkat = 265, NR_symlinkat = 266, NR_readlinkat = 267, NR_fchmodat = 268, NR_faccessat = 269,
    NR_splice = 275, NR_utimensat = 280, NR_fallocate = 285, NR_preadv = 295, NR_pwritev = 296,
    NR_sendmmsg = 307, NR_name_to_handle_at = 303, NR_open_by_handle_at = 304, NR_renameat2 = 316, NR_execveat = 322,
    NR_copy_file_range = 326, NR_preadv2 = 327, NR_pwritev2 = 328, NR_pkey_mprotect = 329, NR_statx = 332,
    NR_io_uring_setup = 425, NR_openat2 = 437,
    NR_faccessat2 = 439, NR_fchmodat2 = 452, NR_setxattrat = 463, NR_getxattrat = 464,
    NR_listxattrat = 465, NR_removexattrat = 466, NR_file_getattr = 468, NR_file_setattr = 469,
};

/* Native number + 1; 0: nothing we look at. Calls whose 64-bit offsets take two registers keep
 * descriptors and paths where the native call has them. */
const volatile __u16 i386_native[512] = {
    [3] = NR_read + 1, [4] = NR_write + 1, [5] = NR_open + 1, [8] = NR_creat + 1, [9] = NR_link + 1,
    [10] = NR_unlink + 1, [11] = NR_execve + 1, [12] = NR_chdir + 1, [14] = NR_mknod + 1,
    [15] = NR_chmod + 1, [16] = NR_lchown + 1, [18] = NR_stat + 1, [28] = NR_fstat + 1,
    [30] = NR_utime + 1, [33] = NR_access + 1, [38] = NR_rename + 1, [39] = NR_mkdir + 1,
    [40] = NR_rmdir + 1, [54] = NR_ioctl + 1, [61] = NR_chroot + 1, [83] = NR_symlink + 1,
    [84] = NR_lstat + 1, [85] = NR_readlink + 1, [92] = NR_truncate + 1, [93] = NR_ftruncate + 1,
    [94] = NR_fchmod + 1, [95] = NR_fchown + 1, [99] = NR_statfs + 1, [106] = NR_stat + 1,
    [125] = NR_mprotect + 1, [248] = NR_io_submit + 1, [345] = NR_sendmmsg + 1, [369] = NR_sendto + 1,
    [370] = NR_sendmsg + 1, [380] = NR_pkey_mprotect + 1, [107] = NR_lstat + 1, [108] = NR_fstat + 1, [141] = NR_getdents + 1, [145] = NR_readv + 1,
    [146] = NR_writev + 1, [163] = NR_mremap + 1, [180] = NR_pread64 + 1, [181] = NR_pwrite64 + 1, [182] = NR_chown + 1,
    [187] = NR_sendfile + 1, [192] = NR_mmap + 1, [193] = NR_truncate + 1, [194] = NR_ftruncate + 1,
    [195] = NR_stat + 1, [196] = NR_lstat + 1, [197] = NR_fstat + 1, [198] = NR_lchown + 1,
    [207] = NR_fchown + 1, [212] = NR_chown + 1, [220] = NR_getdents64 + 1, [226] = NR_setxattr + 1,
    [227] = NR_lsetxattr + 1, [228] = NR_fsetxattr + 1, [229] = NR_getxattr + 1, [230] = NR_lgetxattr + 1,
    [231] = NR_fgetxattr + 1, [232] = NR_listxattr + 1, [233] = NR_llistxattr + 1, [234] = NR_flistxattr + 1,
    [235] = NR_removexattr + 1, [236] = NR_lremovexattr + 1, [237] = NR_fremovexattr + 1,
    [239] = NR_sendfile + 1, [268] = NR_statfs + 1, [271] = NR_utimes + 1, [292] = NR_inotify_add_watch + 1,
    [295] = NR_openat + 1, [296] = NR_mkdirat + 1, [297] = NR_mknodat + 1, [298] = NR_fchownat + 1,
    [299] = NR_futimesat + 1, [300] = NR_newfstatat + 1, [301] = NR_unlinkat + 1, [302] = NR_renameat + 1,
    [303] = NR_linkat + 1, [304] = NR_symlinkat + 1, [305] = NR_readlinkat + 1, [306] = NR_fchmodat + 1,
    [307] = NR_faccessat + 1, [313] = NR_splice + 1, [320] = NR_utimensat + 1, [324] = NR_fallocate + 1,
    [333] = NR_preadv + 1, [334] = NR_pwritev + 1, [341] = NR_name_to_handle_at + 1,
    [342] = NR_open_by_handle_at + 1, [353] = NR_renameat2 + 1, [358] = NR_execveat + 1, [361] = NR_bind + 1,
    [362] = NR_connect + 1, [377] = NR_copy_file_range + 1, [378] = NR_preadv2 + 1, [379] = NR_pwritev2 + 1,
    [383] = NR_statx + 1, [412] = NR_utimensat + 1, [425] = NR_io_uring_setup + 1, [437] = NR_openat2 + 1, [439] = NR_faccessat2 + 1,
    [452] = NR_fchmodat2 + 1, [463] = NR_setxattrat + 1, [464] = NR_getxattrat + 1, [465] = NR_listxattrat + 1,
    [466] = NR_removexattrat + 1, [468] = NR_file_getattr + 1, [469] = NR_file_setattr + 1,
};

/* Two calls of i386 alone have their arguments in memory. */
enum { I386_mmap = 90, I386_socketcall = 102 };

/* The numbers of those calls that are looked at when they begin. */
enum { I386_rename = 38, I386_chroot = 61, I386_renameat = 302, I386_renameat2 = 353 };

/* socketcall(2)'s first argument (linux/net.h): native number + 1. */
const volatile __u16 i386_socketcall[32] = {
    [2] = NR_bind + 1, [3] = NR_connect + 1, [11] = NR_sendto + 1, [16] = NR_sendmsg + 1, [20] = NR_sendmmsg + 1,
};
#elif defined(__TARGET_ARCH_arm64)
#include "syscall_numbers_arm64.bpf.h"
#else
#error "no system call numbers for this architecture"
#endif
