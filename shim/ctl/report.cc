#include <nlohmann/json.hpp>
#include <unordered_map>

#include "shim/ctl/trail_view.h"
#include "signal/json_text.h"

namespace spoor::ctl {
namespace {

using Json = nlohmann::json;

const Json* find(const Json& object, const char* key, Json::value_t type) {
    auto at = object.find(key);
    return at != object.end() && at->type() == type ? &*at : nullptr;
}

uint32_t pid_of(const Json& entry) {
    const Json* pid = find(entry, "pid", Json::value_t::number_unsigned);
    return pid ? static_cast<uint32_t>(pid->get<uint64_t>()) : 0;
}

// Entries as {"path", "pathBytes", "pid"}.
std::vector<PathRow> entries(const Json& object, const char* key) {
    std::vector<PathRow> rows;
    const Json* list = find(object, key, Json::value_t::array);
    if (!list) return rows;
    for (const Json& entry : *list) {
        if (!entry.is_object()) continue;
        const Json* path = find(entry, "path", Json::value_t::string);
        if (!path) continue;
        PathRow row{path->get_ref<const std::string&>(), pid_of(entry)};
        if (const Json* encoded = find(entry, "pathBytes", Json::value_t::string))
            if (auto bytes = decode_base64(encoded->get_ref<const std::string&>()))
                row.path = std::move(*bytes);
        rows.push_back(std::move(row));
    }
    return rows;
}

// Plain strings, those that are not UTF-8 in a second list by their index.
std::vector<PathRow> strings(const Json& report, const char* key, const Json& own, const char* bytes_key,
                             const std::vector<PathRow>& pids) {
    std::vector<PathRow> rows;
    const Json* list = find(report, key, Json::value_t::array);
    if (!list) return rows;
    for (const Json& path : *list) rows.push_back({path.is_string() ? path.get<std::string>() : "", 0});
    if (const Json* odd = find(own, bytes_key, Json::value_t::array)) {
        for (const Json& entry : *odd) {
            if (!entry.is_object()) continue;
            const Json* index = find(entry, "index", Json::value_t::number_unsigned);
            const Json* encoded = find(entry, "bytes", Json::value_t::string);
            if (!index || !encoded || index->get<uint64_t>() >= rows.size()) continue;
            if (auto bytes = decode_base64(encoded->get_ref<const std::string&>()))
                rows[index->get<uint64_t>()].path = std::move(*bytes);
        }
    }
    std::unordered_map<std::string_view, uint32_t> by_path;
    for (const PathRow& known : pids) by_path.emplace(known.path, known.pid);
    for (PathRow& row : rows)
        if (auto at = by_path.find(row.path); at != by_path.end()) row.pid = at->second;
    return rows;
}

}  // namespace

Status read_report(std::string_view json, TrailView& view) {
    // Nothing of ours nests deeply; what does is dropped while it is parsed.
    bool deep = false;
    auto keep = [&](int depth, Json::parse_event_t, Json&) {
        deep |= depth > 32;
        return !deep;
    };
    Json report = Json::parse(json, keep, false);
    if (deep || !report.is_object()) return Error{EINVAL, "the report is no JSON object"};
    const Json* schema = find(report, "schema", Json::value_t::string);
    if (!schema || *schema != "spoor.report/1")
        return Error{EINVAL, "the report is not of schema spoor.report/1"};
    const Json* own = find(report, "spoor", Json::value_t::object);
    if (!own) return Error{EINVAL, "the report has no part of spoor's own"};
    view.inputs = strings(report, "inputs", *own, "inputsBytes", entries(report, "filesRead"));
    view.outputs = strings(report, "outputs", *own, "outputsBytes", entries(report, "filesWritten"));
    view.absent = entries(*own, "absent");
    for (const char* key : {"omittedAccesses", "omittedProcesses"})
        if (const Json* omitted = find(*own, key, Json::value_t::number_unsigned))
            view.notes.push_back("the report leaves out " + omitted->dump() +
                                 (std::string_view(key) == "omittedAccesses" ? " accesses" : " processes"));
    return {};
}

}  // namespace spoor::ctl
