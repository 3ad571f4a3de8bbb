// The formats of `spoorctl report`; docs/tasks.md tells what stands in each.
#include <nlohmann/json.hpp>
#include <set>

#include "shim/ctl/task_export.h"
#include "signal/declaration/pattern_set.h"
#include "signal/json_text.h"

namespace spoor::ctl {
namespace {

using OrderedJson = nlohmann::ordered_json;

std::string dumped(const OrderedJson& json, int indent) {
    return json.dump(indent, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
}

OrderedJson entries(const std::vector<ReportEntry>& list) {
    OrderedJson all = OrderedJson::array();
    for (const ReportEntry& entry : list) all.push_back({{"path", entry.path}, {"pid", entry.pid}});
    return all;
}

OrderedJson nx_sandbox(const TaskReport& report) {
    OrderedJson processes = OrderedJson::array();
    for (const ReportProcess& process : report.processes)
        processes.push_back(
            {{"pid", process.pid}, {"cmd", process.command}, {"parentPid", process.parent_pid}});
    OrderedJson out;
    out["taskId"] = report.id;
    out["inputs"] = report.inputs;
    out["outputs"] = report.outputs;
    out["filesRead"] = entries(report.read);
    out["filesWritten"] = entries(report.written);
    out["unexpectedReads"] = entries(report.unexpected_reads);
    out["unexpectedWrites"] = entries(report.unexpected_writes);
    out["expectedInputsNotRead"] = report.inputs_not_read;
    out["expectedOutputsNotWritten"] = report.outputs_not_written;
    out["processTree"] = std::move(processes);
    return out;
}

std::string children_of(const std::string& directory) {
    if (directory == ".") return "*";
    return escape_pattern(directory) + (directory.ends_with('/') ? "*" : "/*");
}

bool opens_formula(std::string_view bytes) {
    // U+FF0B, U+FF0D, U+FF1D and U+FF20 are the wide forms of the first four.
    static constexpr std::string_view wide[] = {"\xef\xbc\x8b", "\xef\xbc\x8d", "\xef\xbc\x9d",
                                                "\xef\xbc\xa0"};
    // "-" alone, the task that is the whole container, computes nothing.
    if (bytes.size() < 2) return bytes == "=" || bytes == "+" || bytes == "@";
    if (std::string_view("=+-@").find(bytes.front()) != std::string_view::npos) return true;
    for (std::string_view begin : wide)
        if (bytes.starts_with(begin)) return true;
    return false;
}

std::string quoted(const std::string& field) {
    if (field.find_first_of("\",\r\n") == std::string::npos) return field;
    std::string out = "\"";
    for (char c : field) out += c == '"' ? std::string("\"\"") : std::string(1, c);
    return out + "\"";
}

// Every byte that `encode` says, and '%', as %XX.
template <class Encode>
std::string percent(std::string_view bytes, Encode encode) {
    static constexpr char digits[] = "0123456789ABCDEF";
    std::string out;
    for (size_t at = 0; at < bytes.size(); ++at) {
        const auto byte = static_cast<unsigned char>(bytes[at]);
        if (byte != '%' && !encode(at, byte)) {
            out += bytes[at];
            continue;
        }
        out += {'%', digits[byte >> 4], digits[byte & 15]};
    }
    return out;
}

class Csv {
public:
    void row(const std::string& task, const char* kind, const std::string& path,
             std::optional<uint32_t> pid) {
        auto odd_task = percent_encoded(task), odd_path = percent_encoded(path);
        const bool odd = odd_task || odd_path;
        // One column tells of both fields, so a '%' in the other one is encoded too.
        auto field = [&](const std::string& plain, const std::optional<std::string>& encoded) {
            if (encoded) return quoted(*encoded);
            return quoted(odd ? percent(plain, [](size_t, unsigned char) { return false; }) : plain);
        };
        text += field(task, odd_task) + "," + kind + "," + field(path, odd_path) + "," +
                (pid ? std::to_string(*pid) : std::string()) + "," + (odd ? "percent" : "") + "\r\n";
    }

    std::string text = "taskId,kind,path,pid,encoding\r\n";
};

// A name in a statement; annotations tell that it is encoded.
OrderedJson described(const std::string& path) {
    OrderedJson out;
    out["name"] = path;
    if (is_utf8(path)) return out;
    out["name"] = percent_encoded(path).value_or(path);
    out["annotations"]["encoding"] = "percent";
    return out;
}

}  // namespace

std::optional<std::string> percent_encoded(std::string_view bytes) {
    const bool formula = opens_formula(bytes);
    bool odd = formula;
    size_t valid = valid_utf8_prefix(bytes);
    std::string out = percent(bytes, [&](size_t at, unsigned char byte) {
        bool encode = (formula && at == 0) || byte < 0x20 || byte == 0x7f;
        if (at == valid) {
            // What comes behind a byte that is no UTF-8 may be valid again.
            encode = true;
            valid = at + 1 + valid_utf8_prefix(bytes.substr(at + 1));
        }
        // The first byte of a wide character takes the others with it.
        encode |= formula && byte >= 0x80 && at < 3;
        odd |= encode;
        return encode;
    });
    if (!odd) return std::nullopt;
    return out;
}

std::string nx_sandbox_text(const std::vector<TaskReport>& reports, bool single) {
    if (single && reports.size() == 1) return dumped(nx_sandbox(reports.front()), 2);
    OrderedJson all = OrderedJson::array();
    for (const TaskReport& report : reports) all.push_back(nx_sandbox(report));
    return dumped(all, 2);
}

Result<std::string> ultracache_text(const std::vector<TaskReport>& reports, const std::string& commit) {
    OrderedJson all = OrderedJson::object();
    for (const TaskReport& report : reports) {
        std::set<std::string> inputs, outputs;  // sorted, without repeats
        for (const std::string& path : report.inputs) inputs.insert(escape_pattern(path));
        for (const ReportEntry& entry : report.listed) inputs.insert(children_of(entry.path));
        for (const ReportEntry& entry : report.absent) inputs.insert(escape_pattern(entry.path));
        // A pattern that is a directory's name stands for all that is in it, which is not what was looked at.
        for (const ReportEntry& entry : report.probed)
            if (!entry.directory) inputs.insert(escape_pattern(entry.path));
        for (const std::string& path : report.outputs) outputs.insert(escape_pattern(path));
        for (const auto* list : {&inputs, &outputs})
            for (const std::string& path : *list)
                if (!is_utf8(path))
                    return Error{EILSEQ, "task " + report.id + ": a path is not UTF-8: " + path};
        all[report.id] = {{"commit", commit}, {"inputs", inputs}, {"outputs", outputs}};
    }
    return dumped(all, 2);
}

std::string csv_text(const std::vector<TaskReport>& reports) {
    static constexpr struct {
        const char* kind;
        std::vector<ReportEntry> TaskReport::*list;
    } kinds[] = {
        {"read", &TaskReport::read},
        {"write", &TaskReport::written},
        {"unexpected-read", &TaskReport::unexpected_reads},
        {"unexpected-write", &TaskReport::unexpected_writes},
        {"own-read", &TaskReport::own_read},
        {"list", &TaskReport::listed},
        {"absent", &TaskReport::absent},
        {"probe", &TaskReport::probed},
        {"delete", &TaskReport::deleted},
        {"mkdir", &TaskReport::made},
        {"metadata", &TaskReport::metadata_changed},
    };
    Csv csv;
    for (const TaskReport& report : reports) {
        for (const auto& [kind, list] : kinds)
            for (const ReportEntry& entry : report.*list) csv.row(report.id, kind, entry.path, entry.pid);
        for (const std::string& path : report.inputs_not_read)
            csv.row(report.id, "expected-input-not-read", path, {});
        for (const std::string& path : report.outputs_not_written)
            csv.row(report.id, "expected-output-not-written", path, {});
    }
    return std::move(csv.text);
}

Result<std::string> intoto_text(const TaskReport& report, const DigestOf& digest_of) {
    std::set<std::string_view> written;
    for (const ReportEntry& entry : report.written) written.insert(entry.path);
    OrderedJson subject = OrderedJson::array(), materials = OrderedJson::array(),
                undigested = OrderedJson::array();
    std::string first_reason = "it has none";
    auto digest = [&](const std::string& path, const char* kind, OrderedJson& list,
                      const Result<std::string>& hex) {
        OrderedJson item = described(path);
        if (hex) {
            item["digest"]["sha256"] = *hex;
            list.push_back(std::move(item));
            return;
        }
        if (&list == &subject && undigested.empty()) first_reason = path + ": " + hex.error().message;
        item["kind"] = kind;
        item["reason"] = hex.error().message;
        undigested.push_back(std::move(item));
    };
    for (const std::string& path : report.outputs)
        digest(path, "output", subject, digest_of(path, report.finished));
    if (subject.empty())
        return Error{ENOENT,
                     "task " + report.id +
                         ": a statement has to have a subject, and no output has a digest: " + first_reason};
    for (const std::string& path : report.inputs) {
        if (written.contains(path))
            digest(path, "input", materials, Error{0, "the task has written it after it had read it"});
        else
            digest(path, "input", materials, digest_of(path, report.started));
    }
    OrderedJson predicate;
    predicate["taskId"] = report.id;
    predicate["containerId"] = report.container_id;
    if (!report.workspace_root.empty()) predicate["workspaceRoot"] = report.workspace_root;
    predicate["started"] = report.started;
    predicate["finished"] = report.finished;
    if (!report.status.empty()) predicate["status"] = report.status;
    if (report.code) predicate["code"] = *report.code;
    if (!report.family.empty()) predicate["family"] = report.family;
    predicate["complete"] = report.complete;
    predicate["reasons"] = report.reasons;
    predicate["materials"] = std::move(materials);
    predicate["undigested"] = std::move(undigested);
    OrderedJson statement;
    statement["_type"] = "https://in-toto.io/Statement/v1";
    statement["subject"] = std::move(subject);
    statement["predicateType"] = "urn:spoor:trail:1";
    statement["predicate"] = std::move(predicate);
    return dumped(statement, -1);
}

}  // namespace spoor::ctl
