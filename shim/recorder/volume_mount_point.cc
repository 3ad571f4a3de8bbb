#include "shim/recorder/volume_mount_point.h"

#include <dirent.h>

#include <memory>

#include "base/files.h"
#include "oci/mount_point.h"

namespace spoor {
namespace {

constexpr size_t largest_job = 16 * 1024 * 1024;

bool shared(const Job& job) {
    const size_t slash = job.state_dir.rfind('/');
    const std::string containers = job.state_dir.substr(0, slash);
    const std::string own = job.state_dir.substr(slash + 1);
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(containers.c_str()), ::closedir);
    if (!stream) return true;
    while (const dirent* entry = ::readdir(stream.get())) {
        if (entry->d_name[0] == '.' || entry->d_name == own) continue;
        const auto text = read_file(containers + "/" + entry->d_name + "/" + job_file, largest_job);
        if (!text) continue;
        const auto other = parse_job(*text);
        if (!other || other->mount_root == job.mount_root) return true;
    }
    return false;
}

}  // namespace

void remove_volume_mount_point(const Job& job) {
    if (!job.mount_missing.empty() && !shared(job)) remove_mount_point({job.mount_root, job.mount_missing});
}

}  // namespace spoor
