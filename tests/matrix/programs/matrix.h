/* The operation matrix: one case an operation and variant, each done by real system calls in a
 * process of its own, with the rows that it has to leave in accesses.jsonl beside it.
 *
 * For a case the program makes the directory ROOT/<case>, enters it and calls setup(); what it
 * accesses there is its own and ignored. Then it forks. The child calls run(), which does nothing
 * but the system calls of the case, and ends. Names in the rows are relative to the case's
 * directory unless they start with '/' or a socket family. */
#pragma once

#include <asm/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

/* A row of accesses.jsonl. In names {inode}, {pid} and {deep} stand for shared->inode, the number
 * of the row's process and DEEP_LEVELS nested directories of 255-byte names; {tail} for as many of
 * them as fit into SPOOR_BASE_MAX before "/file". */
struct row {
    const char *op;
    const char *path;
    const char *error; /* NULL: succeeded */
    const char *flags; /* separated by spaces */
    const char *to;
    int who; /* which process of the case; 0 is the child that runs it */
    /* Families that resolve names: a row that is lexical here and succeeded is exact there (resolved_row()).
     * Where that is not all: */
    const char *resolved;       /* the object's path; also of a call that failed after its name was looked up */
    const char *resolved_to;    /* the other name */
    const char *resolved_flags; /* what is known of it then: "directory" */
    int in;                     /* enum families; 0: all */
};

/* Where a row is, and that it is as the caller wrote it. */
enum families { ONLY_AS_WRITTEN = 1, ONLY_RESOLVED, NEVER_RESOLVED };

struct test_case {
    const char *name;
    const char *operation;
    const char *variant;
    void (*run)(void);
    const struct row *rows; /* ended by one without op; in the order of each process */
    void (*setup)(void);
    void (*cleanup)(void);
    /* What the machine may lack: a text, and how to find out: a system call's number or a function
     * that returns whether it is there. Without these a case is never left out. */
    const char *needs;
    int (*has)(void);
    int syscall;
    const char *limit; /* what this family cannot see of the case, and says so in docs/coverage.md */
    int processes;     /* beyond the first: children of the case that are to be in processes.jsonl */
} __attribute__((aligned(64))); /* a power of two, or the linker leaves gaps between the cases */

#define UNWRAP(...) __VA_ARGS__
#define CASE(id, operation_, variant_, options, rows_)                                                \
    static void run_##id(void);                                                                       \
    static const struct row rows_of_##id[] = {UNWRAP rows_ {0}};                                      \
    static const struct test_case case_##id __attribute__((section("cases"), used)) = {               \
        .name = #id, .operation = operation_, .variant = variant_, .run = run_##id, .rows = rows_of_##id, \
        UNWRAP options};                                                                              \
    static void run_##id(void)

/* The shapes that most rows have. Each brings its comma, so that a list of them may be empty. */
#define OPENED(name) {.op = "probe", .path = name, .flags = "open"},
#define OPENED_DIRECTORY(name) {.op = "probe", .path = name, .flags = "open directory"},
#define DID(what, name) {.op = what, .path = name},
#define DID_WITH(what, name, flags_) {.op = what, .path = name, .flags = flags_},
#define NAMED(what, name) {.op = what, .path = name, .flags = "lexical"},
#define NAMED_ITSELF(what, name) {.op = what, .path = name, .flags = "lexical nofollow"},
/* Where resolving families know the object by another name, or something of it. */
#define NAMED_FOR(what, name, object) {.op = what, .path = name, .flags = "lexical", .resolved = object},
#define NAMED_DIRECTORY(what, name) {.op = what, .path = name, .flags = "lexical", .resolved_flags = "directory"},
/* Failed after the name was looked up. */
#define FAILED_AT(what, name, errno_) \
    {.op = what, .path = name, .error = errno_, .flags = "lexical", .resolved = name},
