// What happened in the container, decoded and with its parts joined: the input of everything in
// this room. The recorder makes these from the ring's records (bpf/abi.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace spoor {

// Numbered as enum spoor_op in bpf/abi.h.
enum class Op : uint8_t {
    read = 1,
    write,
    create,
    truncate,
    remove,
    rename,
    link,
    symlink,
    mkdir,
    rmdir,
    mknod,
    metadata,
    list,
    probe,
    absent,
    readlink,
    exec,
    mmap_exec,
    mmap_write,
    connect,
    bind,
};

// Bit for bit enum spoor_flag in bpf/abi.h.
enum AccessFlag : uint16_t {
    flag_lexical = 1 << 0,
    flag_truncated = 1 << 1,
    flag_deleted = 1 << 2,
    flag_inherited = 1 << 3,
    flag_unreachable = 1 << 4,
    flag_directory = 1 << 5,
    flag_open = 1 << 6,
    flag_intent = 1 << 7,
    flag_nofollow = 1 << 8,
    flag_exchange = 1 << 9,
    flag_sockaddr = 1 << 10,
    flag_memory = 1 << 11,
    flag_refused = 1 << 12,
};

// A process instance. `start_ns` is CLOCK_BOOTTIME; `pid` is the container's number.
struct ProcessKey {
    uint32_t pid = 0;
    uint64_t start_ns = 0;
    bool operator==(const ProcessKey&) const = default;
};

struct ForkEvent {
    ProcessKey child;
    ProcessKey parent;
    uint32_t host_pid = 0;  // the child's, in the recorder's pid namespace; 0: none there
};

struct ExecEvent {
    ProcessKey process;
    uint32_t parent_pid = 0;  // as the kernel knew it then
    uint32_t host_pid = 0;    // likewise
    uint16_t exe_flags = 0;   // enum AccessFlag
    uint16_t script_flags = 0;
    std::string exe;     // absolute, resolved; bytes
    std::string script;  // the `#!` file named in execve, or empty
    // Scripts between `script` and `exe`: interpreters that are scripts themselves. As their `#!` lines
    // name them, and told by the arguments, so an absolute path that is an argument of a `#!` line is
    // among them.
    std::vector<std::string> interpreters;
    std::string loader;  // the dynamic loader, or empty
    std::string cwd;
    std::vector<std::string> argv;
    std::vector<std::string> environment;  // task keys only, as NAME=value
    bool argv_truncated = false;
};

struct ExitEvent {
    ProcessKey process;
    int wait_status = 0;  // as wait(2) gives it
};

struct AccessEvent {
    ProcessKey process;
    Op op = Op::read;
    uint16_t flags = 0;  // enum AccessFlag
    int error = 0;       // errno, 0 on success
    std::string path;    // absolute; bytes, any but NUL
    std::string to;      // rename and link: new name; symlink: target text
};

}  // namespace spoor
