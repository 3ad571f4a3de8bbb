// Opening, reading and making files. Everything here opens with O_CLOEXEC; the suffix At means
// "relative to a directory descriptor", and those functions follow no symbolic link in the last
// component and never leave the directory.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace spoor {

// open(2) with O_CLOEXEC added; the error names the path.
Result<UniqueFd> open_file(const std::string& path, int flags, mode_t mode = 0);
// Opens one component beneath `dir` with O_NOFOLLOW and O_CLOEXEC added. `name` has no '/'.
Result<UniqueFd> open_at(int dir, const std::string& name, int flags, mode_t mode = 0);

// Reads a whole regular file of at most `limit` bytes; a larger one is EFBIG. /proc files work.
Result<std::string> read_file(const std::string& path, size_t limit);
Result<std::string> read_fd(int fd, size_t limit);

// Writes all of `data`, through partial writes and EINTR.
Status write_all(int fd, std::string_view data);

// Makes `path` and its missing parents, each with `mode` before the umask.
Status make_directories(const std::string& path, mode_t mode);
// Makes one directory beneath `dir` (or takes an existing one; not a link) and opens it.
Result<UniqueFd> make_directory_at(int dir, const std::string& name, mode_t mode);

// Which file or directory a name means now; it may mean another one by the time we act on it.
struct FileIdentity {
    dev_t device = 0;
    ino_t inode = 0;
    bool operator==(const FileIdentity&) const = default;
};
Result<FileIdentity> identity_of(const std::string& path);  // of a link itself
Result<FileIdentity> identity_of(int fd);

// Removes what is beneath `path` and `path` itself, following no link. ENOENT is success.
Status remove_tree(const std::string& path);

}  // namespace spoor
