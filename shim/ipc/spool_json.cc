// The lines of JSON in a spool.
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "shim/ipc/json_dump.h"
#include "shim/ipc/spool.h"

namespace spoor {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 3> kind_names = {"report", "raw", "logs"};

// False: not there, or no string.
bool read(const json& object, const char* key, std::string& out) {
    const auto found = object.find(key);
    if (found == object.end() || !found->is_string()) return false;
    out = found->get<std::string>();
    return true;
}

bool read(const json& object, const char* key, uint64_t& out) {
    const auto found = object.find(key);
    if (found == object.end() || !found->is_number_unsigned()) return false;
    out = found->get<uint64_t>();
    return true;
}

Error not_ours(const char* what) { return Error{EBADMSG, std::string("this is no ") + what + " of a spool"}; }

}  // namespace

std::string_view name_of(DeliveryKind kind) { return kind_names[static_cast<size_t>(kind)]; }

std::string to_json(const SpoolItem& item) {
    json object = {{"kind", name_of(item.kind)},
                   {"key", item.key},
                   {"session", item.session},
                   {"containerId", item.container_id},
                   {"payloadBytes", item.payload_bytes},
                   {"taskId", item.task_id}};
    if (!item.url.empty()) object["url"] = item.url;
    return dump_json(object);
}

Result<SpoolItem> parse_spool_item(std::string_view text) {
    const json object = json::parse(text, nullptr, false);
    SpoolItem item;
    std::string kind;
    if (!object.is_object() || !read(object, "kind", kind) || !read(object, "key", item.key) ||
        !read(object, "session", item.session) || !read(object, "containerId", item.container_id) ||
        !read(object, "taskId", item.task_id) || !read(object, "payloadBytes", item.payload_bytes))
        return not_ours("item");
    const auto known = std::find(kind_names.begin(), kind_names.end(), kind);
    if (known == kind_names.end()) return not_ours("item");
    item.kind = static_cast<DeliveryKind>(known - kind_names.begin());
    read(object, "url", item.url);
    return item;
}

std::string to_json(const SpoolFailure& failure) {
    return dump_json({{"time", failure.time},
                      {"kind", failure.kind},
                      {"key", failure.key},
                      {"containerId", failure.container_id},
                      {"taskId", failure.task_id},
                      {"reason", failure.reason}});
}

Result<SpoolFailure> parse_spool_failure(std::string_view text) {
    const json object = json::parse(text, nullptr, false);
    SpoolFailure failure;
    if (!object.is_object() || !read(object, "reason", failure.reason)) return not_ours("failure");
    read(object, "time", failure.time);
    read(object, "kind", failure.kind);
    read(object, "key", failure.key);
    read(object, "containerId", failure.container_id);
    read(object, "taskId", failure.task_id);
    return failure;
}

std::string to_json(const SpoolStatus& status) {
    return dump_json(
        {{"delivered", status.delivered}, {"errorTime", status.error_time}, {"error", status.error}});
}

Result<SpoolStatus> parse_spool_status(std::string_view text) {
    const json object = json::parse(text, nullptr, false);
    SpoolStatus status;
    if (!object.is_object() || !read(object, "delivered", status.delivered)) return not_ours("status");
    read(object, "errorTime", status.error_time);
    read(object, "error", status.error);
    return status;
}

}  // namespace spoor
