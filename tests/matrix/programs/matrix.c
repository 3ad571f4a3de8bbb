/* Runs the cases and says in one JSON line each what has to be in the trail. */
#include "matrix.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

extern const struct test_case __start_cases[], __stop_cases[];

struct shared *shared;
char buffer[65536];
const char *root;
static const struct test_case *current;

const char *case_directory(void)
{
    static char path[256];

    snprintf(path, sizeof(path), "%s/%s", root, current->name);
    return path;
}

/* JSON text whose code points are the bytes: names need not be UTF-8. */
static void print_bytes(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)bytes[i];

        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c >= 0x20 && c < 0x7f)
            putchar(c);
        else
            printf("\\u%04x", c);
    }
}

static void print_text(const char *key, const char *text)
{
    printf(",\"%s\":", key);
    if (!text) {
        printf("null");
        return;
    }
    putchar('"');
    print_bytes(text, strlen(text));
    putchar('"');
}

static void print_deep(int levels)
{
    for (int i = 0; i < levels; i++) {
        if (i)
            putchar('/');
        for (int k = 0; k < 255; k++)
            putchar('d');
    }
}

static int is_absolute(const char *name)
{
    return name[0] == '/' || !strncmp(name, "inet:", 5) || !strncmp(name, "{tail}", 6);
}

static void print_name(const char *key, const char *name, int pid, int is_path)
{
    printf(",\"%s\":", key);
    if (!name) {
        printf("null");
        return;
    }
    putchar('"');
    if (is_path && !strncmp(name, "unix:", 5)) {
        printf("unix:");
        name += 5;
        if (name[0] == '@')
            is_path = 0;
    }
    if (is_path && !is_absolute(name)) {
        print_bytes(case_directory(), strlen(case_directory()));
        if (strcmp(name, "."))
            putchar('/');
        else
            name = "";
    }
    while (*name) {
        const char *brace = strchr(name, '{');

        if (!brace) {
            print_bytes(name, strlen(name));
            break;
        }
        print_bytes(name, (size_t)(brace - name));
        if (!strncmp(brace, "{inode}", 7))
            printf("%llu", (unsigned long long)shared->inode);
        else if (!strncmp(brace, "{pid}", 5))
            printf("%d", pid);
        else if (!strncmp(brace, "{deep}", 6))
            print_deep(DEEP_LEVELS);
        else if (!strncmp(brace, "{tail}", 6)) {
            putchar('/');
            print_deep((8192 - (int)sizeof("/file") + 1) / 256);
        } else if (!strncmp(brace, "{4095}", 6)) {
            for (int i = 0; i < 4095 - (int)(brace - name); i++)
                putchar('x');
        } else if (!strncmp(brace, "{255}", 5) || !strncmp(brace, "{256}", 5)) {
            for (int i = 0; i < (brace[3] == '5' ? 255 : 256); i++)
                putchar('x');
        }
        name = strchr(brace, '}') + 1;
    }
    putchar('"');
}

/* The row as the families leave it that know what names turned out to be. */
static struct row resolved_row(const struct row *row)
{
    /* What succeeded by name has looked its name up, but for sockets and the parts of an exec. */
    static const char *const by_name[] = {"truncate", "delete", "rename", "link", "symlink", "mkdir",
                                          "rmdir", "mknod", "metadata", "probe", "readlink"};
    static char flags[64];
    struct row made = *row;
    int resolves = row->resolved || row->resolved_flags;

    for (size_t i = 0; i < sizeof(by_name) / sizeof(*by_name); i++)
        resolves |= !row->error && !strcmp(row->op, by_name[i]);
    if (!row->flags || !strstr(row->flags, "lexical") || row->in == NEVER_RESOLVED || !resolves)
        return made;
    if (row->resolved)
        made.path = row->resolved;
    if (row->resolved_to)
        made.to = row->resolved_to;
    snprintf(flags, sizeof(flags), "%s%s%s", strstr(row->flags, "exchange") ? "exchange " : "",
             !strcmp(row->op, "mkdir") || !strcmp(row->op, "rmdir") ? "directory" : "",
             row->resolved_flags ? row->resolved_flags : "");
    made.flags = flags;
    return made;
}

