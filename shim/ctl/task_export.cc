#include "shim/ctl/task_export.h"

#include <limits>
#include <nlohmann/json.hpp>

#include "signal/json_text.h"

namespace spoor::ctl {
namespace {

using Json = nlohmann::json;

struct EntryList {
    const char* key;
    std::vector<ReportEntry> TaskReport::*list;
};
constexpr EntryList outer_lists[] = {
    {"filesRead", &TaskReport::read},
    {"filesWritten", &TaskReport::written},
    {"unexpectedReads", &TaskReport::unexpected_reads},
    {"unexpectedWrites", &TaskReport::unexpected_writes},
};
constexpr EntryList own_lists[] = {
    {"ownFilesRead", &TaskReport::own_read},
    {"listed", &TaskReport::listed},
    {"absent", &TaskReport::absent},
    {"probed", &TaskReport::probed},
    {"deleted", &TaskReport::deleted},
    {"directoriesMade", &TaskReport::made},
    {"metadataChanged", &TaskReport::metadata_changed},
};

struct NameList {
    const char* key;
    const char* bytes_key;  // under `spoor`
    std::vector<std::string> TaskReport::*list;
};
constexpr NameList name_lists[] = {
    {"inputs", "inputsBytes", &TaskReport::inputs},
    {"outputs", "outputsBytes", &TaskReport::outputs},
    {"expectedInputsNotRead", "expectedInputsNotReadBytes", &TaskReport::inputs_not_read},
    {"expectedOutputsNotWritten", "expectedOutputsNotWrittenBytes", &TaskReport::outputs_not_written},
};

// Reads on after a mistake and keeps the first one: then nothing that it returned is used.
class Reading {
public:
    [[nodiscard]] const std::string& problem() const { return problem_; }

    // A member of type `type`; null if there is none, and then a mistake if it is `needed`.
    const Json* member(const Json& object, const char* key, Json::value_t type, bool needed) {
        auto at = object.find(key);
        if (at == object.end()) {
            if (needed) fail(std::string(key) + " is missing");
            return nullptr;
        }
        if (at->type() == type) return &*at;
        fail(std::string(key) + " is of type " + at->type_name());
        return nullptr;
    }
    std::string text(const Json& object, const char* key, bool needed) {
        const Json* value = member(object, key, Json::value_t::string, needed);
        return value ? value->get<std::string>() : std::string();
    }
    uint32_t pid(const Json& object, const char* key) {
        const Json* value = member(object, key, Json::value_t::number_unsigned, true);
        if (!value) return 0;
        const auto number = value->get<uint64_t>();
        if (number > std::numeric_limits<uint32_t>::max()) fail(std::string(key) + " is too large");
        return static_cast<uint32_t>(number);
    }
    std::vector<std::string> texts(const Json& object, const char* key, bool needed) {
        std::vector<std::string> all;
        const Json* list = member(object, key, Json::value_t::array, needed);
        if (!list) return all;
        for (const Json& value : *list) {
            if (value.is_string())
                all.push_back(value.get<std::string>());
            else
                fail(std::string(key) + " holds a value of type " + value.type_name());
        }
        return all;
    }
    std::vector<std::string> names(const Json& report, const Json& own, const NameList& which) {
        std::vector<std::string> all = texts(report, which.key, true);
        each_object(own, which.bytes_key, false, [&](const Json& entry) {
            const Json* index = member(entry, "index", Json::value_t::number_unsigned, true);
            const std::string encoded = text(entry, "bytes", true);
            if (!index) return;
            if (index->get<uint64_t>() >= all.size())
                return fail(std::string(which.bytes_key) + " has an index past the end of " + which.key);
            all[index->get<uint64_t>()] = decoded(encoded, which.bytes_key);
        });
        // What was expected is a declaration's text.
        const bool expected = std::string_view(which.key).starts_with("expected");
        for (const std::string& name : all)
            if (!expected) check_path(name, which.key);
        return all;
    }
    std::vector<ReportEntry> entries(const Json& object, const char* key, bool needed) {
        std::vector<ReportEntry> all;
        each_object(object, key, needed, [&](const Json& entry) {
            ReportEntry one{text(entry, "path", true), pid(entry, "pid"), false};
            if (entry.contains("pathBytes")) one.path = decoded(text(entry, "pathBytes", true), key);
            if (const Json* directory = member(entry, "directory", Json::value_t::boolean, false))
                one.directory = directory->get<bool>();
            check_path(one.path, key);
            all.push_back(std::move(one));
        });
        return all;
    }
    template <class Take>
    void each_object(const Json& object, const char* key, bool needed, Take take) {
        const Json* list = member(object, key, Json::value_t::array, needed);
        if (!list) return;
        for (const Json& entry : *list) {
            if (entry.is_object())
                take(entry);
            else
                fail(std::string(key) + " holds a value of type " + entry.type_name());
        }
    }

private:
    void fail(std::string problem) {
        if (problem_.empty()) problem_ = std::move(problem);
    }
    std::string decoded(const std::string& encoded, const char* where) {
        auto bytes = decode_base64(encoded);
        if (bytes) return std::move(*bytes);
        fail(std::string(where) + " holds what is no base64");
        return {};
    }
    // A NUL would end the path for the kernel, and name another file.
    void check_path(const std::string& path, const char* where) {
        if (path.empty() || path.find('\0') != std::string::npos)
            fail(std::string(where) + " holds a path that cannot be one");
    }

    std::string problem_;
};

}  // namespace

Result<TaskReport> parse_task_report(std::string_view json) {
    // Nothing of ours nests deeply; what does is dropped while it is parsed.
    bool deep = false;
    auto keep = [&](int depth, Json::parse_event_t, Json&) {
        deep |= depth > 32;
        return !deep;
    };
    const Json document = Json::parse(json, keep, false);
    if (deep || !document.is_object()) return Error{EINVAL, "the report is no JSON object"};
    Reading reading;
    TaskReport report;
    if (reading.text(document, "schema", true) != "spoor.report/1")
        return Error{EINVAL, "the report is not of schema spoor.report/1"};
    report.id = reading.text(document, "taskId", true);
    const Json* own = reading.member(document, "spoor", Json::value_t::object, true);
    if (!own) return Error{EINVAL, "the report makes no sense: " + reading.problem()};
    for (const NameList& which : name_lists) report.*which.list = reading.names(document, *own, which);
    for (const EntryList& which : outer_lists)
        report.*which.list = reading.entries(document, which.key, true);
    for (const EntryList& which : own_lists) report.*which.list = reading.entries(*own, which.key, false);
    reading.each_object(document, "processTree", true, [&](const Json& process) {
        report.processes.push_back({reading.pid(process, "pid"), reading.text(process, "cmd", true),
                                    reading.pid(process, "parentPid")});
    });
    const Json* complete = reading.member(*own, "complete", Json::value_t::boolean, true);
    report.complete = complete && complete->get<bool>();
    report.reasons = reading.texts(*own, "reasons", true);
    report.container_id = reading.text(*own, "containerId", true);
    report.started = reading.text(*own, "started", true);
    report.finished = reading.text(*own, "finished", true);
    report.family = reading.text(*own, "family", false);
    report.workspace_root = reading.text(*own, "workspaceRoot", false);
    report.status = reading.text(*own, "status", false);
    if (auto code = own->find("code"); code != own->end() && code->is_number_integer())
        report.code = code->get<int64_t>();
    if (!reading.problem().empty()) return Error{EINVAL, "the report makes no sense: " + reading.problem()};
    return report;
}

}  // namespace spoor::ctl