#define FAILED_AT_ITSELF(what, name, errno_) \
    {.op = what, .path = name, .error = errno_, .flags = "lexical nofollow", .resolved = name},
#define FAILED(what, name, errno_) {.op = what, .path = name, .error = errno_, .flags = "lexical"},
#define FAILED_ITSELF(what, name, errno_) \
    {.op = what, .path = name, .error = errno_, .flags = "lexical nofollow"},
#define ABSENT(name) FAILED("absent", name, "ENOENT")
#define ABSENT_ITSELF(name) FAILED_ITSELF("absent", name, "ENOENT")
#define TWO(what, from, to_) {.op = what, .path = from, .to = to_, .flags = "lexical nofollow"},

/* What the program and the processes of a case tell each other. */
struct shared {
    int pids[8];      /* by row.who */
    int failed_line;  /* of the first call that did not do what it should */
    int failed_error; /* what it returned */
    const char *failed_file;
    uint64_t inode;
    int ready;
};
extern struct shared *shared;

/* ------------------------------------------------------------------ in the child: run() */

static inline long result_of(long result) { return result == -1 ? -errno : result; }
/* The plain system call; a failure is a negative errno. */
#define SYS(name, ...) result_of(syscall(__NR_##name __VA_OPT__(,) __VA_ARGS__))

long must(const char *file, int line, int good, long result);
/* The call succeeds; its result. */
#define OK(call) ({ long result_ = (call); must(__FILE__, __LINE__, result_ >= 0, result_); })
/* The call fails with this error. */
#define FAILS(error, call) ({ long result_ = (call); must(__FILE__, __LINE__, result_ == -(error), result_); })
#define MUST(condition) must(__FILE__, __LINE__, (condition), 0)

/* The absolute name of something in the case's directory; one of a few buffers used in turn. */
char *at(const char *name);
/* Becomes user and group 1000. */
void become_ordinary(void);
/* Forks with the plain system call; the new process is number `who` of the case. */
int fork_as(int who);
/* Waits for the child and expects it to exit with 0. */
void reap(int pid);
/* Opens, does the one thing, closes. */
void open_and_close(const char *name, int flags);
void read_file(const char *name);
int open_file(const char *name, int flags);

/* ------------------------------------------------------------------ in the program: setup() */

void make_file(const char *name); /* ten bytes */
void make_directory(const char *name);
void make_link(const char *target, const char *name);
void make_program(const char *name);     /* does read(100, …, 1) and access("after-exec"), exits with 0 */
void make_dynamic_program(const char *name, const char *loader); /* with that PT_INTERP, absolute */
void make_loader(const char *name);      /* the same code, position-independent */
void make_text(const char *name, const char *text, int mode);
size_t program_image(const void **image); /* of make_program */
void write_program(int fd, const char *interpreter, int position_independent);
void fail_setup(const char *what) __attribute__((noreturn));
/* Common setups: `file`; `file` and `dir/file`; `file` and `link` to it; `prog`. */
void with_file(void);
void with_directory(void);
void with_link(void);
void with_two_files(void); /* `file`, `other` */
void with_program(void);
/* `file`, open in inherited_fd in every process of the case. */
extern int inherited_fd;
void with_inherited(void);
void with_inherited_directory(void); /* `dir` */
void close_inherited(void);

#define DEEP_LEVELS 20
extern const char *root; /* the directory of all cases */
const char *case_directory(void);

extern char buffer[65536]; /* in memory that 32-bit calls reach, too */

/* Numbers that Debian 12's headers do not have. */
#ifndef __NR_fchmodat2
#define __NR_fchmodat2 452
#endif
#ifndef __NR_setxattrat
#define __NR_setxattrat 463
#define __NR_getxattrat 464
#define __NR_listxattrat 465
#define __NR_removexattrat 466
#endif
#ifndef __NR_file_getattr
#define __NR_file_getattr 468
#define __NR_file_setattr 469
#endif
