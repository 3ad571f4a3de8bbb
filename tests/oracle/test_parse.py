"""strace's syntax, and what its calls mean."""

import os

import pytest

from expected import Access, Files, Reader
from strace_parse import LogError, parse_log
from synthetic import hexed, log


def expect(text, cwd="/w", files=None):
    return Reader(cwd, files).read(parse_log(log(text)))


def required(text, **options):
    """(op, path[, to][, error]) of a single process."""
    def short(access):
        return tuple(part for part in (access.op, access.path.decode(), access.to.decode(), access.error) if part)
    return {short(access) for access in expect(text, **options).required}


def test_names_come_out_as_bytes_whatever_is_in_them():
    odd = b'a"b,c)<d> = \\ \n\xff(deleted)'
    calls = parse_log([f'7 openat(AT_FDCWD<{hexed("/w")}>, "{hexed(odd)}", O_RDONLY) = 3<{hexed(b"/w/" + odd)}>\n'])
    assert calls[0].string(1) == odd
    assert calls[0].result_descriptor().path == b"/w/" + odd
    assert not calls[0].result_descriptor().deleted


def test_deleted_is_no_part_of_the_name():
    calls = parse_log(log('7 read(3</w/x>(deleted), ""..., 10) = 10'))
    assert (calls[0].descriptor(0).path, calls[0].descriptor(0).deleted) == (b"/w/x", True)


@pytest.mark.parametrize("text", [
    'openat(AT_FDCWD, "x", O_RDONLY) = 3',  # no number in front
    '7 openat(AT_FDCWD, "x", O_RDONLY',  # cut
    '7 <... openat resumed>) = 3</x>',  # an end without a beginning
])
def test_lines_that_are_not_understood_stop_it(text):
    with pytest.raises(LogError):
        parse_log(log(text))


def test_plain_text_stops_it():
    with pytest.raises(LogError):
        parse_log(['7 access("/etc", R_OK) = 0\n'])[0].string(0)


def test_a_number_used_twice_stops_it():
    with pytest.raises(LogError, match="twice"):
        parse_log(log('7 exit_group(0) = ?\n7 +++ exited with 0 +++\n7 access("/", R_OK) = 0'))


def test_unfinished_calls_are_joined_and_stand_where_they_began():
    calls = parse_log(log("""
        7 openat(AT_FDCWD</w>, "a", O_RDONLY <unfinished ...>
        8 access("b", R_OK) = 0
        7 <... openat resumed>) = 3</w/a>
        7 read(3</w/a>,  <unfinished ...>"""))
    assert [(call.tid, call.name) for call in calls] == [(7, "openat"), (8, "access"), (7, "read")]
    assert calls[0].result_descriptor().path == b"/w/a"
    assert calls[2].error is None


def test_times_may_stand_in_front():
    assert parse_log(log('7 1700000000.123456 access("b", R_OK) = 0'))[0].string(0) == b"b"


def test_opens():
    assert required('7 openat(AT_FDCWD</w>, "a/../b", O_RDONLY|O_CLOEXEC) = 3</w/b>') == {("probe", "/w/b")}
    assert required('7 openat(3</d>, "b", O_WRONLY|O_TRUNC) = 4</d/b>') == {("probe", "/d/b"), ("truncate", "/d/b")}
    assert required('7 open("b", O_RDWR|O_CREAT|O_EXCL, 0600) = 4</w/b>') == {("create", "/w/b")}
    assert required('7 openat2(AT_FDCWD</w>, "b", {flags=O_RDONLY, resolve=RESOLVE_BENEATH}, 24) = 3</w/b>') == {
        ("probe", "/w/b")}


def test_failed_opens():
    assert required('7 open("b/./c//d", O_RDONLY) = -1 ENOENT (No such file or directory)') == {
        ("absent", "/w/b/c/d", "ENOENT")}
    assert required('7 open("../b", O_RDONLY) = -1 ENOTDIR (Not a directory)') == {("absent", "/w/../b", "ENOTDIR")}
    assert required('7 open("b", O_RDONLY) = -1 EACCES (Permission denied)') == {("read", "/w/b", "EACCES")}
    assert required('7 open("b", O_RDWR) = -1 EACCES (Permission denied)') == {("write", "/w/b", "EACCES")}
    assert required('7 open("b", O_RDWR|O_CREAT, 0600) = -1 EROFS (Read-only file system)') == {
        ("create", "/w/b", "EROFS")}


