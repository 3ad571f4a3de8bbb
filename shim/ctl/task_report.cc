#include "shim/ctl/task_report.h"

#include <map>
#include <nlohmann/json.hpp>

#include "shim/ctl/text.h"
#include "signal/json_text.h"

namespace spoor::ctl {
namespace {

using Json = nlohmann::json;

// Reports may be of another version, or somebody's invention: what is not there is empty.
const Json& member(const Json& object, const char* key) {
    static const Json nothing;
    if (!object.is_object()) return nothing;
    auto at = object.find(key);
    return at == object.end() ? nothing : *at;
}
std::string text(const Json& object, const char* key) {
    const Json& value = member(object, key);
    return value.is_string() ? value.get<std::string>() : std::string();
}
std::string number(const Json& object, const char* key) {
    const Json& value = member(object, key);
    return value.is_number_integer() ? value.dump() : std::string();
}
bool flag(const Json& object, const char* key) {
    const Json& value = member(object, key);
    return value.is_boolean() && value.get<bool>();
}
std::string name(const Json& object, const char* key) {
    if (auto bytes = decode_base64(text(object, (std::string(key) + "Bytes").c_str()));
        bytes && !bytes->empty())
        return *bytes;
    return text(object, key);
}
const Json& list(const Json& object, const char* key) {
    static const Json empty = Json::array();
    const Json& value = member(object, key);
    return value.is_array() ? value : empty;
}

std::string unexpected(const Json& report, const char* key, const char* title,
                       const std::map<std::string, std::string>& commands, const Style& style) {
    if (list(report, key).empty()) return {};
    Table table(title, {{"PID", Align::right}, {"PATH", Align::left, true}, {"BY", Align::left, true}});
    for (const Json& entry : list(report, key)) {
        const std::string pid = number(entry, "pid");
        auto command = commands.find(pid);
        table.add({pid, name(entry, "path") + (flag(entry, "gone") ? " (gone at the end)" : ""),
                   command == commands.end() ? "" : command->second});
    }
    return "\n" + table.text(style);
}

std::string missing(const Json& report, const char* key, const char* title, const Style& style) {
    if (list(report, key).empty()) return {};
    Table table(title, {{"PATH", Align::left, true}});
    for (const Json& entry : list(report, key))
        table.add({entry.is_string() ? entry.get<std::string>() : ""});
    return "\n" + table.text(style);
}

std::string suggestions(const Json& own, const Style& style) {
    Table table("add to the declaration",
                {{"LIST"}, {"PATTERN", Align::left, true}, {"FILES", Align::right}, {"PROJECT"}});
    for (const char* key : {"inputs", "outputs"})
        for (const Json& entry : list(member(own, "suggestions"), key))
            table.add({key, name(entry, "pattern"), number(entry, "files"), text(entry, "project")});
    if (table.size() == 0) return {};
    std::string out = "\n" + table.text(style);
    const std::string snippet = text(member(own, "suggestions"), "projectJson");
    if (snippet.empty()) return out;
    out += "\n  for project.json:\n";
    for (size_t at = 0; at < snippet.size();) {
        const size_t end = std::min(snippet.find('\n', at), snippet.size());
        out += "    " + printable(snippet.substr(at, end - at)) + "\n";
        at = end + 1;
    }
    return out;
}

std::string lines(const Json& own, const char* key, const char* title, const Style& style) {
    if (list(own, key).empty()) return {};
    std::string out = "\n" + painted(title, Paint::bold, style) + "\n";
    for (const Json& line : list(own, key))
        if (line.is_string()) out += "  " + printable(line.get<std::string>()) + "\n";
    return out;
}

std::string head(const Json& report, const Json& own, const Style& style) {
    std::string out = painted("task " + printable(text(report, "taskId")), Paint::bold, style);
    if (auto status = text(own, "status"); !status.empty()) out += ": " + printable(status);
    if (auto code = number(own, "code"); !code.empty()) out += " (exit code " + code + ")";
    out += "\n";
    const Json& fatal = member(own, "failedBy");
    if (fatal.is_object())
        out += painted((flag(fatal, "refused") ? "REFUSED: strict mode, " : "KILLED: strict mode, ") +
                           printable(text(fatal, "op")) + " of " + printable(name(fatal, "path")) +
                           " by pid " + number(fatal, "pid"),
                       Paint::red, style) +
               "\n";
    if (!flag(own, "complete")) out += painted("NOT COMPLETE", Paint::red, style) + "\n";
    for (const Json& reason : list(own, "reasons"))
        if (reason.is_string()) out += "  " + printable(reason.get<std::string>()) + "\n";
    const Json& declaration = member(own, "declaration");
    const size_t reads = list(report, "unexpectedReads").size(),
                 writes = list(report, "unexpectedWrites").size();
    out += counted(list(report, "inputs").size(), "input", "inputs") + ", " +
           counted(list(report, "outputs").size(), "output", "outputs") + ", " +
           counted(list(report, "processTree").size(), "process", "processes") + "\n";
    if (!flag(declaration, "judgesReads") && !flag(declaration, "judgesWrites"))
        out += "nothing was declared, so nothing was judged\n";
    else if (reads + writes == 0)
        out += painted("nothing undeclared", Paint::green, style) + "\n";
    else
        out += painted(counted(reads, "undeclared read", "undeclared reads") + ", " +
                           counted(writes, "undeclared write", "undeclared writes"),
                       Paint::yellow, style) +
               "\n";
    if (text(own, "ended") == "process-tree")
        out += "no end was signalled: closed when its last process had ended\n";
    if (text(own, "ended") == "container") out += "no end was signalled: closed with the container\n";
    return out;
}

}  // namespace

Result<std::string> task_report_text(std::string_view json, const Style& style) {
    bool deep = false;
    auto keep = [&](int depth, Json::parse_event_t, Json&) {
        deep |= depth > 32;
        return !deep;
    };
    const Json report = Json::parse(json, keep, false);
    if (deep || !report.is_object() || text(report, "schema") != "spoor.report/1")
        return Error{EINVAL, "the report is not of schema spoor.report/1"};
    const Json& own = member(report, "spoor");
    std::map<std::string, std::string> commands;
    for (const Json& process : list(report, "processTree"))
        commands.emplace(number(process, "pid"), text(process, "cmd"));
    return head(report, own, style) +
           unexpected(report, "unexpectedReads", "undeclared reads", commands, style) +
           unexpected(report, "unexpectedWrites", "undeclared writes", commands, style) +
           missing(report, "expectedInputsNotRead", "declared by name and not read", style) +
           missing(report, "expectedOutputsNotWritten", "declared by name and not written", style) +
           suggestions(own, style) + lines(own, "notHermetic", "not hermetic", style) +
           lines(own, "warnings", "warnings", style);
}

}  // namespace spoor::ctl
