// gzip (RFC 1952) by zlib, in one member.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace spoor {

// Compresses `bytes` bytes of a file from the offset `at` on. EIO: the file is shorter.
Result<std::string> gzip_file(int fd, uint64_t at, uint64_t bytes);

}  // namespace spoor
