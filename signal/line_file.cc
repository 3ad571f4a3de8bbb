#include "signal/line_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <utility>

#include "base/files.h"

namespace spoor {
namespace {

constexpr size_t flush_bytes = 64 * 1024;

Result<UniqueFd> make_anew(int dir, const std::string& name) {
    // A directory in the way: nothing of ours, and removing it is nobody's wish but its owner's.
    if (::unlinkat(dir, name.c_str(), 0) < 0 && errno != ENOENT) return errno_error(name);
    auto fd = open_at(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_APPEND, 0644);
    if (!fd) return std::move(fd).error();
    if (::fchmod(fd->get(), 0644) < 0) return errno_error(name);
    return fd;
}

}  // namespace

Status LineFile::open() {
    auto fd = make_anew(dir_, name_);
    if (!fd) {
        error_ = fd.error().message;
        return std::move(fd).error();
    }
    fd_ = std::move(*fd);
    written_ = 0;
    note_new_name();
    return {};
}

void LineFile::note_new_name() {
    // A description of its own: the caller's carries a lock.
    if (auto dir = open_at(dir_, ".", O_RDONLY | O_DIRECTORY)) also_unsynced_.push_back(std::move(*dir));
}

std::vector<UniqueFd> LineFile::take_unsynced() {
    std::vector<UniqueFd> files = std::exchange(also_unsynced_, {});
    if (std::exchange(unsynced_, false)) files.emplace_back(::fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0));
    return files;
}

void LineFile::end_line() {
    ++buffered_lines_;
    if (buffer_.size() >= flush_bytes) flush();
}

void LineFile::flush() {
    if (buffer_.empty()) return;
    if (!fd_) return drop(error_.empty() ? name_ + ": not open" : error_);
    auto put = write_all(fd_.get(), buffer_);
    if (!put) {
        // Without this a reader would find half a line, glued to the next good one. If cutting is
        // not possible either, a newline at least keeps the next line whole.
        if (::ftruncate(fd_.get(), static_cast<off_t>(written_)) < 0) (void)write_all(fd_.get(), "\n");
        return drop(name_ + ": " + put.error().message);
    }
    unsynced_ = true;
    written_ += buffer_.size();
    buffer_.clear();
    buffered_lines_ = 0;
}

void LineFile::drop(std::string why) {
    if (error_.empty()) error_ = std::move(why);
    lost_lines_ += buffered_lines_;
    buffered_lines_ = 0;
    buffer_.clear();
}

bool LineFile::in_place() const {
    if (!fd_) return true;
    struct stat ours {
    }, named{};
    if (::fstat(fd_.get(), &ours) < 0 || ::fstatat(dir_, name_.c_str(), &named, AT_SYMLINK_NOFOLLOW) < 0)
        return false;
    return ours.st_dev == named.st_dev && ours.st_ino == named.st_ino &&
           ours.st_size == static_cast<off_t>(written_);
}

Status LineFile::rotate(const std::string& part) {
    flush();
    if (::renameat(dir_, name_.c_str(), dir_, part.c_str()) < 0) return errno_error(part);
    auto fd = make_anew(dir_, name_);
    if (!fd) {
        // Back to the one name that readers know.
        ::renameat(dir_, part.c_str(), dir_, name_.c_str());
        return std::move(fd).error();
    }
    also_unsynced_.push_back(std::exchange(fd_, std::move(*fd)));
    unsynced_ = false;
    written_ = 0;
    note_new_name();
    return {};
}

}  // namespace spoor
