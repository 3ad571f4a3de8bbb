#include "shim/ctl/file_digest.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <memory>

#include "base/clock.h"
#include "base/files.h"

namespace spoor::ctl {
namespace {

Result<UniqueFd> open_beneath(int root, const std::string& path) {
    open_how how{};
    // O_PATH: to open a device can be an action of its own.
    how.flags = O_PATH | O_CLOEXEC;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    // EAGAIN: something was renamed while the kernel walked along a "..".
    for (int tries = 0; tries < 16; ++tries) {
        UniqueFd file(static_cast<int>(::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how)));
        if (file) return file;
        if (errno == EXDEV) return Error{EXDEV, "it leads out of the root"};
        if (errno == ENOENT || errno == ENOTDIR) return Error{ENOENT, "it is not there"};
        if (errno != EAGAIN && errno != EINTR) return Error{errno, std::strerror(errno)};
    }
    return Error{EAGAIN, "the directories above it keep changing"};
}

bool same(const struct stat& a, const struct stat& b) {
    return a.st_size == b.st_size && a.st_ctim.tv_sec == b.st_ctim.tv_sec &&
           a.st_ctim.tv_nsec == b.st_ctim.tv_nsec;
}

Result<std::string> digest_of(int fd) {
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    const Error failed{EIO, "libcrypto has no SHA-256"};
    if (!context || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1) return failed;
    std::string buffer(1u << 18, '\0');
    for (;;) {
        const ssize_t got = ::read(fd, buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return Error{errno, std::strerror(errno)};
        if (got == 0) break;
        if (EVP_DigestUpdate(context.get(), buffer.data(), static_cast<size_t>(got)) != 1) return failed;
    }
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int size = 0;
    if (EVP_DigestFinal_ex(context.get(), digest.data(), &size) != 1) return failed;
    static constexpr char digits[] = "0123456789abcdef";
    std::string hex;
    for (size_t at = 0; at < size; ++at) hex += {digits[digest[at] >> 4], digits[digest[at] & 15]};
    return hex;
}

}  // namespace

Result<FileDigests> FileDigests::open(const std::string& root) {
    auto fd = open_file(root, O_PATH | O_DIRECTORY);
    if (!fd) return std::move(fd).error();
    return FileDigests(std::move(*fd));
}

Result<std::string> FileDigests::sha256(const std::string& path, const std::string& not_after) const {
    auto found = open_beneath(root_.get(), path);
    if (!found) return std::move(found).error();
    struct stat before {
    }, after{};
    if (::fstat(found->get(), &before) < 0) return Error{errno, std::strerror(errno)};
    if (!S_ISREG(before.st_mode)) return Error{EINVAL, "it is no regular file"};
    // Both are of one form, so they sort as text.
    const std::string changed =
        rfc3339(before.st_ctim.tv_sec * int64_t{1'000'000'000} + before.st_ctim.tv_nsec);
    if (changed > not_after) return Error{ESTALE, "it was changed after " + not_after};
    UniqueFd file(::open(("/proc/self/fd/" + std::to_string(found->get())).c_str(),
                         O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!file) return Error{errno, std::strerror(errno)};
    auto hex = digest_of(file.get());
    if (!hex) return hex;
    if (::fstat(file.get(), &after) < 0) return Error{errno, std::strerror(errno)};
    if (!same(before, after)) return Error{ESTALE, "it was changed while it was read"};
    return hex;
}

}  // namespace spoor::ctl
