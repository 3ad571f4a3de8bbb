#include "signal/session.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/clock.h"
#include "base/files.h"
#include "signal/redact.h"
#include "signal/session_text.h"
#include "signal/volume.h"

namespace spoor {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t session_bytes_max = 16 * 1024 * 1024;
constexpr std::string_view state_names[] = {"tracing", "finished", "untraced", "degraded"};

std::string dump(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

Json nullable(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Session from(const Json& json) {
    Session session;
    session.container_id = json.at("containerId").get<std::string>();
    session.image = json.value("image", "");
    session.annotations = json.value("annotations", std::map<std::string, std::string>{});
    auto state = json.at("state").get<std::string>();
    auto known = std::find(std::begin(state_names), std::end(state_names), state);
    // A state that a later writer may have added: certainly not one that means complete.
    session.state = known == std::end(state_names)
                        ? SessionState::degraded
                        : static_cast<SessionState>(known - std::begin(state_names));
    session.family = json.value("family", "none");
    session.ring_bytes = json.value("ringBytes", 0u);
    const Json coverage = json.value("coverage", Json::object());
    for (const auto& [name, how] : coverage.items()) {
        auto op = op_named(name);
        if (!op) continue;
        uint64_t bit = uint64_t{1} << static_cast<int>(*op);
        if (how == "exact") session.exact_ops |= bit;
        if (how == "lexical") session.lexical_ops |= bit;
    }
    auto time = [&](const char* key) {
        return json.contains(key) && json[key].is_string() ? json[key].get<std::string>() : std::string();
    };
    session.started = time("started");
    session.finished = time("finished");
    Json counters = json.value("counters", Json::object());
    session.counters.events = counters.value("events", uint64_t{0});
    session.counters.received = counters.value("received", uint64_t{0});
    session.processes = counters.value("processes", uint64_t{0});
    session.accesses = counters.value("accesses", uint64_t{0});
    Json loss = json.value("lostByCause", Json::object());
    session.loss.ring_full = loss.value("ringFull", uint64_t{0});
    session.loss.scratch = loss.value("scratch", uint64_t{0});
    session.loss.process_table = loss.value("processTable", uint64_t{0});
    session.loss.fault = loss.value("fault", uint64_t{0});
    session.loss.scopes = loss.value("scopes", uint64_t{0});
    session.loss.consumer = loss.value("consumer", uint64_t{0});
    session.reasons = json.value("reasons", std::vector<std::string>{});
    session.warnings = json.value("warnings", std::vector<std::string>{});
    Json recorder = json.value("recorder", Json::object());
    session.recorder_cpu_ms = recorder.value("cpuMs", uint64_t{0});
    session.recorder_peak_rss_kib = recorder.value("peakRssKiB", uint64_t{0});
    Json files = json.value("files", Json::object());
    session.processes_written = files.contains("processes") && !files["processes"].is_null();
    session.accesses_files = files.value("accesses", std::vector<std::string>{});
    return session;
}

}  // namespace

std::string_view name_of(SessionState state) { return state_names[static_cast<size_t>(state)]; }

std::string to_json(const Session& session) {
    Json coverage = Json::object();
    for_each_coverage(session,
                      [&](std::string_view op, std::string_view how) { coverage[std::string(op)] = how; });
    Json json;
    json["schema"] = session_schema;
    json["spoorVersion"] = SPOOR_VERSION;
    json["containerId"] = session.container_id;
    json["image"] = session.image;
    json["annotations"] = Redactor(session.secrets).annotations(session.annotations);
    json["state"] = name_of(session.state);
    json["complete"] = session.complete();
    json["reasons"] = session.reasons;
    json["warnings"] = session.warnings;
    json["lost"] = session.loss.total();
    json["lostByCause"] = {
        {"ringFull", session.loss.ring_full},
        {"scratch", session.loss.scratch},
        {"processTable", session.loss.process_table},
        {"fault", session.loss.fault},
        {"scopes", session.loss.scopes},
        {"consumer", session.loss.consumer},
    };
    json["counters"] = {
        {"events", session.counters.events},
        {"received", session.counters.received},
        {"processes", session.processes},
        {"accesses", session.accesses},
    };
    json["recorder"] = {
        {"cpuMs", session.recorder_cpu_ms},
        {"peakRssKiB", session.recorder_peak_rss_kib},
    };
    json["started"] = nullable(session.started);
    json["finished"] = nullable(session.finished);
    json["family"] = session.family;
    json["coverage"] = std::move(coverage);
    json["ringBytes"] = session.ring_bytes;
    json["files"] = {
        {"processes", session.processes_written ? Json(processes_file) : Json(nullptr)},
        {"accesses", session.accesses_files},
    };
    return dump(json);
}

Result<Session> parse_session(std::string_view text) {
    try {
        Json json = Json::parse(text);
        if (json.value("schema", "") != session_schema)
            return Error{0, std::string("not a ") + session_schema + " file"};
        return from(json);
    } catch (const Json::exception& error) {
        return Error{0, std::string("not a ") + session_schema + " file: " + error.what()};
    }
}

Result<AtomicFile> make_session_file(int trace, const Session& session) {
    auto file = AtomicFile::create_at(trace, session_file, 0644);
    if (!file) return std::move(file).error();
    if (::fchmod(file->fd(), 0644) < 0) return errno_error(session_file);
    SPOOR_TRY(file->write(to_json(session)));
    return file;
}

Status write_session(int trace, const Session& session) {
    auto file = make_session_file(trace, session);
    if (!file) return std::move(file).error();
    return file->commit();
}

Status reserve_session_space(int trace) {
    // The largest that is likely; with more warnings the old session.json would have to do.
    constexpr off_t bytes = 16 * 1024;
    release_session_space(trace);
    auto file = open_at(trace, session_reserve, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (!file) return std::move(file).error();
    // Zeros, not fallocate(2): not every file system of a volume has it.
    auto filled = write_all(file->get(), std::string(bytes, '\0'));
    if (!filled) release_session_space(trace);
    return filled;
}

void release_session_space(int trace) { ::unlinkat(trace, session_reserve, 0); }

Result<Session> read_session(int trace) {
    // O_NONBLOCK: a fifo in its place gives an empty read, never a hang.
    auto fd = open_at(trace, session_file, O_RDONLY | O_NONBLOCK);
    if (!fd) return std::move(fd).error();
    auto text = read_fd(fd->get(), session_bytes_max);
    if (!text) return std::move(text).error().context(session_file);
    auto session = parse_session(*text);
    if (!session) return std::move(session).error().context(session_file);
    return session;
}

Status write_untraced_session(const std::string& volume_path, const std::string& container_id,
                              const std::string& image, const std::string& reason) {
    auto volume = Volume::open(volume_path);
    if (!volume) return std::move(volume).error();
    SPOOR_TRY(volume->clear());
    Session session;
    session.container_id = container_id;
    session.image = image;
    session.state = SessionState::untraced;
    session.started = WallClock().rfc3339(boot_time_ns());
    session.reasons.push_back(reason);
    return write_session(volume->trace(), session);
}

Status mark_session_degraded(const std::string& volume_path, const std::string& container_id,
                             const std::string& reason) {
    auto volume = Volume::open(volume_path);
    if (!volume) return std::move(volume).error();
    auto session = read_session(volume->trace());
    if (!session) return std::move(session).error();
    if (session->container_id != container_id)
        return Error{ENOENT, "volume " + volume_path + ": its session is another container's"};
    if (session->state != SessionState::tracing)
        return Error{EALREADY, "volume " + volume_path + ": its session has ended already"};
    session->state = SessionState::degraded;
    session->finished = WallClock().rfc3339(boot_time_ns());
    session->reasons.push_back(reason);
    release_session_space(volume->trace());
    return write_session(volume->trace(), *session);
}

}  // namespace spoor
