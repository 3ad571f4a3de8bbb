#include "signal/reader.h"

#include <nlohmann/json.hpp>

#include "signal/json_text.h"

namespace spoor {
namespace {

using Json = nlohmann::json;

// A name as its bytes: `keyBytes` if it is there, else `key`. Throws what the library throws, or Error.
std::string name_in(const Json& json, const std::string& key) {
    auto bytes = json.find(key + "Bytes");
    if (bytes == json.end()) return json.value(key, "");
    auto decoded = decode_base64(bytes->get_ref<const std::string&>());
    if (!decoded) throw std::move(decoded).error().context(key + "Bytes");
    return *decoded;
}

ProcessKey key_in(const Json& json, const char* pid, const char* start) {
    ProcessKey key;
    key.pid = json.at(pid).get<uint32_t>();
    if (!json.at(start).is_null()) key.start_ns = json.at(start).get<uint64_t>();
    return key;
}

std::vector<std::string> arguments_in(const Json& json) {
    auto bytes = json.find("argvBytes");
    if (bytes == json.end()) return json.value("argv", std::vector<std::string>{});
    std::vector<std::string> argv;
    for (const Json& argument : *bytes) {
        auto decoded = decode_base64(argument.get_ref<const std::string&>());
        if (!decoded) throw std::move(decoded).error().context("argvBytes");
        argv.push_back(std::move(*decoded));
    }
    return argv;
}

template <class Line, class Read>
Result<Line> parse(std::string_view text, const char* what, Read read) {
    try {
        return read(Json::parse(text));
    } catch (const Json::exception& error) {
        return Error{EINVAL, std::string("not a line of ") + what + ": " + error.what()};
    } catch (const Error& error) {
        return Error{EINVAL, std::string("not a line of ") + what + ": " + error.message};
    }
}

}  // namespace

Result<AccessLine> parse_access_line(std::string_view text) {
    return parse<AccessLine>(text, "accesses.jsonl", [](const Json& json) {
        AccessLine line;
        line.time = json.at("time").get<std::string>();
        line.process = key_in(json, "pid", "start");
        line.op = json.at("op").get<std::string>();
        line.path = name_in(json, "path");
        line.to = name_in(json, "to");
        line.error = json.value("error", "");
        line.flags = json.value("flags", std::vector<std::string>{});
        return line;
    });
}

Result<ProcessLine> parse_process_line(std::string_view text) {
    return parse<ProcessLine>(text, "processes.jsonl", [](const Json& json) {
        ProcessLine line;
        line.time = json.at("time").get<std::string>();
        line.process = key_in(json, "pid", "start");
        line.parent = key_in(json, "ppid", "parentStart");
        line.argv = arguments_in(json);
        line.exe = name_in(json, "exe");
        line.cwd = name_in(json, "cwd");
        line.script = name_in(json, "script");
        line.loader = name_in(json, "loader");
        line.fork_only = json.value("forkOnly", false);
        if (const Json& exit = json.at("exit"); exit.is_object()) {
            if (exit.contains("code")) line.exit_code = exit["code"].get<int>();
            if (exit.contains("signal")) line.exit_signal = exit["signal"].get<int>();
        }
        if (const Json& end = json.at("end"); end.is_string()) line.end = end.get<std::string>();
        line.task = json.value("task", "");
        return line;
    });
}

}  // namespace spoor
