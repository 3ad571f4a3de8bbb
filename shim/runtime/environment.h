// What spoor knows of the machine and of itself.
#pragma once

#include <chrono>
#include <string>

#include "config/config.h"

namespace spoor {

// Where spoor keeps its own: containers/ and volumes/.
std::string state_root(const Config& config);

// The program that managers and hooks call: spoor, in front of this executable (shim/front). Falls back to
// /usr/bin/spoor where /proc does not tell.
std::string front_program();

// A program of spoor's: as configured, else beside `own`, else in /usr/libexec/spoor. Need not exist.
std::string find_program(const std::string& configured, const std::string& name, const std::string& own);
[[nodiscard]] bool is_executable(const std::string& path);

// Root of a user namespace that maps all ids, that is: root of the host (or of a container without
// a user namespace). A rootless manager's root is not.
[[nodiscard]] bool is_host_root();

// Names a process for as long as it lives, across reuse of its pid: "PID START".
std::string process_identity(int pid);
[[nodiscard]] bool is_alive(const std::string& identity);
// SIGKILL for the process of that identity, if it still lives.
void kill_process(const std::string& identity);

// Sets the umask to 022 and back: what spoor makes has the modes it says, and the wrapped runtime
// inherits the caller's umask.
class UmaskGuard {
public:
    UmaskGuard();
    ~UmaskGuard();
    UmaskGuard(const UmaskGuard&) = delete;
    UmaskGuard& operator=(const UmaskGuard&) = delete;

private:
    unsigned int before_;
};

}  // namespace spoor