static void print_row(const struct row *row)
{
    int pid = shared->pids[row->who];
    const char *flags = row->flags ? row->flags : "";

    printf("{\"who\":%d,\"pid\":%d", row->who, pid);
    print_text("op", row->op);
    print_name("path", row->path, pid, 1);
    print_name("to", row->to, pid, strcmp(row->op, "symlink") != 0);
    print_text("error", row->error);
    printf(",\"flags\":[");
    for (int first = 1; *flags; first = 0) {
        size_t length = strcspn(flags, " ");

        printf("%s\"%.*s\"", first ? "" : ",", (int)length, flags);
        flags += length;
        flags += strspn(flags, " ");
    }
    printf("]}");
}

static void print_rows(const char *key, int resolved)
{
    int first = 1;

    printf(",\"%s\":[", key);
    for (const struct row *row = current->rows; row->op; row++) {
        struct row made = resolved ? resolved_row(row) : *row;

        if (row->in == (resolved ? ONLY_AS_WRITTEN : ONLY_RESOLVED))
            continue;
        if (!first)
            putchar(',');
        first = 0;
        print_row(&made);
    }
    printf("]");
}

static void print_case(const char *skipped)
{
    printf("{\"case\":\"%s\"", current->name);
    print_text("operation", current->operation);
    print_text("variant", current->variant);
    print_text("needs", current->needs);
    print_text("limit", current->limit);
    printf(",\"pid\":%d,\"pids\":[", shared->pids[0]);
    for (int i = 0; i <= current->processes; i++)
        printf("%s%d", i ? "," : "", shared->pids[i]);
    printf("]");
    print_text("skipped", skipped);
    if (shared->failed_line)
        printf(",\"failed\":\"%s:%d: result %d\"", shared->failed_file, shared->failed_line,
               shared->failed_error);
    else
        printf(",\"failed\":null");
    print_rows("rows", 0);
    print_rows("resolved", 1);
    printf("}\n");
    fflush(stdout);
}

long must(const char *file, int line, int good, long result)
{
    if (good)
        return result;
    if (!shared->failed_line) {
        shared->failed_file = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
        shared->failed_error = (int)result;
        shared->failed_line = line;
    }
    syscall(__NR_exit_group, 99);
    __builtin_unreachable();
}

/* Whether the kernel knows a call is said by what it answers to arguments that cannot be right. */
static int is_missing(const struct test_case *one)
{
    if (one->has)
        return !one->has();
    return one->syscall && syscall(one->syscall, -1L, -1L, -1L, -1L, -1L, -1L) == -1 && errno == ENOSYS;
}

static void run_case(void)
{
    int status;

    memset(shared, 0, sizeof(*shared));
    if (is_missing(current)) {
        print_case(current->needs ? current->needs : "");
        return;
    }
    if (mkdir(case_directory(), 0755) || chdir(case_directory()))
        fail_setup("directory");
    if (current->setup)
        current->setup();
    fflush(stdout);
    int child = fork();

    if (child == 0) {
        shared->pids[0] = (int)syscall(__NR_getpid);
        current->run();
        syscall(__NR_exit_group, 0);
    }
    if (child < 0)
        fail_setup("fork");
    /* Orphans of the case come to us, if we are the container's init. */
    while (wait(&status) > 0)
        if (status && !shared->failed_line) {
            shared->failed_line = 1;
            shared->failed_error = status;
            shared->failed_file = "wait status";
        }
    if (current->cleanup)
        current->cleanup();
    close_inherited();
    print_case(NULL);
    if (chdir("/"))
        fail_setup("chdir");
}

void fail_setup(const char *what)
{
    fprintf(stderr, "%s: setup: %s: %s\n", current ? current->name : "matrix", what, strerror(errno));
    exit(98);
}

int main(int argc, char **argv)
{
    int list = argc == 2 && !strcmp(argv[1], "list");

    if (!list && (argc < 3 || strcmp(argv[1], "run"))) {
        fprintf(stderr, "usage: matrix list | matrix run DIRECTORY [CASE…]\n");
        return 2;
    }
    root = list ? "" : argv[2];
    umask(022);
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        fail_setup("mmap");
    for (current = __start_cases; current < __stop_cases; current++) {
        int wanted = argc <= 3;

        for (int i = 3; i < argc; i++)
            wanted |= !strcmp(argv[i], current->name);
        if (list)
            print_case(NULL);
        else if (wanted)
            run_case();
    }
    return 0;
}
