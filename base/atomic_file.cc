#include "base/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <atomic>
#include <cstdio>

#include "base/files.h"

namespace spoor {

Result<AtomicFile> AtomicFile::create_at(int dir, std::string name, mode_t mode) {
    static std::atomic<unsigned> serial{0};
    // A name somebody planted is not reused but passed over.
    for (int attempt = 0; attempt < 100; ++attempt) {
        std::string temporary =
            "." + name + "." + std::to_string(::getpid()) + "." + std::to_string(serial++);
        auto fd = open_at(dir, temporary, O_WRONLY | O_CREAT | O_EXCL, mode);
        if (fd) return AtomicFile(dir, std::move(name), std::move(temporary), std::move(*fd));
        if (fd.error().code != EEXIST) return std::move(fd).error();
    }
    return errno_error(name, EEXIST);
}

AtomicFile::~AtomicFile() {
    if (fd_) ::unlinkat(dir_, temporary_.c_str(), 0);
}

Status AtomicFile::write(std::string_view data) {
    if (auto written = write_all(fd_.get(), data); !written) return std::move(written).error().context(name_);
    return {};
}

Status AtomicFile::commit() {
    if (::fsync(fd_.get()) < 0) return errno_error(name_);
    SPOOR_TRY(put_in_place());
    fd_.reset();  // the destructor has nothing left to remove
    return {};
}

Result<UniqueFd> AtomicFile::publish() {
    SPOOR_TRY(put_in_place());
    return std::move(fd_);
}

Status AtomicFile::put_in_place() {
    // A directory in its place cannot be replaced, but moved away; whose it is can put another there at
    // once, so this is tried a few times only.
    const std::string away = temporary_ + ".away";
    for (int attempt = 0; ::renameat(dir_, temporary_.c_str(), dir_, name_.c_str()) < 0; ++attempt) {
        const int code = errno;
        if (code != EISDIR || attempt == 3) return errno_error(name_, code);
        if (::renameat(dir_, name_.c_str(), dir_, (away + std::to_string(attempt)).c_str()) < 0 &&
            errno != ENOENT)
            return errno_error(name_, code);
    }
    return {};
}

Status write_file_atomically_at(int dir, const std::string& name, std::string_view data, mode_t mode) {
    auto file = AtomicFile::create_at(dir, name, mode);
    if (!file) return std::move(file).error();
    SPOOR_TRY(file->write(data));
    return file->commit();
}

}  // namespace spoor
