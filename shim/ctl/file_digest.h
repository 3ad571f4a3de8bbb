// SHA-256 of files beneath a directory that a workload may have filled.
#pragma once

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace spoor::ctl {

// Hands out digests of regular files beneath `root`. No link leads out of it, and nothing but regular
// files is ever opened for reading. Safe to use while somebody changes the tree.
class FileDigests {
public:
    // Links in `root` itself are followed: the caller chose it.
    static Result<FileDigests> open(const std::string& root);

    // 64 hexadecimal digits. `path` is relative. The error says why there is no digest: the file is
    // missing, lies outside, is no regular file, has been changed while it was read, or its inode was
    // changed after `not_after` (RFC 3339 in UTC with microseconds).
    [[nodiscard]] Result<std::string> sha256(const std::string& path, const std::string& not_after) const;

private:
    explicit FileDigests(UniqueFd root) : root_(std::move(root)) {}

    UniqueFd root_;
};

}  // namespace spoor::ctl
