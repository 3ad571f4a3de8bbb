#include "shim/broker/audit.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <condition_variable>
#include <csignal>
#include <deque>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/clock.h"
#include "base/files.h"
#include "base/unique_fd.h"
#include "shim/broker/journal.h"
#include "signal/json_text.h"

namespace spoor::broker {
namespace {

using Json = nlohmann::ordered_json;
using std::chrono::nanoseconds;
using std::chrono::steady_clock;
using std::chrono::system_clock;

constexpr auto journal_pause = std::chrono::milliseconds(20);
constexpr auto farewell = std::chrono::seconds(1);  // for what waits, at the end

void put_name(Json& line, const std::string& key, std::string_view bytes) {
    line[key] = std::string(bytes);
    if (is_utf8(bytes)) return;
    std::string encoded;
    append_base64(encoded, bytes);
    line[key + "Bytes"] = encoded;
}

Json begin_line(const char* event, system_clock::time_point time) {
    return Json{{"schema", "spoor.audit/1"},
                {"time", rfc3339(nanoseconds(time.time_since_epoch()).count())},
                {"event", event}};
}

// U+FFFD for what is no UTF-8; \u for everything that is not plain ASCII.
std::string finish_line(const Json& line) {
    return line.dump(-1, ' ', true, Json::error_handler_t::replace) + "\n";
}

// "journal" or "journal:SOCKET".
std::optional<std::string> journal_socket_of(const std::string& file) {
    constexpr std::string_view word = "journal";
    if (file == word) return default_journal_socket;
    if (!file.starts_with(std::string(word) + ":")) return std::nullopt;
    return file.substr(word.size() + 1);
}

Result<UniqueFd> open_destination(const std::string& file) {
    if (file == "stderr") {
        struct stat st {};
        // A description of our own, so that it can be non-blocking without the log's becoming so.
        if (::fstat(STDERR_FILENO, &st) == 0 && !S_ISSOCK(st.st_mode))
            if (auto own = open_file("/proc/self/fd/2", O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY))
                return own;
        UniqueFd copy(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
        if (!copy) return errno_error("the audit log's stderr");
        return copy;
    }
    constexpr int flags = O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    auto opened = open_file(file, flags | O_WRONLY, 0640);
    // A fifo that nobody reads (yet): a writer that reads as well is let in.
    if (!opened && opened.error().code == ENXIO) opened = open_file(file, flags | O_RDWR);
    if (!opened) return std::move(opened).error().context("the audit log");
    return opened;
}

}  // namespace

std::string audit_line(const AuditEvent& event, system_clock::time_point time) {
    Json line = begin_line(event.event, time);
    if (event.request) line["request"] = event.request;
    if (event.granted) line["outcome"] = *event.granted ? "granted" : "refused";
    if (event.code) line["code"] = event.code;
    if (event.limit) line["limit"] = event.limit;
    if (!event.reason.empty()) line["reason"] = std::string(event.reason);
    if (event.uid) line["uid"] = *event.uid;
    if (event.gid) line["gid"] = *event.gid;
    if (event.pid) line["pid"] = *event.pid;
    if (!event.tenant.empty()) line["tenant"] = std::string(event.tenant);
    if (event.container) put_name(line, "container", *event.container);
    if (event.cgroup_id != 0) line["cgroupId"] = event.cgroup_id;
    if (!event.cgroup.empty()) put_name(line, "cgroup", event.cgroup);
    if (event.session) line["session"] = *event.session;
    if (event.ring_bytes != 0) line["ringBytes"] = event.ring_bytes;
    if (event.mode) line["mode"] = event.mode;
    if (event.seconds) line["seconds"] = *event.seconds;
    if (const spoor_counters* counters = event.counters)
        line["counters"] = {{"records", counters->emitted},
                            {"refused", counters->refused},
                            {"lost",
                             {{"ringFull", counters->lost_ring_full},
                              {"scratch", counters->lost_scratch},
                              {"processes", counters->lost_processes},
                              {"fault", counters->lost_fault},
                              {"scopes", counters->lost_scopes}}}};
    return finish_line(line);
}

struct Audit::State {
    AuditOptions options;
    UniqueFd wake;  // eventfd: the writer is to look up from a destination that stalls

