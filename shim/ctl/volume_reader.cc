#include "shim/ctl/volume_reader.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>

#include "base/files.h"
#include "signal/task_signal.h"
#include "signal/volume.h"

namespace spoor::ctl {
namespace {

constexpr size_t most_reports = 100'000;
constexpr size_t session_limit = 16u << 20;
constexpr size_t line_limit = 8u << 20;  // ARG_MAX of a command line, escaped

Result<UniqueFd> open_regular(int dir, const std::string& name) {
    // O_NONBLOCK: a fifo must not hold us.
    auto fd = open_at(dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (!fd) return std::move(fd).error();
    struct stat st {};
    if (::fstat(fd->get(), &st) < 0) return errno_error(name);
    if (!S_ISREG(st.st_mode)) return Error{EINVAL, name + ": not a regular file"};
    return fd;
}

Result<std::string> read_regular(int dir, const std::string& name, size_t limit) {
    auto fd = open_regular(dir, name);
    if (!fd) return std::move(fd).error();
    struct stat st {};
    // Told before it is read: it may be sparse and endless.
    if (::fstat(fd->get(), &st) == 0 && static_cast<uint64_t>(st.st_size) > limit)
        return Error{EFBIG, name + ": larger than " + std::to_string(limit) + " bytes"};
    auto text = read_fd(fd->get(), limit);
    if (!text) return std::move(text).error().context(name);
    return text;
}

bool is_part_of_accesses(const std::string& name) {
    std::string_view prefix = accesses_file;
    if (name == prefix) return true;
    if (!name.starts_with(prefix) || name.size() < prefix.size() + 2 || name[prefix.size()] != '.')
        return false;
    return std::all_of(name.begin() + static_cast<ptrdiff_t>(prefix.size()) + 1, name.end(),
                       [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

Result<VolumeReader> VolumeReader::open(const std::string& path) {
    auto top = open_file(path, O_RDONLY | O_DIRECTORY);
    if (!top) return std::move(top).error().context("open the volume");
    auto trace = open_at(top->get(), trace_directory, O_RDONLY | O_DIRECTORY);
    if (trace) return VolumeReader(std::move(*trace));
    if (::faccessat(top->get(), session_file, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return VolumeReader(std::move(*top));
    if (trace.error().code == ENOENT)
        return Error{ENOENT, path + ": no volume of spoor (there is no trace/ in it)"};
    return std::move(trace).error().context("volume " + path);
}

Result<std::string> VolumeReader::session_text() const {
    return read_regular(trace_.get(), session_file, session_limit);
}

Result<std::string> VolumeReader::report_text(size_t limit) const {
    return task_report_text(container_task, limit);
}

Result<std::string> VolumeReader::task_report_text(std::string_view task_id, size_t limit) const {
    return report_file_text(task_file_name(task_id) + ".json", limit);
}

Result<std::string> VolumeReader::report_file_text(const std::string& file, size_t limit) const {
    auto tasks = open_at(trace_.get(), tasks_directory, O_RDONLY | O_DIRECTORY);
    if (!tasks) return std::move(tasks).error();
    return read_regular(tasks->get(), file, limit);
}

Result<std::vector<std::string>> VolumeReader::report_files() const {
    auto tasks = open_at(trace_.get(), tasks_directory, O_RDONLY | O_DIRECTORY);
    if (!tasks) return std::move(tasks).error();
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::fdopendir(tasks->get()), ::closedir);
    if (!directory) return errno_error(tasks_directory);
    (void)tasks->release();  // the stream closes it
    std::vector<std::string> files;
    for (;;) {
        errno = 0;
        const dirent* entry = ::readdir(directory.get());
        if (!entry && errno != 0) return errno_error(tasks_directory);
        if (!entry) break;
        const std::string_view name = entry->d_name;
        if (name.starts_with('.') || !name.ends_with(".json")) continue;  // a report that is being written
        if (files.size() == most_reports) return Error{EFBIG, "more than 100,000 reports"};
        files.emplace_back(name);
    }
    std::sort(files.begin(), files.end());
    return files;
}

Status VolumeReader::each_line(const std::string& name, const TakeLine& take, bool* stopped) const {
    auto fd = open_regular(trace_.get(), name);
    if (!fd) return std::move(fd).error();
    std::string pending;
    std::string buffer(1u << 18, '\0');
    for (;;) {
        ssize_t got = ::read(fd->get(), buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return errno_error(name);
        if (got == 0) return {};
        std::string_view data(buffer.data(), static_cast<size_t>(got));
        for (size_t end = data.find('\n'); end != std::string_view::npos; end = data.find('\n')) {
            std::string_view line = data.substr(0, end);
            if (!pending.empty()) line = pending.append(line);
            if (!line.empty() && !take(line)) {
                *stopped = true;
                return {};
            }
            pending.clear();
            data.remove_prefix(end + 1);
        }
        if (pending.size() + data.size() > line_limit)
            return Error{EFBIG, name + ": a line is longer than " + std::to_string(line_limit) + " bytes"};
        pending.append(data);
    }
}

Status VolumeReader::each_process(const TakeLine& take) const {
    bool stopped = false;
    return each_line(processes_file, take, &stopped);
}

Status VolumeReader::each_access(const Session& session, const TakeLine& take) const {
    if (session.accesses_files.empty())
        return Error{ENOENT, "this session has no " + std::string(accesses_file) + " (switched off)"};
    bool stopped = false;
    for (const std::string& name : session.accesses_files) {
        if (stopped) break;
        if (!is_part_of_accesses(name))
            return Error{EINVAL, "session.json names a strange accesses file: " + name};
        SPOOR_TRY(each_line(name, take, &stopped));
    }
    return {};
}

bool VolumeReader::has_writer() const {
    // A description of its own: the lock belongs to it and goes with it.
    UniqueFd probe(::openat(trace_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return probe && ::flock(probe.get(), LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

Result<Session> VolumeReader::wait_for_end(std::chrono::milliseconds limit) const {
    using Clock = std::chrono::steady_clock;
    auto deadline = Clock::now() + limit;
    UniqueFd watch(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    std::string path = "/proc/self/fd/" + std::to_string(trace_.get());
    bool watching = watch && ::inotify_add_watch(watch.get(), path.c_str(), IN_MOVED_TO | IN_CREATE) >= 0;
    for (;;) {
        bool had_writer = has_writer();
        auto now = session();
        bool over = now && now->state != SessionState::tracing;
        if (over || !had_writer) return now;
        auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
        if (left <= 0) return now;
        // The writer's end shows in no file: look at the lock every 200 ms too.
        pollfd event{watching ? watch.get() : -1, POLLIN, 0};
        ::poll(&event, 1, static_cast<int>(std::min<int64_t>(left, 200)));
        char drain[4096];
        while (watching && ::read(watch.get(), drain, sizeof drain) > 0) {
        }
    }
}

}  // namespace spoor::ctl
