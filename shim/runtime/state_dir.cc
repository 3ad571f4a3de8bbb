#include "shim/runtime/state_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <ctime>

#include "base/atomic_file.h"
#include "base/files.h"
#include "shim/ipc/control.h"
#include "shim/runtime/environment.h"

namespace spoor {
namespace {

// Time for a spoor to write its owner file after making the directory.
constexpr time_t newborn_s = 10;

bool control_answers(int dir) {
    const UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = "/proc/self/fd/" + std::to_string(dir) + "/" + control_socket_name;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    // A full queue (EAGAIN) has somebody behind it too.
    return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
           errno == EAGAIN;
}

bool is_dir_in_use(int dir) {
    if (control_answers(dir)) return true;
    const auto owner = open_at(dir, owner_file, O_RDONLY);
    if (owner) {
        const auto identity = read_fd(owner->get(), 256);
        return identity && is_alive(*identity);
    }
    struct stat st {};
    return ::fstat(dir, &st) == 0 && ::time(nullptr) - st.st_mtime < newborn_s;
}

// Removes the directory of a dead container. The lock on the directory itself and the second look
// at the name keep two that come to this conclusion together from removing each other's new one.
void remove_if_stale(const std::string& path) {
    const auto dir = open_file(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!dir || ::flock(dir->get(), LOCK_EX | LOCK_NB) != 0) return;
    const auto opened = identity_of(dir->get());
    const auto named = identity_of(path);
    if (!opened || !named || *opened != *named || is_dir_in_use(dir->get())) return;
    (void)remove_tree(path);
}

}  // namespace

bool is_in_use(const std::string& path) {
    const auto dir = open_file(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    return dir && is_dir_in_use(dir->get());
}

void remove_state_dir(const StateDir& dir) {
    const auto there = identity_of(dir.path);
    if (there && *there == dir.identity) (void)remove_tree(dir.path);
}

Status write_owner(const StateDir& dir, int pid) {
    const auto fd = open_file(dir.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!fd) return fd.error();
    return write_file_atomically_at(fd->get(), owner_file, process_identity(pid), 0600);
}

Result<StateDir> make_state_dir(const std::string& state_root, const std::string& container_id) {
    SPOOR_TRY(make_directories(state_root, 0755));
    const std::string containers = state_root + "/containers";
    SPOOR_TRY(make_directories(containers, 0700));
    for (int number = 0; number < 1000; ++number) {
        StateDir dir;
        dir.name = container_id + (number == 0 ? "" : "." + std::to_string(number));
        dir.path = containers + "/" + dir.name;
        bool made = ::mkdir(dir.path.c_str(), 0700) == 0;
        if (!made && errno == EEXIST) {
            remove_if_stale(dir.path);
            made = ::mkdir(dir.path.c_str(), 0700) == 0;
        }
        if (!made && errno == EEXIST) continue;
        if (!made) return errno_error(dir.path);

        const auto identity = identity_of(dir.path);
        if (!identity) return identity.error();
        dir.identity = *identity;
        const auto owner = write_owner(dir, ::getpid());
        if (!owner) {
            remove_state_dir(dir);
            return owner.error();
        }
        return dir;
    }
    return Error{EEXIST, containers + "/" + container_id + ": too many containers of this name"};
}

bool is_plain_container_id(const std::string& id) {
    return !id.empty() && id != "." && id != ".." && id.find('/') == std::string::npos;
}

}  // namespace spoor