def test_an_open_that_may_have_created_has_two_readings():
    found = expect('7 open("b", O_WRONLY|O_CREAT|O_TRUNC, 0600) = 3</w/b>')
    probe, truncate, create = (Access(7, op, b"/w/b") for op in ("probe", "truncate", "create"))
    assert found.explain({create}) == (set(), set())
    assert found.explain({probe, truncate}) == (set(), set())
    assert found.explain({probe, truncate, create}) == (set(), set())  # opened twice
    assert found.explain({probe})[0] == {truncate}
    assert len(found.explain(set())[0]) == 1


def test_devices_are_opened_for_what_was_asked():
    assert required('7 open("/dev/null", O_RDWR) = 3</dev/null<char 1:3>>\n7 write(3</dev/null<char 1:3>>, "", 1) = 1') == {
        ("probe", "/dev/null"), ("read", "/dev/null"), ("write", "/dev/null")}


def test_pipes_and_sockets_are_nothing():
    assert required('7 read(3<pipe:[77]>, ""..., 10) = 10\n7 write(4<UNIX-STREAM:[1->2]>, ""..., 3) = 3') == set()
    assert required('7 write(3</memfd:x>(deleted), ""..., 10) = 10') == set()
    assert required('7 write(3</memfd:x>, ""..., 10) = 10') == {("write", "/memfd:x")}


def test_descriptors():
    assert required("""
        7 read(3</w/a>, ""..., 10) = 0
        7 pwrite64(4</w/b>, ""..., 10, 0) = 10
        7 write(9</w/full>, ""..., 10) = -1 ENOSPC (No space left on device)
        7 getdents64(5</w>, 0x1 /* 0 entries */, 32768) = 0
        7 copy_file_range(3</w/a>, NULL, 6</w/c>, NULL, 10, 0) = 10
        7 sendfile(6</w/d>, 3</w/e>, NULL, 10) = 10
        7 ftruncate(4</w/b>, 1) = 0
        7 fchmod(4</w/b>, 0600) = 0
        7 utimensat(4</w/t>, NULL, NULL, 0) = 0""") == {
            ("read", "/w/a"), ("write", "/w/b"), ("list", "/w"), ("write", "/w/c"), ("write", "/w/d"),
            ("read", "/w/e"), ("truncate", "/w/b"), ("metadata", "/w/b"), ("metadata", "/w/t")}


def test_fstat_of_an_own_file_may_be_silent():
    found = expect('7 newfstatat(4</w/x>, "", {st_mode=S_IFREG|0644, ...}, AT_EMPTY_PATH) = 0')
    probe, create = Access(7, "probe", b"/w/x"), Access(7, "create", b"/w/x")
    assert found.explain({probe})[0] == set()
    assert found.explain({create})[0] == set()
    assert found.explain(set())[0] == {probe}
    assert found.explain({Access(7, "read", b"/w/x")})[0] == {probe}


def test_maps():
    assert required("""
        7 mmap(NULL, 4, PROT_READ, MAP_PRIVATE, 3</w/a>, 0) = 0x7f0000000000
        7 mmap(NULL, 4, PROT_READ|PROT_EXEC, MAP_PRIVATE|MAP_DENYWRITE, 3</w/b>, 0) = 0x7f0000000000
        7 mmap(NULL, 4, PROT_READ|PROT_WRITE, MAP_SHARED, 3</w/c>, 0) = 0x7f0000000000
        7 mmap(NULL, 4, PROT_READ|PROT_WRITE, MAP_PRIVATE, 3</w/d>, 0) = 0x7f0000000000
        7 mmap(NULL, 4, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000000000""") == {
            ("read", "/w/a"), ("mmap-exec", "/w/b"), ("read", "/w/c"), ("mmap-write", "/w/c"), ("read", "/w/d")}


