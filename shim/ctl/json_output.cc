#include "shim/ctl/json_output.h"

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "signal/json_text.h"

namespace spoor::ctl {
namespace {

class Writer {
public:
    explicit Writer(std::FILE* out) : out_(out) {}

    void put(std::string_view text) {
        if (std::fwrite(text.data(), 1, text.size(), out_) != text.size()) failed_ = true;
    }
    // The text of a whole file, or null with a note.
    void put_document(const Result<std::string>& text, std::string_view what, bool may_be_missing) {
        if (!text) {
            if (!(may_be_missing && text.error().code == ENOENT)) notes.push_back(text.error().message);
            return put("null");
        }
        if (!nlohmann::json::accept(*text)) {
            notes.push_back(std::string(what) + ": not valid JSON");
            return put("null");
        }
        std::string_view body = *text;
        while (!body.empty() && (body.back() == '\n' || body.back() == ' ')) body.remove_suffix(1);
        put(body);
    }
    // Lines as an array's elements.
    template <class Each>
    void put_lines(Each each, std::string_view what) {
        bool first = true;
        size_t bad = 0;
        put("[");
        auto done = each([&](std::string_view line) {
            if (!nlohmann::json::accept(line)) {
                ++bad;
                return true;
            }
            put(first ? "\n    " : ",\n    ");
            first = false;
            put(line);
            return !failed_;
        });
        put(first ? "]" : "\n  ]");
        if (!done) notes.push_back(done.error().message);
        if (bad) notes.push_back(std::string(what) + ": " + std::to_string(bad) + " lines are no JSON");
    }
    [[nodiscard]] bool failed() const { return failed_; }

    std::vector<std::string> notes;

private:
    std::FILE* out_;
    bool failed_ = false;
};

}  // namespace

Status write_json(std::FILE* out, const VolumeReader* volume, const JsonParts& parts) {
    Writer writer(out);
    const Error none{ENOENT, "no volume"};
    writer.put("{\n  \"session\": ");
    writer.put_document(volume ? volume->session_text() : Result<std::string>(none), "session.json", false);
    writer.put(",\n  \"report\": ");
    writer.put_document(volume ? volume->report_text() : Result<std::string>(none), "the report", true);
    writer.put(",\n  \"processes\": ");
    if (volume)
        writer.put_lines([&](const auto& take) { return volume->each_process(take); }, "processes.jsonl");
    else
        writer.put("[]");
    if (parts.accesses && volume) {
        writer.put(",\n  \"accesses\": ");
        auto session = volume->session();
        if (session)
            writer.put_lines([&](const auto& take) { return volume->each_access(*session, take); },
                             "accesses.jsonl");
        else
            writer.put("[]");
    }
    if (!writer.notes.empty()) {
        std::string notes;
        for (const std::string& note : writer.notes) {
            notes += notes.empty() ? "" : ", ";
            append_json_string(notes, note);
        }
        writer.put(",\n  \"notes\": [" + notes + "]");
    }
    if (parts.exit_code) writer.put(",\n  \"exitCode\": " + std::to_string(*parts.exit_code));
    writer.put("\n}\n");
    if (writer.failed() || std::fflush(out) != 0) return errno_error("write");
    return {};
}

}  // namespace spoor::ctl
