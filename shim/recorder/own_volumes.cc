#include "shim/recorder/own_volumes.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>

#include "base/files.h"
#include "signal/volume.h"

namespace spoor {
namespace {

struct FinishedVolume {
    std::string name;
    timespec ended;  // when session.json was written last
    UniqueFd lock;   // trace/, held until the volume is kept or gone
};

// No writer any more: the lock is free and a session was there.
bool take_if_finished(int directory, const std::string& name, FinishedVolume& out) {
    auto volume = open_at(directory, name, O_PATH | O_DIRECTORY);
    if (!volume) return false;
    auto trace = open_at(volume->get(), trace_directory, O_RDONLY | O_DIRECTORY);
    struct stat st {};
    // In this order: a new volume's recorder must never find its lock taken by us.
    if (!trace || ::fstatat(trace->get(), session_file, &st, AT_SYMLINK_NOFOLLOW) < 0) return false;
    if (::flock(trace->get(), LOCK_EX | LOCK_NB) < 0) return false;
    out = {name, st.st_mtim, std::move(*trace)};
    return true;
}

}  // namespace

std::vector<std::string> prune_own_volumes(const std::string& directory, const std::string& current,
                                           size_t keep) {
    std::vector<std::string> removed;
    std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(directory.c_str()), ::closedir);
    if (!stream) return removed;
    const std::string own_name = current.substr(current.rfind('/') + 1);
    std::vector<FinishedVolume> finished;
    while (dirent* entry = ::readdir(stream.get())) {
        FinishedVolume volume;
        if (entry->d_name[0] == '.' || entry->d_name == own_name) continue;
        if (take_if_finished(::dirfd(stream.get()), entry->d_name, volume))
            finished.push_back(std::move(volume));
    }
    if (finished.size() <= keep) return removed;
    std::sort(finished.begin(), finished.end(), [](const FinishedVolume& a, const FinishedVolume& b) {
        return std::pair(a.ended.tv_sec, a.ended.tv_nsec) > std::pair(b.ended.tv_sec, b.ended.tv_nsec);
    });
    for (size_t i = keep; i < finished.size(); ++i)
        if (remove_tree(directory + "/" + finished[i].name)) removed.push_back(finished[i].name);
    return removed;
}

Status remove_own_tree(const std::string& path, const std::string& witness, const FileIdentity& identity) {
    const auto there = identity_of(witness);
    if (!there || (identity.inode != 0 && *there != identity)) return {};
    return remove_tree(path);
}

Status remove_own_state_dir(const std::string& path, const FileIdentity& identity) {
    const auto dir = open_file(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    // Whoever has the lock removes it.
    if (!dir || ::flock(dir->get(), LOCK_EX | LOCK_NB) != 0) return {};
    return remove_own_tree(path, path, identity);
}

}  // namespace spoor
