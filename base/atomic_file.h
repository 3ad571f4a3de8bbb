// Everything that spoor puts into a volume as a whole file goes through here: a temporary file
// beneath the directory descriptor, fsync, rename. A reader sees the old file or the new one.
//
// The directory may be hostile: the temporary is made with O_EXCL and O_NOFOLLOW, the rename
// replaces a link or a fifo itself and never what it points to; a directory in its place is moved away,
// to the temporary's name and ".away" and a digit. A failure removes the temporary.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace spoor {

class AtomicFile {
public:
    // `dir` stays owned by the caller and must outlive this object. `name` is one component.
    static Result<AtomicFile> create_at(int dir, std::string name, mode_t mode = 0644);

    AtomicFile(AtomicFile&& other) noexcept = default;
    AtomicFile& operator=(AtomicFile&&) = delete;
    ~AtomicFile();

    // The temporary's descriptor, to write to; ours to close.
    [[nodiscard]] int fd() const { return fd_.get(); }
    Status write(std::string_view data);
    // fsync and rename. After success or failure the object is spent.
    Status commit();
    // Rename alone, for who cannot wait for the disk. The file may be empty if the machine is taken away
    // before somebody has synced what this returns. After success or failure the object is spent.
    Result<UniqueFd> publish();

private:
    Status put_in_place();

    AtomicFile(int dir, std::string name, std::string temporary, UniqueFd fd)
        : dir_(dir), name_(std::move(name)), temporary_(std::move(temporary)), fd_(std::move(fd)) {}

    int dir_;
    std::string name_;
    std::string temporary_;
    UniqueFd fd_;
};

// create_at, write, commit.
Status write_file_atomically_at(int dir, const std::string& name, std::string_view data, mode_t mode = 0644);

}  // namespace spoor
