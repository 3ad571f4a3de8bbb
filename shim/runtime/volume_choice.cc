#include "shim/runtime/volume_choice.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cstdio>
#include <memory>

#include "base/files.h"

namespace spoor {
namespace {

constexpr const char* trace_name = "trace";
constexpr const char* agent_name = "agent";

Result<std::string> real_path(const std::string& path) {
    const std::unique_ptr<char, decltype(&::free)> resolved(::realpath(path.c_str(), nullptr), &::free);
    if (!resolved) return errno_error("volume " + path);
    return std::string(resolved.get());
}

std::string parent_of(const std::string& path) {
    const size_t slash = path.rfind('/');
    return slash == 0 ? "/" : path.substr(0, slash);
}

std::string last_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

bool is_beneath(const std::string& path, const std::string& top) {
    return path.size() > top.size() && path.starts_with(top) && (top == "/" || path[top.size()] == '/');
}

// The last mount of the spec at `destination` is the one that the container sees.
const SpecMount* find_bind_at(const Spec& spec, const std::string& destination) {
    const SpecMount* found = nullptr;
    for (const auto& mount : spec.mounts)
        if (clean_absolute_path(mount.destination) == destination) found = &mount;
    return found != nullptr && found->is_bind() && !found->source.empty() ? found : nullptr;
}

// Every directory from `top` down to `path` can be changed by root only, so that nobody exchanges
// one between this check and the mount.
Status check_ancestry(const std::string& top, const std::string& path) {
    for (std::string at = path;; at = parent_of(at)) {
        struct stat st {};
        if (::lstat(at.c_str(), &st) != 0) return errno_error("volume " + at);
        if (!S_ISDIR(st.st_mode) || st.st_uid != 0 || (st.st_mode & 022) != 0)
            return Error{EPERM, "volume: " + at + " must be a directory that only root can write"};
        if (at == top || at == "/") return {};
    }
}

Status make_own_parent(const std::string& path) {
    const std::string volumes = parent_of(path);
    SPOOR_TRY(make_directories(parent_of(volumes), 0755));
    // Others may pass, as a container's mapped root must, but not list.
    if (::mkdir(volumes.c_str(), 0711) != 0 && errno != EEXIST) return errno_error(volumes);
    return {};
}

// An earlier container of the same name left a volume: it keeps its content under "NAME.N".
Status move_aside(const std::string& path) {
    struct stat st {};
    if (::lstat(path.c_str(), &st) != 0) return {};
    for (int number = 1; number < 1'000'000; ++number) {
        const std::string other = path + "." + std::to_string(number);
        if (::renameat2(AT_FDCWD, path.c_str(), AT_FDCWD, other.c_str(), RENAME_NOREPLACE) == 0) return {};
        if (errno == ENOENT) return {};
        if (errno != EEXIST) return errno_error("move the old volume " + path);
    }
    return Error{EEXIST, "too many old volumes beside " + path};
}

Error not_usable(const std::string& path, int code) {
    struct stat st {};
    if (::lstat(path.c_str(), &st) == 0) {
        if (S_ISLNK(st.st_mode))
            return Error{code, "volume " + path + " is a symbolic link; name its target"};
        if (!S_ISDIR(st.st_mode)) return Error{ENOTDIR, "volume " + path + " is no directory"};
    }
    return errno_error("volume " + path, code);
}

Status make_part(int volume, const std::string& path, const char* name, mode_t mode,
                 std::vector<std::string>& made) {
    const std::string part = path + "/" + name;
    const bool is_new = ::mkdirat(volume, name, mode) == 0;
    if (!is_new && errno != EEXIST) return errno_error("volume " + part);
    if (is_new) made.push_back(part);
    auto dir = open_at(volume, name, O_RDONLY | O_DIRECTORY);
    if (!dir) return not_usable(part, dir.error().code);
    // The mode for mkdir has no sticky bit on every file system, and the umask's bits off.
    if (is_new && ::fchmod(dir->get(), mode) != 0) return errno_error("volume " + part);
    if (::faccessat(volume, name, W_OK | X_OK, AT_EACCESS) != 0) return errno_error("volume " + part);
    return {};
}

}  // namespace

Result<VolumePlace> choose_volume(const Config& config, const std::string& state_root, const Bundle& bundle,
                                  const Spec& spec, const SpoorAnnotations& annotations,
                                  const std::string& name) {
    VolumePlace place;
    const auto mount_path = clean_absolute_path(annotations.mount.value_or(config.mount));
    if (!mount_path)
        return Error{EINVAL, "'mount' wants an absolute path without '..', not '" + config.mount + "'"};
    place.mount_path = *mount_path;

    if (const SpecMount* mount = find_bind_at(spec, place.mount_path)) {
        place.kind = VolumePlace::Kind::user_mount;
        place.user_mount_read_only = mount->is_read_only();
        // The bind follows links, so this does too.
        auto source =
            real_path(mount->source.starts_with('/') ? mount->source : bundle.dir + "/" + mount->source);
        if (!source) return std::move(source).error();
        place.path = std::move(*source);
    } else if (annotations.volume) {
        place.kind = VolumePlace::Kind::annotation;
        auto parent = real_path(parent_of(*annotations.volume));
        if (!parent) return std::move(parent).error();
        place.path = (*parent == "/" ? "" : *parent) + "/" + last_name(*annotations.volume);
    } else {
        place.path = state_root + "/volumes/" + name;
    }
    return place;
}

Status check_host_root_volume(const VolumePlace& place, const std::vector<std::string>& roots) {
    std::string listed;
    for (const auto& root : roots) {
        listed += (listed.empty() ? "" : ", ") + root;
        const auto real = real_path(root);
        if (!real || !is_beneath(place.path, *real)) continue;
        return check_ancestry(*real, parent_of(place.path));
    }
    if (place.kind == VolumePlace::Kind::user_mount) {
        // Whoever gave the mount writable could make trace/ and agent/ there without spoor.
        if (!place.user_mount_read_only) return {};
        return Error{EPERM, "volume " + place.path + ": the mount at " + place.mount_path +
                                " is read-only and not beneath volumes.roots (" + listed + ")"};
    }
    return Error{EPERM, "volume " + place.path +
                            ": for root, io.spoor.volume must lie beneath volumes.roots (" + listed + ")"};
}

Result<PreparedVolume> PreparedVolume::prepare(const VolumePlace& place) {
    PreparedVolume volume;
    volume.path_ = place.path;
    volume.own_ = place.kind == VolumePlace::Kind::own;
    if (volume.own_) {
        SPOOR_TRY(make_own_parent(place.path));
        SPOOR_TRY(move_aside(place.path));
    }
    if (place.kind != VolumePlace::Kind::user_mount) {
        if (::mkdir(place.path.c_str(), 0755) == 0)
            volume.made_.push_back(place.path);
        else if (errno != EEXIST || volume.own_)
            return errno_error("volume " + place.path);
    }

    const auto parts = [&]() -> Status {
        auto dir = open_file(place.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        if (!dir) return not_usable(place.path, dir.error().code);
        SPOOR_TRY(make_part(dir->get(), place.path, trace_name, 0755, volume.made_));
        return make_part(dir->get(), place.path, agent_name, 01777, volume.made_);
    }();
    if (!parts) {
        volume.undo();
        return parts.error();
    }
    return volume;
}

void PreparedVolume::undo() {
    for (; !made_.empty(); made_.pop_back()) (void)remove_tree(made_.back());
}

std::vector<AddedMount> volume_mounts(const VolumePlace& place, const std::string& volume_path) {
    if (place.kind == VolumePlace::Kind::user_mount)
        return {{volume_path + "/" + trace_name, place.mount_path + "/" + trace_name, true}};
    return {{volume_path, place.mount_path, true},
            {volume_path + "/" + agent_name, place.mount_path + "/" + agent_name, false}};
}

}  // namespace spoor