def test_names():
    assert required("""
        7 access("a", R_OK) = 0
        7 readlink("b", ""..., 64) = 3
        7 readlink("c", 0x55, 64) = -1 EINVAL (Invalid argument)
        7 unlinkat(3</d>, "e", 0) = 0
        7 unlinkat(3</d>, "f", AT_REMOVEDIR) = 0
        7 mkdir("g", 0777) = -1 EEXIST (File exists)
        7 getxattr("h", "user.x", NULL, 0) = -1 ENODATA (No data available)
        7 chmod("i", 0600) = 0
        7 access(NULL, R_OK) = -1 EFAULT (Bad address)""") == {
            ("probe", "/w/a"), ("readlink", "/w/b"), ("readlink", "/w/c", "EINVAL"), ("delete", "/d/e"),
            ("rmdir", "/d/f"), ("mkdir", "/w/g", "EEXIST"), ("probe", "/w/h", "ENODATA"), ("metadata", "/w/i")}


def test_two_names():
    assert required("""
        7 renameat2(AT_FDCWD</w>, "a", 3</d>, "b", RENAME_NOREPLACE) = 0
        7 rename("c", "d") = -1 ENOENT (No such file or directory)
        7 link("e", "/f") = 0
        7 symlinkat("../target", 3</d>, "g") = 0""") == {
            ("rename", "/w/a", "/d/b"), ("rename", "/w/c", "/w/d", "ENOENT"), ("link", "/w/e", "/f"),
            ("symlink", "/d/g", "../target")}


def test_sockets():
    assert required("""
        7 connect(3<UNIX-STREAM:[1]>, {sa_family=AF_UNIX, sun_path="/run//x"}, 9) = -1 ENOENT (No such file or directory)
        7 connect(3<UNIX-STREAM:[1]>, {sa_family=AF_UNIX, sun_path=@"abs"}, 9) = 0
        7 connect(3<TCP:[1]>, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}, 16) = -1 EINPROGRESS (Operation now in progress)
        7 connect(3<TCPv6:[1]>, {sa_family=AF_INET6, sin6_port=htons(9), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "::1", &sin6_addr), sin6_scope_id=0}, 28) = 0
        7 bind(3<TCP:[1]>, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}, 16) = 0
        7 connect(3<UNIX-STREAM:[1]>, {sa_family=AF_UNIX, sun_path="s/t"}, 9) = -1 ECONNREFUSED (Connection refused)
        7 sendto(3<UDP:[1]>, "x", 1, 0, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("10.0.0.1")}, 16) = 1
        7 sendto(3<TCP:[1]>, "x", 1, 0, NULL, 0) = 1
        7 bind(3<UNIX-STREAM:[1]>, {sa_family=AF_UNIX, sun_path="/s"}, 5) = 0""") == {
            ("absent", "/run/x", "ENOENT"), ("connect", "unix:@abs"), ("connect", "inet:127.0.0.1:80"),
            ("connect", "unix:/w/s/t", "ECONNREFUSED"), ("connect", "inet:10.0.0.1:53"),
            ("connect", "inet:[::1]:9"), ("bind", "inet:127.0.0.1:80"), ("bind", "unix:/s")}


def test_working_directories():
    fork = "clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD, child_tidptr=0x1)"
    found = expect(f"""
        7 chdir("sub") = 0
        7 {fork} = 8
        8 access("a", R_OK) = 0
        8 chdir("/other") = 0
        8 access("b", R_OK) = 0
        7 access("c", R_OK) = 0
        7 fchdir(3</third>) = 0
        7 access("d", R_OK) = 0
        7 chdir("nowhere") = -1 ENOENT (No such file or directory)
        7 access("e", R_OK) = 0""").required
    assert {(access.pid, access.path.decode()) for access in found if access.op == "probe"} == {
        (8, "/w/sub/a"), (8, "/other/b"), (7, "/w/sub/c"), (7, "/third/d"), (7, "/third/e")}


def test_a_working_directory_that_is_gone_keeps_its_name():
    gone = 'openat(AT_FDCWD</w/x (deleted)>, "y", O_RDONLY) = -1 ENOENT (No such file or directory)'
    assert required(f"7 {gone}") == {("absent", "/w/x/y", "ENOENT")}
    assert required(f"7 fchdir(3</w/x (deleted)>) = 0\n7 {gone}") == {("absent", "/w/x (deleted)/y", "ENOENT")}


