/* Names and paths as bytes: odd ones, long ones, and ways to write the same one. */
#include "matrix.h"

#include <string.h>
#include <sys/stat.h>

static struct stat status;

/* A file of that name: opened (resolved by the kernel) and changed (as the caller wrote it). */
#define ODD_NAME(id, what, name)                                                                  \
    static void with_##id(void) { make_file(name); }                                              \
    CASE(id, "read", "a name with " what, (.setup = with_##id),                                   \
         (OPENED(name) DID("read", name) NAMED("metadata", name) ABSENT(name "~"))) \
    {                                                                                             \
        read_file(name);                                                                          \
        OK(SYS(fchmodat, AT_FDCWD, name, 0600));                                                  \
        FAILS(ENOENT, SYS(newfstatat, AT_FDCWD, name "~", &status, 0));                           \
    }

ODD_NAME(name_newline, "a newline", "a\nb")
ODD_NAME(name_quotes, "quotes and a backslash", "a\"b'c\\d")
ODD_NAME(name_controls, "control characters", "a\001\t\033[1m\177b")
ODD_NAME(name_utf8, "UTF-8", "caf\303\251-\360\237\220\276")
ODD_NAME(name_invalid, "invalid UTF-8", "a\377\376b")
ODD_NAME(name_overlong, "overlong UTF-8 and a surrogate", "\300\257\355\240\200")
ODD_NAME(name_latin1, "Latin-1", "caf\351")
ODD_NAME(name_spaces, "spaces at both ends", "  a b ")
ODD_NAME(name_dots, "nothing but dots", "...")
ODD_NAME(name_deleted, "\" (deleted)\" at its end", "x (deleted)")
ODD_NAME(name_proc, "what looks like a socket", "socket:[123]")

#define LONG "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" /* 63 */
#define LONGEST LONG "x" LONG "x" LONG "x" LONG                                /* 255 */

static void with_longest(void) { make_file(LONGEST); }
CASE(name_255, "read", "a name of 255 bytes", (.setup = with_longest),
     (OPENED("{255}") DID("read", "{255}") NAMED("metadata", "{255}")))
{
    read_file(LONGEST);
    OK(SYS(fchmodat, AT_FDCWD, LONGEST, 0600));
}

CASE(name_256, "read", "a name of 256 bytes, ENAMETOOLONG", (), (FAILED("read", "{256}", "ENAMETOOLONG")))
{
    FAILS(ENAMETOOLONG, SYS(openat, AT_FDCWD, LONGEST "x", O_RDONLY));
}

CASE(path_too_long, "probe", "a path longer than PATH_MAX, ENAMETOOLONG: cut and marked", (),
     ({.op = "probe", .path = "/{4095}", .error = "ENAMETOOLONG", .flags = "lexical truncated"}, ))
{
    memset(buffer, 'x', 5000);
    buffer[0] = '/';
    buffer[5000] = 0;
    FAILS(ENAMETOOLONG, SYS(newfstatat, AT_FDCWD, buffer, &status, 0));
}

/* The directories are made and entered one by one, by the program; their names are 255 d's. */
static void make_deep(int levels)
{
    static char name[256];

    memset(name, 'd', 255);
    for (int i = 0; i < levels; i++) {
        make_directory(name);
        if (chdir(name))
            fail_setup("chdir");
    }
    make_file("file");
}

static void with_deep(void) { make_deep(DEEP_LEVELS); }
CASE(path_deep, "read", "a path longer than PATH_MAX, reached by chdir", (.setup = with_deep),
     (OPENED("{deep}/file") DID("read", "{deep}/file") NAMED("metadata", "{deep}/file") ABSENT("{deep}/none")))
{
    read_file("file");
    OK(SYS(fchmodat, AT_FDCWD, "file", 0600));
    FAILS(ENOENT, SYS(newfstatat, AT_FDCWD, "none", &status, 0));
}

static void with_deeper(void) { make_deep(2 * DEEP_LEVELS); }
CASE(path_deeper, "read", "a path longer than can be reported: its tail, marked", (.setup = with_deeper),
     (DID_WITH("probe", "{tail}/file", "open truncated") DID_WITH("read", "{tail}/file", "truncated")))
{
    read_file("file");
}

/* --------------------------------------------------------------- ways to write the same name */

static void with_tree(void)
{
    make_directory("a");
    make_directory("a/b");
    make_file("a/file");
    make_file("file");
    make_link("a/b", "link");
}

CASE(path_dotdot, "probe", "`symlink/..` is not folded", (.setup = with_tree),
     (NAMED_FOR("probe", "link/../file", "a/file"){.op = "probe", .path = "a/file", .flags = "open", .in = ONLY_AS_WRITTEN},
      DID("read", "a/file")))
{
    OK(SYS(newfstatat, AT_FDCWD, "link/../file", &status, 0));
    read_file("link/../file");
}

CASE(path_slashes, "probe", "doubled slashes and dots are folded", (.setup = with_tree),
     (NAMED("probe", "a/file") ABSENT("a/none")))
{
    OK(SYS(newfstatat, AT_FDCWD, ".//a/.///file", &status, 0));
    OK(SYS(newfstatat, AT_FDCWD, "a/file", &status, 0));
    FAILS(ENOENT, SYS(newfstatat, AT_FDCWD, "a//./none", &status, 0));
}

CASE(path_trailing, "probe", "a slash at the end of a directory's name", (.setup = with_tree),
     (NAMED_DIRECTORY("probe", "a") OPENED_DIRECTORY("a/b")))
{
    OK(SYS(newfstatat, AT_FDCWD, "a/", &status, 0));
    open_and_close("link//", O_RDONLY);
}

CASE(path_trailing_link, "probe", "a slash at the end of a symlink's name: it is followed", (.setup = with_tree),
     ({.op = "probe", .path = "link", .flags = "lexical", .resolved = "a/b", .resolved_flags = "directory"}, ))
{
    OK(SYS(newfstatat, AT_FDCWD, "link/", &status, AT_SYMLINK_NOFOLLOW));
}

CASE(path_trailing_file, "absent", "a slash at the end of a file's name, ENOTDIR", (.setup = with_tree),
     (FAILED("absent", "file", "ENOTDIR")))
{
    FAILS(ENOTDIR, SYS(newfstatat, AT_FDCWD, "file/", &status, 0));
}

CASE(path_dot, "probe", "`.` and `/`", (), (NAMED_DIRECTORY("probe", ".") NAMED_DIRECTORY("probe", "/")))
{
    OK(SYS(newfstatat, AT_FDCWD, ".", &status, 0));
    OK(SYS(newfstatat, AT_FDCWD, "/", &status, 0));
}

CASE(deleted_cwd, "absent", "a name in a working directory that is gone", (),
     (NAMED_ITSELF("mkdir", "gone") DID_WITH("probe", "gone", "directory") NAMED_ITSELF("rmdir", "gone"){
         .op = "absent", .path = "gone/x", .error = "ENOENT", .flags = "lexical deleted"}, ))
{
    OK(SYS(mkdirat, AT_FDCWD, "gone", 0755));
    OK(SYS(chdir, "gone"));
    OK(SYS(unlinkat, AT_FDCWD, at("gone"), AT_REMOVEDIR));
    FAILS(ENOENT, SYS(newfstatat, AT_FDCWD, "x", &status, 0));
}
