#include "shim/runtime/sweep.h"

#include <dirent.h>
#include <sys/stat.h>

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

constexpr size_t largest_job = 16 * 1024 * 1024;
// spoor writes its name, starts the recorder and writes that one's within its set-up deadline.
constexpr time_t newborn_s = 60;

bool is_dead(const std::string& file) {
    const auto identity = read_file(file, 256);
    return !identity || !is_alive(*identity);
}

bool exists(const std::string& path) {
    struct stat st {};
    return ::lstat(path.c_str(), &st) == 0;
}

bool is_left_behind(const std::string& dir) {
    struct stat st {};
    return ::lstat(dir.c_str(), &st) == 0 && S_ISDIR(st.st_mode) &&
           ::time(nullptr) - st.st_mtime > newborn_s && is_dead(dir + "/" + owner_file) &&
           is_dead(dir + "/" + recorder_file) && !exists(dir + "/" + bundle_copy_dir) && !is_in_use(dir);
}

void remove_left_behind(const std::string& dir, const std::string& own_volume) {
    if (const auto text = read_file(dir + "/" + job_file, largest_job)) {
        if (const auto job = parse_job(*text))
            (void)mark_session_degraded(job->volume_dir, job->container_id,
                                        "the recorder ended before the container");
    }
    if (!exists(own_volume + "/" + trace_directory + "/" + session_file)) (void)remove_tree(own_volume);
    (void)remove_tree(dir);
}

}  // namespace

void sweep_beside(const std::string& state_dir) {
    const size_t slash = state_dir.rfind('/');
    if (slash == std::string::npos || slash == 0) return;
    const std::string containers = state_dir.substr(0, slash);
    const size_t above = containers.rfind('/');
    if (above == std::string::npos || containers.substr(above) != "/containers") return;
    const std::string volumes = containers.substr(0, above) + "/volumes/";
    const std::unique_ptr<DIR, int (*)(DIR*)> listing(::opendir(containers.c_str()), ::closedir);
    while (const dirent* entry = listing ? ::readdir(listing.get()) : nullptr) {
        const std::string name = entry->d_name;
        const std::string dir = containers + "/" + name;
        if (is_plain_container_id(name) && is_left_behind(dir)) remove_left_behind(dir, volumes + name);
    }
}

}  // namespace spoor