    std::mutex mutex;  // guards what follows
    std::condition_variable changed;
    std::deque<std::string> queue;
    size_t queue_bytes = 0;
    uint64_t untold = 0;  // lost, and the log does not say so yet
    uint64_t lost = 0;
    bool to_reopen = false;
    bool ending = false;
    bool ended = false;
    steady_clock::time_point end_by{};

    // The writer's own.
    UniqueFd file;
    bool is_regular = false;
    bool is_socket = false;
    std::optional<Journal> journal;  // instead of a file
    bool torn = false;               // the last line stands there in part
    uint64_t size = 0;
    uint64_t rotate_at = 0;
    std::thread writer;

    void take(UniqueFd opened) {
        file = std::move(opened);
        struct stat st {};
        if (::fstat(file.get(), &st) < 0) st = {};
        is_regular = S_ISREG(st.st_mode);
        is_socket = S_ISSOCK(st.st_mode);
        size = is_regular ? static_cast<uint64_t>(st.st_size) : 0;
        rotate_at = options.rotate;
        torn = false;
    }

    void rotate() {
        const std::string& name = options.file;
        rotate_at = size + options.rotate;  // if it cannot be done: not again with every line
        for (uint32_t i = options.keep; i > 1; --i)
            (void)::rename((name + "." + std::to_string(i - 1)).c_str(),
                           (name + "." + std::to_string(i)).c_str());
        const bool moved = options.keep == 0 ? ::unlink(name.c_str()) == 0
                                             : ::rename(name.c_str(), (name + ".1").c_str()) == 0;
        if (!moved) return;
        if (auto opened = open_destination(name)) take(std::move(*opened));
    }

    // False: whoever waits is to look at the state again (an end, a reopening).
    bool wait_writable() {
        pollfd items[2] = {{file.get(), POLLOUT, 0}, {wake.get(), POLLIN, 0}};
        int timeout_ms = -1;
        {
            std::lock_guard lock(mutex);
            if (to_reopen) return false;
            if (ending) {
                const auto left = std::chrono::ceil<std::chrono::milliseconds>(end_by - steady_clock::now());
                if (left.count() <= 0) return false;
                timeout_ms = static_cast<int>(left.count());
                items[1].fd = -1;  // said already
            }
        }
        while (::poll(items, 2, timeout_ms) < 0 && errno == EINTR) {
        }
        uint64_t ignored = 0;
        if (items[1].revents != 0) (void)!::read(wake.get(), &ignored, sizeof ignored);
        return true;
    }

    // False: it was not written, or not to its end.
    bool write(std::string_view text) {
        while (!text.empty()) {
            const ssize_t put =
                is_socket ? ::send(file.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT)
                          : ::write(file.get(), text.data(), text.size());
            if (put >= 0) {
                text.remove_prefix(static_cast<size_t>(put));
                size += static_cast<uint64_t>(put);
                torn = torn || put > 0;
            } else if (errno == EAGAIN) {
                if (!wait_writable()) return false;
            } else if (errno != EINTR) {
                return false;
            }
        }
        return true;
    }

    bool write_entry(const std::string& line) {
        const std::string entry = journal_entry(line);
        for (;;) {
            const auto sent = journal->send(entry);
            if (sent) return true;
            if (sent.error().code != EAGAIN) return false;
            // No event tells that a datagram socket that was not connected to would take one.
            std::unique_lock lock(mutex);
            if (ending && steady_clock::now() >= end_by) return false;
            changed.wait_for(lock, journal_pause);
        }
    }

    bool write_line(const std::string& line) {
        if (journal) return write_entry(line);
        if (options.rotate != 0 && is_regular && size != 0 && size + line.size() > rotate_at) rotate();
        if (torn && !write("\n")) return false;
        torn = false;
        const bool written = write(line);
        torn = torn && !written;
        return written;
    }

