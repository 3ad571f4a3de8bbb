/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * arm64's system call numbers (asm-generic/unistd.h), and for 32-bit ARM programs (EABI, arch/arm's syscall.tbl) the
 * native number that takes the same arguments in the same order.
 */
#pragma once

enum {
    NR_io_submit = 2, NR_setxattr = 5, NR_lsetxattr = 6, NR_fsetxattr = 7, NR_getxattr = 8, NR_lgetxattr = 9,
    NR_fgetxattr = 10, NR_listxattr = 11, NR_llistxattr = 12, NR_flistxattr = 13, NR_removexattr = 14,
    NR_lremovexattr = 15, NR_fremovexattr = 16, NR_inotify_add_watch = 27, NR_ioctl = 29, NR_mknodat = 33,
    NR_mkdirat = 34, NR_unlinkat = 35, NR_symlinkat = 36, NR_linkat = 37, NR_renameat = 38, NR_statfs = 43,
    NR_truncate = 45, NR_ftruncate = 46, NR_fallocate = 47, NR_faccessat = 48, NR_chdir = 49, NR_chroot = 51,
    NR_fchmod = 52, NR_fchmodat = 53, NR_fchownat = 54, NR_fchown = 55, NR_openat = 56, NR_getdents64 = 61,
    NR_read = 63, NR_write = 64, NR_readv = 65, NR_writev = 66, NR_pread64 = 67, NR_pwrite64 = 68, NR_preadv = 69,
    NR_pwritev = 70, NR_sendfile = 71, NR_splice = 76, NR_readlinkat = 78, NR_newfstatat = 79, NR_fstat = 80,
    NR_utimensat = 88, NR_bind = 200, NR_connect = 203, NR_sendto = 206, NR_sendmsg = 211, NR_execve = 221,
    NR_mremap = 216, NR_mmap = 222, NR_mprotect = 226, NR_name_to_handle_at = 264, NR_open_by_handle_at = 265, NR_sendmmsg = 269,
    NR_renameat2 = 276, NR_execveat = 281, NR_copy_file_range = 285, NR_preadv2 = 286, NR_pwritev2 = 287,
    NR_pkey_mprotect = 288, NR_statx = 291, NR_io_uring_setup = 425, NR_openat2 = 437, NR_faccessat2 = 439, NR_fchmodat2 = 452,
    NR_setxattrat = 463, NR_getxattrat = 464, NR_listxattrat = 465, NR_removexattrat = 466, NR_file_getattr = 468,
    NR_file_setattr = 469,
};

/* What arm64 itself never had and 32-bit programs call; beyond all native numbers. */
enum {
    NR_FIRST_COMPAT_ONLY = 600,
    NR_open = NR_FIRST_COMPAT_ONLY, NR_stat, NR_lstat, NR_access, NR_getdents, NR_rename, NR_mkdir, NR_rmdir,
    NR_creat, NR_link, NR_unlink, NR_symlink, NR_readlink, NR_chmod, NR_chown, NR_lchown, NR_utime, NR_mknod,
    NR_utimes, NR_futimesat,
};

/* Native number + 1; 0: nothing we look at. Where a 64-bit argument begins at an even register, descriptors and paths
 * come before it. */
const volatile __u16 arm_native[512] = {
    [3] = NR_read + 1, [4] = NR_write + 1, [5] = NR_open + 1, [8] = NR_creat + 1, [9] = NR_link + 1,
    [10] = NR_unlink + 1, [11] = NR_execve + 1, [12] = NR_chdir + 1, [14] = NR_mknod + 1, [15] = NR_chmod + 1,
    [16] = NR_lchown + 1, [33] = NR_access + 1, [38] = NR_rename + 1, [39] = NR_mkdir + 1, [40] = NR_rmdir + 1,
    [54] = NR_ioctl + 1, [61] = NR_chroot + 1, [83] = NR_symlink + 1, [85] = NR_readlink + 1,
    [92] = NR_truncate + 1, [93] = NR_ftruncate + 1, [94] = NR_fchmod + 1, [95] = NR_fchown + 1,
    [99] = NR_statfs + 1, [106] = NR_stat + 1, [107] = NR_lstat + 1, [108] = NR_fstat + 1, [125] = NR_mprotect + 1,
    [141] = NR_getdents + 1, [145] = NR_readv + 1, [146] = NR_writev + 1, [163] = NR_mremap + 1, [180] = NR_pread64 + 1,
    [181] = NR_pwrite64 + 1, [182] = NR_chown + 1, [187] = NR_sendfile + 1, [192] = NR_mmap + 1,
    [193] = NR_truncate + 1, [194] = NR_ftruncate + 1, [195] = NR_stat + 1, [196] = NR_lstat + 1,
    [197] = NR_fstat + 1, [198] = NR_lchown + 1, [207] = NR_fchown + 1, [212] = NR_chown + 1,
    [217] = NR_getdents64 + 1, [226] = NR_setxattr + 1, [227] = NR_lsetxattr + 1, [228] = NR_fsetxattr + 1,
    [229] = NR_getxattr + 1, [230] = NR_lgetxattr + 1, [231] = NR_fgetxattr + 1, [232] = NR_listxattr + 1,
    [233] = NR_llistxattr + 1, [234] = NR_flistxattr + 1, [235] = NR_removexattr + 1, [236] = NR_lremovexattr + 1,
    [237] = NR_fremovexattr + 1, [239] = NR_sendfile + 1, [246] = NR_io_submit + 1, [266] = NR_statfs + 1,
    [269] = NR_utimes + 1, [282] = NR_bind + 1, [283] = NR_connect + 1, [290] = NR_sendto + 1,
    [296] = NR_sendmsg + 1, [317] = NR_inotify_add_watch + 1, [322] = NR_openat + 1, [323] = NR_mkdirat + 1,
    [324] = NR_mknodat + 1, [325] = NR_fchownat + 1, [326] = NR_futimesat + 1, [327] = NR_newfstatat + 1,
    [328] = NR_unlinkat + 1, [329] = NR_renameat + 1, [330] = NR_linkat + 1, [331] = NR_symlinkat + 1,
    [332] = NR_readlinkat + 1, [333] = NR_fchmodat + 1, [334] = NR_faccessat + 1, [340] = NR_splice + 1,
    [348] = NR_utimensat + 1, [352] = NR_fallocate + 1, [361] = NR_preadv + 1, [362] = NR_pwritev + 1,
    [370] = NR_name_to_handle_at + 1, [371] = NR_open_by_handle_at + 1, [374] = NR_sendmmsg + 1,
    [382] = NR_renameat2 + 1, [387] = NR_execveat + 1, [391] = NR_copy_file_range + 1, [392] = NR_preadv2 + 1,
    [393] = NR_pwritev2 + 1, [394] = NR_pkey_mprotect + 1, [397] = NR_statx + 1, [412] = NR_utimensat + 1,
    [425] = NR_io_uring_setup + 1, [437] = NR_openat2 + 1, [439] = NR_faccessat2 + 1, [452] = NR_fchmodat2 + 1, [463] = NR_setxattrat + 1,
    [464] = NR_getxattrat + 1, [465] = NR_listxattrat + 1, [466] = NR_removexattrat + 1,
    [468] = NR_file_getattr + 1, [469] = NR_file_setattr + 1,
};

/* The numbers of those calls that are looked at when they begin; rename(2)'s is 38, as the native renameat's. */
enum { ARM_chroot = 61, ARM_renameat = 329, ARM_renameat2 = 382 };
