#include "signal/volume.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <string_view>
#include <thread>
#include <vector>

#include "base/files.h"

namespace spoor {
namespace {

// Opens VOLUME/name, making it with exactly `mode` if it is missing; the umask must not shut
// readers out.
Result<UniqueFd> open_subdirectory(int volume, const char* name, mode_t mode) {
    bool made = ::mkdirat(volume, name, mode) == 0;
    if (!made && errno != EEXIST) return errno_error(name);
    auto fd = open_at(volume, name, O_RDONLY | O_DIRECTORY);
    if (!fd) return std::move(fd).error();
    if (made && ::fchmod(fd->get(), mode) < 0) return errno_error(name);
    return fd;
}

bool is_number(std::string_view text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// What a session of ours leaves: the names, rotated parts, and temporaries of AtomicFile.
bool is_left_over(std::string_view name) {
    if (name == processes_file || name == accesses_file || name == violations_file || name == tasks_directory)
        return true;
    std::string_view accesses = accesses_file;
    if (name.starts_with(accesses) && name.substr(accesses.size()).starts_with('.'))
        return is_number(name.substr(accesses.size() + 1));
    return name.starts_with(std::string(".") + session_file + ".");
}

Result<std::vector<std::string>> left_overs(int trace) {
    // A descriptor of its own: the one in use keeps its position.
    UniqueFd fd(::openat(trace, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return errno_error("list");
    std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(fd.get()), ::closedir);
    if (!stream) return errno_error("list");
    static_cast<void>(fd.release());
    std::vector<std::string> names;
    while (dirent* entry = ::readdir(stream.get()))
        if (is_left_over(entry->d_name)) names.emplace_back(entry->d_name);
    return names;
}

// remove_tree beneath a directory descriptor; follows no link.
Status remove_tree_at(int dir, const std::string& name) {
    return remove_tree("/proc/self/fd/" + std::to_string(dir) + "/" + name);
}

// A reader asks by a lock of its own whether somebody writes, and has it for a moment.
bool lock(int trace) {
    constexpr auto moment = std::chrono::milliseconds(2);
    constexpr int moments = 50;
    for (int i = 0; ::flock(trace, LOCK_EX | LOCK_NB) < 0; ++i) {
        if (errno != EWOULDBLOCK || i == moments) return false;
        std::this_thread::sleep_for(moment);
    }
    return true;
}

}  // namespace

Result<Volume> Volume::open(const std::string& path) {
    auto named = [&](Error error) { return std::move(error).context("volume " + path); };
    auto top = open_file(path, O_RDONLY | O_DIRECTORY);
    if (!top) return std::move(top).error().context("open the volume");
    Volume volume(path);
    auto trace = open_subdirectory(top->get(), trace_directory, 0755);
    if (!trace) return named(std::move(trace).error());
    auto agent = open_subdirectory(top->get(), agent_directory, 01777);
    if (!agent) return named(std::move(agent).error());
    if (!lock(trace->get())) {
        if (errno == EWOULDBLOCK)
            return Error{EBUSY,
                         "volume " + path +
                             ": another traced container is writing to it; give each container its own"};
        return named(errno_error("lock trace/"));
    }
    volume.trace_ = std::move(*trace);
    volume.agent_ = std::move(*agent);
    return volume;
}

Status Volume::clear() {
    auto named = [&](Error error) { return std::move(error).context("clear " + path_ + "/trace"); };
    if (auto removed = remove_tree_at(trace_.get(), session_file); !removed)
        return named(std::move(removed).error());
    auto names = left_overs(trace_.get());
    if (!names) return named(std::move(names).error());
    for (const std::string& name : *names)
        if (auto removed = remove_tree_at(trace_.get(), name); !removed)
            return named(std::move(removed).error());
    auto tasks = open_subdirectory(trace_.get(), tasks_directory, 0755);
    if (!tasks) return named(std::move(tasks).error());
    tasks_ = std::move(*tasks);
    return {};
}

}  // namespace spoor
