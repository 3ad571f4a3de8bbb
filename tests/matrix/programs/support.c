#include "matrix.h"

#include <elf.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

int inherited_fd = -1;

/* ------------------------------------------------------------------------------- in the child */

char *at(const char *name)
{
    static char texts[8][512];
    static unsigned turn;
    char *text = texts[turn++ % 8];

    snprintf(text, sizeof(texts[0]), "%s/%s", case_directory(), name);
    return text;
}

void become_ordinary(void)
{
    OK(SYS(setgroups, 0L, 0L));
    OK(SYS(setresgid, 1000, 1000, 1000));
    OK(SYS(setresuid, 1000, 1000, 1000));
}

int fork_as(int who)
{
    int pid = (int)OK(SYS(clone, (long)SIGCHLD, 0L, 0L, 0L, 0L));

    if (pid == 0)
        shared->pids[who] = (int)SYS(getpid);
    return pid;
}

void reap(int pid)
{
    int status = -1;

    OK(SYS(wait4, pid, &status, 0L, 0L));
    MUST(status == 0);
}

int open_file(const char *name, int flags) { return (int)OK(SYS(openat, AT_FDCWD, name, flags, 0644)); }

void open_and_close(const char *name, int flags) { OK(SYS(close, open_file(name, flags))); }

void read_file(const char *name)
{
    int fd = open_file(name, O_RDONLY);

    OK(SYS(read, fd, buffer, 16L));
    OK(SYS(close, fd));
}

/* ------------------------------------------------------------------------------- in the program */

void make_text(const char *name, const char *text, int mode)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || fchmod(fd, (mode_t)mode) || close(fd))
        fail_setup(name);
}

void make_file(const char *name) { make_text(name, "0123456789", 0644); }

void make_directory(const char *name)
{
    if (mkdir(name, 0755))
        fail_setup(name);
}

void make_link(const char *target, const char *name)
{
    if (symlink(target, name))
        fail_setup(name);
}

/* What the made programs do, in machine code that does not mind where it lies. */
extern const char tiny_code[], tiny_end[];
#if defined(__x86_64__)
__asm__(".section .rodata\n.globl tiny_code, tiny_end\n"
        "tiny_code:\n"
        " xor %eax,%eax\n mov $100,%edi\n lea -128(%rsp),%rsi\n mov $1,%edx\n syscall\n" /* read */
        " mov $21,%eax\n lea 1f(%rip),%rdi\n xor %esi,%esi\n syscall\n"                  /* access */
        " mov $231,%eax\n xor %edi,%edi\n syscall\n"                                     /* exit_group */
        "1: .asciz \"after-exec\"\n"
        "tiny_end:\n.previous\n");
#define TINY_MACHINE EM_X86_64
#elif defined(__aarch64__)
__asm__(".section .rodata\n.globl tiny_code, tiny_end\n.balign 4\n"
        "tiny_code:\n"
        " mov x0,#100\n sub x1,sp,#128\n mov x2,#1\n mov x8,#63\n svc #0\n"
        " mov x0,#-100\n adr x1,1f\n mov x2,#0\n mov x8,#48\n svc #0\n"
        " mov x0,#0\n mov x8,#94\n svc #0\n"
        "1: .asciz \"after-exec\"\n"
        "tiny_end:\n.previous\n");
#define TINY_MACHINE EM_AARCH64
#else
#error "no code for this machine"
#endif

struct image {
    Elf64_Ehdr head;
    Elf64_Phdr parts[2];
    char interpreter[256];
    char code[256];
};

void write_program(int fd, const char *interpreter, int position_independent)
{
    const uint64_t base = position_independent ? 0 : 0x400000;
    struct image image = {
        .head = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                 .e_type = position_independent ? ET_DYN : ET_EXEC,
                 .e_machine = TINY_MACHINE,
                 .e_version = EV_CURRENT,
                 .e_entry = base + offsetof(struct image, code),
                 .e_phoff = offsetof(struct image, parts),
                 .e_ehsize = sizeof(Elf64_Ehdr),
                 .e_phentsize = sizeof(Elf64_Phdr),
                 .e_phnum = interpreter ? 2 : 1},
        /* Older kernels, 6.1 for one, write zeros behind the last part of a loader, up to the end of its page. */
        .parts = {{.p_type = PT_LOAD, .p_flags = PF_R | PF_X | (position_independent ? PF_W : 0), .p_vaddr = base, .p_paddr = base,
                   .p_filesz = sizeof(image), .p_memsz = sizeof(image), .p_align = 4096},
                  {.p_type = PT_INTERP, .p_offset = offsetof(struct image, interpreter), .p_flags = PF_R,
                   .p_vaddr = base + offsetof(struct image, interpreter),
                   .p_filesz = interpreter ? strlen(interpreter) + 1 : 0, .p_align = 1}},
    };

    if (interpreter)
        snprintf(image.interpreter, sizeof(image.interpreter), "%s", interpreter);
    memcpy(image.code, tiny_code, (size_t)(tiny_end - tiny_code));
    if (write(fd, &image, sizeof(image)) != sizeof(image))
        fail_setup("program");
}

static void make_image(const char *name, const char *interpreter, int position_independent)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);

    if (fd < 0)
        fail_setup(name);
    write_program(fd, interpreter, position_independent);
    if (close(fd))
        fail_setup(name);
}

void make_program(const char *name) { make_image(name, NULL, 0); }
void make_loader(const char *name) { make_image(name, NULL, 1); }
void make_dynamic_program(const char *name, const char *loader) { make_image(name, loader, 0); }

void with_file(void) { make_file("file"); }

void with_two_files(void)
{
    make_file("file");
    make_file("other");
}

void with_directory(void)
{
    make_file("file");
    make_directory("dir");
    make_file("dir/file");
}

void with_link(void)
{
    make_file("file");
    make_link("file", "link");
}

void with_program(void) { make_program("prog"); }

void with_inherited(void)
{
    make_file("file");
    inherited_fd = open("file", O_RDWR);
    if (inherited_fd < 0)
        fail_setup("file");
}

void with_inherited_directory(void)
{
    with_directory();
    inherited_fd = open("dir", O_RDONLY | O_DIRECTORY);
    if (inherited_fd < 0)
        fail_setup("dir");
}

void close_inherited(void)
{
    if (inherited_fd >= 0)
        close(inherited_fd);
    inherited_fd = -1;
}
