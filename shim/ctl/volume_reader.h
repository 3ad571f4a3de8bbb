// Reads a volume that anybody may have written to: everything is opened beneath descriptors,
// without following links, only regular files count, and every size has a limit. A volume of a
// running container is read while it grows: a last line without its end is not there yet.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "signal/session.h"

namespace spoor::ctl {

// The largest report that is read, in bytes.
inline constexpr size_t report_limit = 512u << 20;

class VolumeReader {
public:
    // `path` is the volume, or its trace/ directory. Links in `path` itself are followed: the
    // caller chose it.
    static Result<VolumeReader> open(const std::string& path);

    [[nodiscard]] Result<Session> session() const { return read_session(trace_.get()); }
    [[nodiscard]] Result<std::string> session_text() const;
    // The container's own report, at most `limit` bytes. ENOENT: there is none (yet).
    [[nodiscard]] Result<std::string> report_text(size_t limit = report_limit) const;
    // A task's.
    [[nodiscard]] Result<std::string> task_report_text(std::string_view task_id,
                                                       size_t limit = report_limit) const;
    // The names of all reports' files in trace/tasks/, sorted; EFBIG: more than can have been written
    // by a recorder. And the text of one of them.
    [[nodiscard]] Result<std::vector<std::string>> report_files() const;
    [[nodiscard]] Result<std::string> report_file_text(const std::string& file,
                                                       size_t limit = report_limit) const;

    // Calls `take` with each whole line, without its newline, until it returns false. A line longer
    // than the limit is EFBIG. ENOENT: no such file.
    using TakeLine = std::function<bool(std::string_view line)>;
    [[nodiscard]] Status each_process(const TakeLine& take) const;
    // The parts named in `session`, in order of time.
    [[nodiscard]] Status each_access(const Session& session, const TakeLine& take) const;

    // Whether a recorder holds this volume. False with a session still `tracing` means that the
    // recorder died.
    [[nodiscard]] bool has_writer() const;

    // Waits until the session is over (or nobody writes it any more), at most `limit`. Returns the
    // session as it is then.
    [[nodiscard]] Result<Session> wait_for_end(std::chrono::milliseconds limit) const;

private:
    explicit VolumeReader(UniqueFd trace) : trace_(std::move(trace)) {}
    [[nodiscard]] Status each_line(const std::string& name, const TakeLine& take, bool* stopped) const;

    UniqueFd trace_;
};

}  // namespace spoor::ctl
