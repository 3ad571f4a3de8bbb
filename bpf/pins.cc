#include "bpf/pins.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <memory>

#include "base/files.h"
#include "base/pid_namespace.h"
#include "bpf/state.h"

namespace spoor::bpf {
namespace {

constexpr const char* complete_mark = "complete";
constexpr const char* ring_prefix = "ring_";

// bpffs reserves dots in names.
std::string version_directory(uint32_t abi, uint32_t state, uint32_t pid_namespace) {
    return "v" + std::to_string(abi) + "-" + std::to_string(state) +
           (pid_namespace != first_pid_namespace ? "-" + std::to_string(pid_namespace) : "");
}

Status make_own_directory(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) < 0 && errno != EEXIST) return errno_error(path);
    return {};
}

}  // namespace

Result<Pins> Pins::open(const std::string& dir) {
    SPOOR_TRY(make_own_directory(dir));
    const auto pid_namespace = own_pid_namespace();
    if (!pid_namespace) return pid_namespace.error();
    const std::string path =
        dir + "/" + version_directory(SPOOR_ABI_VERSION, SPOOR_STATE_VERSION, *pid_namespace);
    struct statfs fs {};
    if (::statfs(dir.c_str(), &fs) < 0) return errno_error(dir);
    if (fs.f_type != BPF_FS_MAGIC) return Error{ENOTSUP, dir + " is not on a bpffs"};
    SPOOR_TRY(make_own_directory(path));
    return open_version(path, SPOOR_ABI_VERSION);
}

Result<Pins> Pins::open_version(const std::string& path, uint32_t abi_version) {
    auto fd = open_file(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!fd) return std::move(fd).error();
    struct stat st {};
    if (::fstat(fd->get(), &st) < 0) return errno_error(path);
    if (st.st_uid != ::geteuid() || (st.st_mode & 022) != 0)
        return Error{EACCES, path + ": must belong to spoord's user, with nobody else to write to it"};
    if (::flock(fd->get(), LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? Error{EBUSY, path + ": another spoord uses it"} : errno_error(path);
    return Pins(path, abi_version, std::move(*fd));
}

bool Pins::complete() const {
    struct stat st {};
    return ::fstatat(dir_.get(), complete_mark, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

Status Pins::mark_complete() const {
    if (::mkdirat(dir_.get(), complete_mark, 0700) < 0) return errno_error(path_ + "/" + complete_mark);
    return {};
}

Status Pins::pin(const std::string& name, int fd) const {
    const std::string path = path_ + "/" + name;
    if (int error = bpf_obj_pin(fd, path.c_str()); error < 0) return errno_error("pin " + path, -error);
    return {};
}

Result<UniqueFd> Pins::get(const std::string& name) const {
    const std::string path = path_ + "/" + name;
    const int fd = bpf_obj_get(path.c_str());
    if (fd < 0) return errno_error("open " + path, -fd);
    return UniqueFd(fd);
}

void Pins::unpin(const std::string& name) const { ::unlinkat(dir_.get(), name.c_str(), 0); }

Result<std::vector<std::string>> Pins::names(const std::string& prefix) const {
    std::vector<std::string> names;
    // A description of its own: reading moves its position.
    const int copy = ::openat(dir_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const std::unique_ptr<DIR, int (*)(DIR*)> listing(copy < 0 ? nullptr : ::fdopendir(copy), ::closedir);
    if (!listing) return errno_error("list " + path_);
    while (const dirent* entry = ::readdir(listing.get())) {
        const std::string name = entry->d_name;
        if (name != "." && name != ".." && name != complete_mark && name.starts_with(prefix))
            names.push_back(name);
    }
    return names;
}

void Pins::clear() const {
    ::unlinkat(dir_.get(), complete_mark, AT_REMOVEDIR);
    if (const auto all = names())
        for (const std::string& name : *all) unpin(name);
}

void Pins::remove() const {
    clear();
    ::unlinkat(AT_FDCWD, path_.c_str(),
               AT_REMOVEDIR);  // rmdir(2) is not for who serves (shim/broker/system_calls.cc)
}

std::vector<Pins> Pins::others() const {
    std::vector<Pins> others;
    const std::string above = path_.substr(0, path_.rfind('/') + 1);
    const std::unique_ptr<DIR, int (*)(DIR*)> listing(::opendir(above.c_str()), ::closedir);
    while (const dirent* entry = listing ? ::readdir(listing.get()) : nullptr) {
        const std::string name = entry->d_name;
        uint32_t abi = 0, state = 0, pid_namespace = first_pid_namespace;
        if (std::sscanf(name.c_str(), "v%" SCNu32 "-%" SCNu32 "-%" SCNu32, &abi, &state, &pid_namespace) <
                2 ||
            name != version_directory(abi, state, pid_namespace) || above + name == path_)
            continue;
        if (auto other = open_version(above + name, abi)) others.push_back(std::move(*other));
    }
    return others;
}

std::string name_of(const RingPin& pin) {
    return ring_prefix + std::to_string(pin.session) + "_" + std::to_string(pin.bytes);
}

Result<std::vector<RingPin>> ring_pins(const Pins& pins) {
    auto names = pins.names(ring_prefix);
    if (!names) return std::move(names).error();
    std::vector<RingPin> rings;
    for (const std::string& name : *names) {
        RingPin pin;
        if (std::sscanf(name.c_str(), "ring_%" SCNu64 "_%" SCNu32, &pin.session, &pin.bytes) == 2 &&
            name_of(pin) == name)
            rings.push_back(pin);
    }
    return rings;
}

}  // namespace spoor::bpf
