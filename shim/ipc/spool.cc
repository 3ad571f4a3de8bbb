#include "shim/ipc/spool.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <memory>

#include "base/atomic_file.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/number.h"

namespace spoor {
namespace {

constexpr const char* queue_name = "queue";
constexpr const char* failed_name = "failed";
constexpr const char* settings_name = "settings.json";
constexpr const char* status_name = "status.json";
constexpr const char* lock_name = "lock";

constexpr size_t small_file_max = 1024 * 1024;
constexpr size_t header_max = 64 * 1024;
constexpr unsigned puts_between_counts = 64;
constexpr uint64_t leftover_age_ms = 3600 * 1000;
constexpr size_t digits_of_time = 20, digits_of_chance = 16;

uint64_t unix_now_ns() { return WallClock().unix_ns(boot_time_ns()); }
uint64_t unix_now_ms() { return unix_now_ns() / 1'000'000; }

std::string new_name() {
    uint64_t chance = 0;
    if (::getrandom(&chance, sizeof chance, 0) != sizeof chance) chance = boot_time_ns();
    std::array<char, digits_of_time + 1 + digits_of_chance + 1> text{};
    std::snprintf(text.data(), text.size(), "%020llu-%016llx", static_cast<unsigned long long>(unix_now_ns()),
                  static_cast<unsigned long long>(chance));
    return text.data();
}

std::optional<uint64_t> time_of(std::string_view name) {
    if (name.size() != digits_of_time + 1 + digits_of_chance || name[digits_of_time] != '-')
        return std::nullopt;
    const auto ns = number_in<uint64_t>(name.substr(0, digits_of_time));
    if (!ns) return std::nullopt;
    return *ns / 1'000'000;
}

struct Listed {
    std::vector<Spool::Entry> entries;  // sorted
    std::vector<std::string> leftovers;
};

Result<Listed> list(int directory) {
    UniqueFd fd(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return errno_error("the spool");
    std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(fd.get()), ::closedir);
    if (!stream) return errno_error("the spool");
    static_cast<void>(fd.release());
    Listed listed;
    while (const dirent* entry = ::readdir(stream.get())) {
        const std::string name = entry->d_name;
        const auto time = time_of(name);
        struct stat st {};
        if ((!time && !name.starts_with('.')) || name == "." || name == "..") continue;
        if (::fstatat(directory, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
            continue;
        if (time) {
            listed.entries.push_back({name, static_cast<uint64_t>(st.st_size), *time});
        } else if (static_cast<uint64_t>(st.st_mtim.tv_sec) * 1000 + leftover_age_ms < unix_now_ms()) {
            listed.leftovers.push_back(name);
        }
    }
    std::sort(listed.entries.begin(), listed.entries.end(),
              [](const Spool::Entry& a, const Spool::Entry& b) { return a.name < b.name; });
    return listed;
}

Result<std::string> read_small(int directory, const std::string& name) {
    auto file = open_at(directory, name, O_RDONLY | O_NONBLOCK);
    if (!file) return std::move(file).error();
    return read_fd(file->get(), small_file_max);
}

Result<uint64_t> copy(int from, AtomicFile& to) {
    std::array<char, 128 * 1024> buffer;
    uint64_t total = 0;
    for (;;) {
        const ssize_t got = ::pread(from, buffer.data(), buffer.size(), static_cast<off_t>(total));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return errno_error("read the report");
        if (got == 0) return total;
        SPOOR_TRY(to.write({buffer.data(), static_cast<size_t>(got)}));
        total += static_cast<uint64_t>(got);
    }
}

Error is_damaged() { return Error{EBADMSG, "the spooled item is damaged"}; }

}  // namespace

Result<Spool> Spool::open_at_path(const std::string& path) {
    auto root = open_file(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!root) return std::move(root).error();
    struct stat st {};
    if (::fstat(root->get(), &st) < 0) return errno_error(path);
    if (st.st_uid != ::geteuid() || (st.st_mode & 077) != 0)
        return Error{EPERM, path + ": a spool must be its user's own and closed to others (0700)"};
    auto queue = make_directory_at(root->get(), queue_name, 0700);
    if (!queue) return std::move(queue).error().context(path);
    auto failed = make_directory_at(root->get(), failed_name, 0700);
    if (!failed) return std::move(failed).error().context(path);
    return Spool(path, std::move(*root), std::move(*queue), std::move(*failed));
}

Result<Spool> Spool::open(const std::string& path) {
    const size_t slash = path.rfind('/');
    if (slash != std::string::npos && slash > 0) SPOOR_TRY(make_directories(path.substr(0, slash), 0755));
    if (::mkdir(path.c_str(), 0700) < 0 && errno != EEXIST) return errno_error(path);
    return open_at_path(path);
}

Result<Spool> Spool::open_existing(const std::string& path) { return open_at_path(path); }

// -------------------------------------------------------------------------------------- putting

Status Spool::make_room(uint64_t bytes, const Limits& limits) {
    if (bytes > limits.bytes_max)
        return Error{EFBIG, "it is larger than all that the spool may hold (delivery.spool_max)"};
    // Counting takes a look at each file: now and then, since others put here too, and when it matters.
    if (puts_++ % puts_between_counts != 0 && known_bytes_ + bytes <= limits.bytes_max) {
        known_bytes_ += bytes;
        return {};
    }
    trim(limits, bytes);
    known_bytes_ += bytes;
    return {};
}

Status Spool::put(SpoolItem item, std::string_view payload, const Limits& limits) {
    item.payload_bytes = payload.size();
    const std::string head = to_json(item) + "\n";
    SPOOR_TRY(make_room(head.size() + payload.size(), limits));
    auto file = AtomicFile::create_at(queue_.get(), new_name(), 0600);
    if (!file) return std::move(file).error();
    SPOOR_TRY(file->write(head));
    SPOOR_TRY(file->write(payload));
    return file->commit();
}

Status Spool::put(SpoolItem item, int payload_fd, const Limits& limits) {
    struct stat st {};
    if (::fstat(payload_fd, &st) < 0) return errno_error("the report");
    item.payload_bytes = static_cast<uint64_t>(st.st_size);
    const std::string head = to_json(item) + "\n";
    SPOOR_TRY(make_room(head.size() + item.payload_bytes, limits));
    auto file = AtomicFile::create_at(queue_.get(), new_name(), 0600);
    if (!file) return std::move(file).error();
    SPOOR_TRY(file->write(head));
    auto copied = copy(payload_fd, *file);
    if (!copied) return std::move(copied).error();
    if (*copied != item.payload_bytes) return Error{EIO, "the report changed while it was spooled"};
    return file->commit();
}

// --------------------------------------------------------------------------------------- taking

Result<std::vector<Spool::Entry>> Spool::queue() const {
    auto listed = list(queue_.get());
    if (!listed) return std::move(listed).error();
    return std::move(listed->entries);
}

Result<Spool::Opened> Spool::take(const std::string& name) const {
    auto fd = open_at(queue_.get(), name, O_RDONLY | O_NONBLOCK);
    if (!fd) return std::move(fd).error();
    struct stat st {};
    if (::fstat(fd->get(), &st) < 0) return errno_error(name);
    std::string head(header_max, '\0');
    const ssize_t got = ::pread(fd->get(), head.data(), head.size(), 0);
    if (got < 0) return errno_error(name);
    head.resize(static_cast<size_t>(got));
    const size_t line = head.find('\n');
    if (line == std::string::npos) return is_damaged();
    auto item = parse_spool_item(std::string_view(head).substr(0, line));
    if (!item || item->payload_bytes != static_cast<uint64_t>(st.st_size) - (line + 1)) return is_damaged();
    if (::lseek(fd->get(), static_cast<off_t>(line + 1), SEEK_SET) < 0) return errno_error(name);
    return Opened{std::move(*item), std::move(*fd), line + 1};
}

Status Spool::remove(const std::string& name) {
    if (::unlinkat(queue_.get(), name.c_str(), 0) < 0 && errno != ENOENT) return errno_error(name);
    return {};
}

Status Spool::give_up(const std::string& name, const SpoolItem* item, const std::string& reason) {
    SpoolFailure failure;
    failure.time = WallClock().rfc3339(boot_time_ns());
    failure.reason = reason;
    if (item != nullptr) {
        failure.kind = name_of(item->kind);
        failure.key = item->key;
        failure.container_id = item->container_id;
        failure.task_id = item->task_id;
    }
    // The record first: an item must not disappear without one. After a crash in between it is given up
    // again.
    SPOOR_TRY(write_file_atomically_at(failed_.get(), name, to_json(failure) + "\n", 0600));
    return remove(name);
}

size_t Spool::trim(const Limits& limits, uint64_t more) {
    const uint64_t now = unix_now_ms();
    auto failed = list(failed_.get());
    if (failed) {
        size_t left = failed->entries.size();
        for (const Entry& entry : failed->entries) {
            // By the item's own time: the record keeps its name.
            if (left <= failures_max && entry.created_ms + limits.max_age_ms * 2 >= now) break;
            ::unlinkat(failed_.get(), entry.name.c_str(), 0);
            --left;
        }
        for (const std::string& name : failed->leftovers) ::unlinkat(failed_.get(), name.c_str(), 0);
    }
    auto queued = list(queue_.get());
    if (!queued) return 0;
    for (const std::string& name : queued->leftovers) ::unlinkat(queue_.get(), name.c_str(), 0);
    uint64_t bytes = 0;
    for (const Entry& entry : queued->entries) bytes += entry.bytes;
    size_t given_up = 0;
    for (const Entry& entry : queued->entries) {
        const bool old = entry.created_ms + limits.max_age_ms < now;
        if (!old && bytes + more <= limits.bytes_max) break;
        auto opened = take(entry.name);
        const char* reason =
            old ? "it was not delivered within delivery.max_age" : "the spool was full (delivery.spool_max)";
        if (give_up(entry.name, opened ? &opened->item : nullptr, reason)) {
            bytes -= entry.bytes;
            ++given_up;
        }
    }
    known_bytes_ = bytes;
    return given_up;
}

std::vector<SpoolFailure> Spool::failures() const {
    std::vector<SpoolFailure> failures;
    auto listed = list(failed_.get());
    if (!listed) return failures;
    for (const Entry& entry : listed->entries) {
        auto text = read_small(failed_.get(), entry.name);
        if (!text) continue;
        if (auto failure = parse_spool_failure(*text)) failures.push_back(std::move(*failure));
    }
    return failures;
}

// ------------------------------------------------------------------------------ settings, status

Result<DeliverySettings> Spool::settings() const {
    auto text = read_small(root_.get(), settings_name);
    if (!text) return std::move(text).error();
    return parse_delivery_settings(*text);
}

Status Spool::set_settings(const DeliverySettings& wanted, bool anyway) {
    if (!anyway)
        if (auto current = settings(); current && *current == wanted) return {};
    return write_file_atomically_at(root_.get(), settings_name, to_json(wanted) + "\n", 0600);
}

SpoolStatus Spool::status() const {
    auto text = read_small(root_.get(), status_name);
    if (!text) return {};
    auto status = parse_spool_status(*text);
    return status ? std::move(*status) : SpoolStatus{};
}

Status Spool::set_status(const SpoolStatus& status) {
    return write_file_atomically_at(root_.get(), status_name, to_json(status) + "\n", 0600);
}

Result<UniqueFd> Spool::lock() const {
    auto file = open_at(root_.get(), lock_name, O_RDWR | O_CREAT, 0600);
    if (!file) return std::move(file).error();
    if (::flock(file->get(), LOCK_EX | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK) return Error{EBUSY, path_ + ": another spoor-deliver is at work"};
        return errno_error(path_);
    }
    return std::move(*file);
}

}  // namespace spoor
