#include "base/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <memory>

namespace spoor {

Result<UniqueFd> open_file(const std::string& path, int flags, mode_t mode) {
    int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    if (fd < 0) return errno_error(path);
    return UniqueFd(fd);
}

Result<UniqueFd> open_at(int dir, const std::string& name, int flags, mode_t mode) {
    if (name.find('/') != std::string::npos) return Error{EINVAL, name + ": not one path component"};
    int fd = ::openat(dir, name.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0) return errno_error(name);
    return UniqueFd(fd);
}

Result<std::string> read_fd(int fd, size_t limit) {
    std::string data;
    char buffer[16384];
    for (;;) {
        ssize_t got = ::read(fd, buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return errno_error("read");
        if (got == 0) return data;
        if (data.size() + static_cast<size_t>(got) > limit)
            return Error{EFBIG, "larger than " + std::to_string(limit) + " bytes"};
        data.append(buffer, static_cast<size_t>(got));
    }
}

Result<std::string> read_file(const std::string& path, size_t limit) {
    // O_NONBLOCK: a fifo in the place of a file gives an empty read, never a hang.
    auto fd = open_file(path, O_RDONLY | O_NONBLOCK);
    if (!fd) return std::move(fd).error();
    auto data = read_fd(fd->get(), limit);
    if (!data) return std::move(data).error().context(path);
    return data;
}

Status write_all(int fd, std::string_view data) {
    while (!data.empty()) {
        ssize_t put = ::write(fd, data.data(), data.size());
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return errno_error("write");
        data.remove_prefix(static_cast<size_t>(put));
    }
    return {};
}

Status make_directories(const std::string& path, mode_t mode) {
    for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
        std::string prefix = path.substr(0, end);
        if (!prefix.empty() && ::mkdir(prefix.c_str(), mode) < 0 && errno != EEXIST)
            return errno_error(prefix);
        if (end == std::string::npos) break;
    }
    struct stat st {};
    if (::stat(path.c_str(), &st) < 0) return errno_error(path);
    if (!S_ISDIR(st.st_mode)) return errno_error(path, ENOTDIR);
    return {};
}

Result<UniqueFd> make_directory_at(int dir, const std::string& name, mode_t mode) {
    if (::mkdirat(dir, name.c_str(), mode) < 0 && errno != EEXIST) return errno_error(name);
    return open_at(dir, name, O_RDONLY | O_DIRECTORY);
}

namespace {

Status remove_beneath(int parent, const char* name) {
    if (::unlinkat(parent, name, 0) == 0 || errno == ENOENT) return {};
    int fd = ::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return errno_error(name);
    std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(fd), ::closedir);
    if (!stream) {
        Error error = errno_error(name);
        ::close(fd);
        return error;
    }
    while (dirent* entry = ::readdir(stream.get())) {
        std::string_view child = entry->d_name;
        if (child != "." && child != "..") SPOOR_TRY(remove_beneath(fd, entry->d_name));
    }
    if (::unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT) return errno_error(name);
    return {};
}

}  // namespace

Result<FileIdentity> identity_of(const std::string& path) {
    struct stat st {};
    if (::lstat(path.c_str(), &st) < 0) return errno_error(path);
    return FileIdentity{st.st_dev, st.st_ino};
}

Result<FileIdentity> identity_of(int fd) {
    struct stat st {};
    if (::fstat(fd, &st) < 0) return errno_error("fstat");
    return FileIdentity{st.st_dev, st.st_ino};
}

Status remove_tree(const std::string& path) { return remove_beneath(AT_FDCWD, path.c_str()); }

}  // namespace spoor