def test_chdir_is_told_by_name_or_by_directory(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    found = expect('7 chdir("link") = 0\n7 chdir("..") = 0', cwd=tmp_path)
    def probe(path):
        return Access(7, "probe", os.fsencode(tmp_path.resolve()) + path)
    assert found.explain({probe(b"/link"), probe(b"/real/..")}) == (set(), set())
    assert found.explain({probe(b"/real"), probe(b"")}) == (set(), set())
    assert found.explain({probe(b"/real/link"), probe(b"")}) == ({probe(b"/real")}, {probe(b"/real/link")})


def test_a_child_may_speak_before_its_fork_has_returned():
    found = expect("""
        7 chdir("/sub") = 0
        7 vfork( <unfinished ...>
        8 access("a", R_OK) = 0
        7 <... vfork resumed>) = 8""").required
    assert Access(8, "probe", b"/sub/a") in found


def test_threads_are_their_process_and_share_its_directory():
    found = expect("""
        7 clone3({flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_THREAD, exit_signal=0}, 88) = 9
        9 chdir("/t") = 0
        7 access("a", R_OK) = 0""").required
    assert {access.pid for access in found} == {7}
    assert Access(7, "probe", b"/t/a") in found


def test_a_thread_that_executes_goes_on_as_its_process(tmp_path):
    found = expect(f"""
        7 clone(child_stack=0x1, flags=CLONE_VM|CLONE_FS|CLONE_THREAD) = 9
        9 execve("{tmp_path}/gone", [...], 0x1 /* 3 vars */ <unfinished ...>
        7 +++ superseded by execve in pid 9 +++
        7 <... execve resumed>) = 0
        7 access("/a", R_OK) = 0""")
    assert found.explain({Access(7, "exec", os.fsencode(tmp_path / "gone")), Access(7, "probe", b"/a")}) == (set(), set())


class FakeFiles(Files):
    def __init__(self, programs, links=None):
        super().__init__(links)
        self.programs = programs

    def _link(self, path):
        return self.links.get(path)

    def program(self, path):
        return self.programs.get(path)


def test_programs():
    files = FakeFiles({b"/usr/bin/cc": ("elf", b"/lib64/ld.so"), b"/w/run": ("script", b"/bin/sh"),
                       b"/usr/bin/sh": ("elf", b"")},
                      {"/bin": "usr/bin", "/lib64": "usr/lib64"})
    assert required('7 execve("/bin/cc", [...], 0x1 /* 3 vars */) = 0', files=files) == {
        ("exec", "/usr/bin/cc"), ("mmap-exec", "/usr/lib64/ld.so")}
    assert required('7 execve("run", [...], 0x1 /* 3 vars */) = 0', files=files) == {
        ("exec", "/w/run"), ("exec", "/usr/bin/sh")}
    assert required('7 execve("no", [...], 0x1) = -1 ENOENT (No such file or directory)', files=files) == {
        ("absent", "/w/no", "ENOENT")}
    assert required('7 execve("text", [...], 0x1) = -1 ENOEXEC (Exec format error)', files=files) == {
        ("exec", "/w/text", "ENOEXEC")}


def test_the_loader_of_a_real_program_is_found():
    kind, loader = Files().program(Files().resolve(b"/bin/sh"))
    assert kind == "elf" and os.path.exists(loader)


def test_links_are_followed_as_the_kernel_does(tmp_path):
    top = os.fsencode(tmp_path.resolve())
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real/deep")
    (tmp_path / "loop").symlink_to("loop")
    files = Files()
    assert files.resolve(top + b"/link/../x") == top + b"/real/x"
    assert files.resolve(top + b"/./link//x") == top + b"/real/deep/x"
    assert files.resolve(top + b"/loop").startswith(top)


def test_a_call_without_a_rule_is_not_passed_over():
    found = expect('7 quotactl("x", 1) = 0\n7 close(3</w/a>) = 0')
    assert found.unknown == {"quotactl"}
