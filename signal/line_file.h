// A file in trace/ that grows by lines (processes.jsonl, accesses.jsonl), with a buffer.
//
// It is made anew: what stands in its place is removed, never opened or followed. A write that
// fails drops what was buffered, whole lines only: a part that got through is cut off again, so that
// every line in the file is a whole one. Later writes try again; the loss is counted.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace spoor {

class LineFile {
public:
    // `dir` stays the caller's and must outlive this. `name` is one component.
    LineFile(int dir, std::string name) : dir_(dir), name_(std::move(name)) {}
    LineFile(LineFile&&) noexcept = default;
    LineFile& operator=(LineFile&&) = delete;
    ~LineFile() = default;  // what is buffered is not written: flush() first

    // Makes the file, mode 0644. After a failure every line is lost and counted.
    Status open();

    // For one whole line: append to buffer(), newline included, then end_line().
    [[nodiscard]] std::string& buffer() { return buffer_; }
    void end_line();
    void flush();

    // Descriptors of what has been written, or made, since the last call: for fdatasync(2).
    [[nodiscard]] std::vector<UniqueFd> take_unsynced();

    // Moves the file (with all that was written) to `part` and starts a new one. After a failure
    // the old one goes on growing.
    Status rotate(const std::string& part);

    // Whether its name still stands for the file that was written, and nobody else cut it or added to it.
    // True if it was never open: then all is counted as lost.
    [[nodiscard]] bool in_place() const;

    [[nodiscard]] bool is_open() const { return fd_.valid(); }
    [[nodiscard]] uint64_t bytes() const { return written_ + buffer_.size(); }
    [[nodiscard]] uint64_t lost_lines() const { return lost_lines_; }
    // The first failure; empty if none.
    [[nodiscard]] const std::string& error() const { return error_; }
    [[nodiscard]] const std::string& name() const { return name_; }

private:
    void drop(std::string why);
    void note_new_name();

    int dir_;
    std::string name_;
    UniqueFd fd_;
    std::string buffer_;
    uint64_t buffered_lines_ = 0;
    uint64_t written_ = 0;
    bool unsynced_ = false;                // what was written to fd_
    std::vector<UniqueFd> also_unsynced_;  // parts that were moved away; the directory, for new names
    uint64_t lost_lines_ = 0;
    std::string error_;
};

}  // namespace spoor
