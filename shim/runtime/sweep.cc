#include "shim/runtime/sweep.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <memory>

#include "base/files.h"
#include "shim/ipc/job.h"
#include "shim/runtime/environment.h"
#include "shim/runtime/state_dir.h"
#include "signal/session.h"
#include "signal/volume.h"

namespace spoor {
namespace {

constexpr size_t largest_swept_job = 16 * 1024 * 1024;
// spoor writes its name, starts the recorder and writes that one's within its set-up deadline.
constexpr time_t too_young_s = 60;

bool is_dead(const std::string& file) {
    const auto identity = read_file(file, 256);
    return !identity || !is_alive(*identity);
}

bool exists(const std::string& path) {
    struct stat st {};
    return ::lstat(path.c_str(), &st) == 0;
}

bool is_old_directory(const std::string& path) {
    struct stat st {};
    return ::lstat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode) &&
           ::time(nullptr) - st.st_mtime > too_young_s;
}

bool is_left_behind(const std::string& dir) {
    return is_old_directory(dir) && is_dead(dir + "/" + owner_file) && is_dead(dir + "/" + recorder_file) &&
           !exists(dir + "/" + bundle_copy_dir) && !is_in_use(dir);
}

void remove_left_behind(const std::string& dir, const std::string& own_volume) {
    if (const auto text = read_file(dir + "/" + job_file, largest_swept_job)) {
        if (const auto job = parse_job(*text))
            (void)mark_session_degraded(job->volume_dir, job->container_id,
                                        "the recorder ended before the container");
    }
    if (!exists(own_volume + "/" + trace_directory + "/" + session_file)) (void)remove_tree(own_volume);
    (void)remove_tree(dir);
}

// A volume in which nothing was ever written. What is not empty stops it.
void remove_if_empty(const std::string& volume) {
    for (const std::string& part : {volume + "/" + trace_directory, volume + "/" + agent_directory, volume})
        if (::rmdir(part.c_str()) != 0 && errno != ENOENT) return;
}

// Each entry's name.
template <class Visit>
void for_each_name(const std::string& directory, Visit visit) {
    const std::unique_ptr<DIR, int (*)(DIR*)> listing(::opendir(directory.c_str()), ::closedir);
    while (const dirent* entry = listing ? ::readdir(listing.get()) : nullptr)
        if (is_plain_container_id(entry->d_name)) visit(std::string(entry->d_name));
}

}  // namespace

void sweep_beside(const std::string& state_dir) {
    const size_t slash = state_dir.rfind('/');
    if (slash == std::string::npos || slash == 0) return;
    const std::string containers = state_dir.substr(0, slash);
    const size_t above = containers.rfind('/');
    if (above == std::string::npos || containers.substr(above) != "/containers") return;
    const std::string volumes = containers.substr(0, above) + "/volumes/";
    for_each_name(containers, [&](const std::string& name) {
        const std::string dir = containers + "/" + name;
        if (is_left_behind(dir)) remove_left_behind(dir, volumes + name);
    });
    for_each_name(volumes, [&](const std::string& name) {
        if (is_old_directory(volumes + name) && !exists(containers + "/" + name))
            remove_if_empty(volumes + name);
    });
    ::utimensat(AT_FDCWD, containers.substr(0, above).c_str(), nullptr, AT_SYMLINK_NOFOLLOW);
}

}  // namespace spoor