    // Without the lock. True: told, or nothing to tell.
    bool tell_losses() {
        uint64_t count = 0;
        {
            std::lock_guard lock(mutex);
            count = untold;
        }
        if (count == 0) return true;
        Json line = begin_line("lost", system_clock::now());
        line["count"] = count;
        if (!write_line(finish_line(line))) return false;
        std::lock_guard lock(mutex);
        untold -= count;
        return true;
    }

    void run() {
        std::unique_lock lock(mutex);
        for (;;) {
            changed.wait(lock, [this] { return !queue.empty() || ending || to_reopen; });
            if (to_reopen) {
                to_reopen = false;
                lock.unlock();
                if (journal) {
                    // Its name is looked up for each entry.
                } else if (auto opened = open_destination(options.file)) {
                    take(std::move(*opened));
                }
                lock.lock();
            } else if (queue.empty() || (ending && steady_clock::now() >= end_by)) {
                break;
            } else {
                const std::string line = queue.front();
                lock.unlock();
                const bool written = tell_losses() && write_line(line);
                lock.lock();
                if (!written && to_reopen) continue;  // it goes to the new file
                queue_bytes -= line.size();
                queue.pop_front();
                if (written) continue;
                ++lost;
                ++untold;
            }
        }
        untold += queue.size();
        lost += queue.size();
        lock.unlock();
        (void)tell_losses();
        lock.lock();
        ended = true;
        changed.notify_all();
    }

    void nudge() {
        const uint64_t one = 1;
        (void)!::write(wake.get(), &one, sizeof one);
        changed.notify_all();
    }
};

Result<std::unique_ptr<Audit>> Audit::open(AuditOptions options) {
    auto state = std::make_unique<State>();
    state->options = std::move(options);
    if (const auto socket = journal_socket_of(state->options.file)) {
        auto journal = Journal::open(*socket);
        if (!journal) return std::move(journal).error().context("the audit log");
        state->journal.emplace(std::move(*journal));
    } else {
        auto file = open_destination(state->options.file);
        if (!file) return std::move(file).error();
        state->take(std::move(*file));
    }
    state->wake.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!state->wake) return errno_error("eventfd");
    const bool at_once = state->options.start;
    std::unique_ptr<Audit> audit(new Audit(std::move(state)));
    if (at_once) audit->start();
    return audit;
}

void Audit::start() {
    sigset_t all, before;  // signals are for the caller's thread
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    state_->writer = std::thread([raw = state_.get()] { raw->run(); });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Audit::Audit(std::unique_ptr<State> state) : state_(std::move(state)) {}

Audit::~Audit() {
    if (!state_->writer.joinable()) return;
    std::unique_lock lock(state_->mutex);
    state_->ending = true;
    state_->end_by = steady_clock::now() + farewell;
    state_->nudge();
    // A disk that hangs cannot be interrupted: the process ends without its writer then.
    const bool ended = state_->changed.wait_for(lock, 2 * farewell, [this] { return state_->ended; });
    lock.unlock();
    if (ended) {
        state_->writer.join();
    } else {
        state_->writer.detach();
        (void)state_.release();
    }
}

void Audit::tell(const AuditEvent& event) {
    std::string line = audit_line(event, system_clock::now());
    std::lock_guard lock(state_->mutex);
    if (state_->queue_bytes + line.size() > state_->options.queue_bytes_max) {
        ++state_->lost;
        ++state_->untold;
        return;
    }
    state_->queue_bytes += line.size();
    state_->queue.push_back(std::move(line));
    state_->changed.notify_all();
}

void Audit::reopen() {
    std::lock_guard lock(state_->mutex);
    state_->to_reopen = true;
    state_->nudge();
}

uint64_t Audit::lost() const {
    std::lock_guard lock(state_->mutex);
    return state_->lost;
}

}  // namespace spoor::broker
