#include "signal/task_signal.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>

namespace spoor {
namespace {

constexpr std::array<std::string_view, 6> event_names = {"start",   "pid",    "inputs",
                                                         "outputs", "status", "end"};
constexpr std::array<std::string_view, 3> mode_names = {"off", "warn", "strict"};
constexpr size_t path_bytes_max = 4096;
constexpr size_t word_bytes_max = 1024;
constexpr size_t depth_max = 64;

// Follows the text value by value. `where_` says what the next value means; what is not known is
// skipped by counting its brackets.
class Reader : public nlohmann::json_sax<nlohmann::json> {
public:
    [[nodiscard]] Result<TaskSignal> take() && {
        if (!error_.empty()) return Error{0, std::move(error_)};
        if (schema_ != task_schema) return Error{0, "its schema is not " + std::string(task_schema)};
        auto event = std::find(event_names.begin(), event_names.end(), event_);
        if (event_.empty()) return Error{0, "it has no event"};
        if (event == event_names.end())
            return Error{0, "its event is none of start, pid, inputs, outputs, status, end"};
        signal_.event = static_cast<TaskEvent>(event - event_names.begin());
        if (signal_.task_id.empty()) return Error{0, "it has no taskId"};
        if (signal_.task_id == container_task) return Error{0, "taskId \"-\" is the container's own"};
        if (signal_.event == TaskEvent::pid && signal_.pid == 0) return Error{0, "event pid without a pid"};
        if (signal_.event == TaskEvent::inputs && !signal_.declared.inputs)
            return Error{0, "event inputs without inputs"};
        if (signal_.event == TaskEvent::outputs && !signal_.declared.outputs)
            return Error{0, "event outputs without outputs"};
        return std::move(signal_);
    }

    // As good as the key not being there, but for a member of a list.
    bool null() override {
        if (skipping()) return true;
        return depth_ == 0 || list_ != nullptr || object_ == Object::projects ? wrong() : true;
    }
    bool boolean(bool) override { return wrong_unless_skipped(); }
    bool number_integer(number_integer_t number) override { return integer(number); }
    bool number_unsigned(number_unsigned_t number) override {
        if (number > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return integer(-1);
        return integer(static_cast<int64_t>(number));
    }
    bool number_float(number_float_t, const string_t&) override { return wrong_unless_skipped(); }
    bool binary(binary_t&) override { return wrong_unless_skipped(); }

    bool string(string_t& text) override {
        if (skipping()) return true;
        if (depth_ == 0) return wrong();
        if (list_ != nullptr) return pattern(std::move(text));
        if (object_ == Object::projects) return project(std::move(text));
        if (object_ == Object::declared) return known_here() ? wrong() : true;
        const std::string& key = key_;
        if (key == "schema") return word(schema_, text);
        if (key == "event") return word(event_, text);
        if (key == "taskId") return task_id(signal_.task_id, text);
        if (key == "parent") return task_id(signal_.parent, text);
        if (key == "workspaceRoot") {
            if (!text.starts_with('/')) return fail("workspaceRoot is not an absolute path");
            return path(signal_.workspace_root, text);
        }
        if (key == "projectRoot") return path(signal_.project_root, text);
        if (key == "project") return word(signal_.project, text);
        if (key == "status") return word(signal_.status, text);
        if (key == "putUrl") {
            if (auto url = parse_http_url(text); !url) return fail("putUrl: " + url.error().message);
            signal_.put_url = std::move(text);
            return true;
        }
        if (key == "mode") {
            signal_.mode = task_mode_named(text);
            return signal_.mode ? true : fail("mode is none of off, warn, strict");
        }
        return known_here() ? wrong() : true;
    }

    bool start_object(std::size_t) override {
        if (++depth_ > depth_max) return fail("it is nested too deeply");
        if (depth_ == 1 || skip_above_ != 0) return true;
        if (list_ != nullptr) return wrong();
        if (depth_ == 2 && key_ == "declared") {
            object_ = Object::declared;
        } else if (depth_ == 2 && key_ == "projects") {
            object_ = Object::projects;
            signal_.projects.clear();
        } else if (known_here()) {
            return wrong();
        } else {
            skip_above_ = depth_;
        }
        return true;
    }
    bool end_object() override {
        leave();
        if (depth_ == 1) object_ = Object::top;
        return true;
    }
    bool key(string_t& key) override {
        key_ = std::move(key);
        return true;
    }

    bool start_array(std::size_t) override {
        if (++depth_ > depth_max) return fail("it is nested too deeply");
        if (depth_ == 1) return fail("it is no JSON object");
        if (skip_above_ != 0) return true;
        if (list_ != nullptr) return wrong();
        list_ = list_named(key_);
        if (list_ != nullptr) {
            list_->emplace();
            return true;
        }
        if (known_here()) return wrong();
        skip_above_ = depth_;
        return true;
    }
    bool end_array() override {
        if (skip_above_ == 0) list_ = nullptr;
        leave();
        return true;
    }

    bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
        if (error_.empty()) error_ = "it is no JSON, from byte " + std::to_string(position) + " on";
        return false;
    }

private:
    enum class Object { top, declared, projects };
    using List = std::optional<std::vector<std::string>>;

    [[nodiscard]] bool skipping() const { return skip_above_ != 0; }
    void leave() {
        if (skip_above_ == depth_) skip_above_ = 0;
        --depth_;
    }

    bool fail(std::string why) {
        if (error_.empty()) error_ = std::move(why);
        return false;
    }
    bool wrong() {
        if (depth_ == 0) return fail("it is no JSON object");
        if (object_ == Object::projects) return fail("projects is not an object of strings");
        return fail((object_ == Object::declared ? "declared." : "") + key_ +
                    " has a value of the wrong type");
    }

    List* list_named(std::string_view key) {
        if (object_ == Object::projects) return nullptr;
        if (key == "inputs") return &signal_.declared.inputs;
        if (key == "outputs") return &signal_.declared.outputs;
        if (key == "dependenciesOutputs") return &signal_.declared.dependencies_outputs;
        return nullptr;
    }
    static bool is_known(std::string_view key) {
        static constexpr std::string_view known[] = {
            "schema", "event",  "taskId", "pid",  "pidNamespace", "workspaceRoot", "projectRoot", "project",
            "mode",   "parent", "status", "code", "declared",     "projects",      "putUrl"};
        return std::find(std::begin(known), std::end(known), key) != std::end(known);
    }
    // Whether the value of key_ means something at this place.
    bool known_here() {
        if (object_ == Object::projects) return true;
        return list_named(key_) != nullptr || (object_ == Object::top && is_known(key_));
    }

    bool wrong_unless_skipped() {
        if (skipping() || (depth_ > 0 && list_ == nullptr && !known_here())) return true;
        return wrong();
    }
    bool integer(int64_t number) {
        if (skipping()) return true;
        if (list_ == nullptr && object_ == Object::top) {
            if (key_ == "pid") {
                if (number < 1 || number > std::numeric_limits<int32_t>::max())
                    return fail("pid is no process number");
                signal_.pid = static_cast<uint32_t>(number);
                return true;
            }
            if (key_ == "pidNamespace") {
                if (number < 1) return fail("pidNamespace is no inode number");
                signal_.pid_namespace = static_cast<uint64_t>(number);
                return true;
            }
            if (key_ == "code") {
                if (number < std::numeric_limits<int>::min() || number > std::numeric_limits<int>::max())
                    return fail("code is no exit code");
                signal_.code = static_cast<int>(number);
                return true;
            }
        }
        return wrong_unless_skipped();
    }

    bool text_of(std::string& to, std::string& text, size_t limit) {
        if (text.size() > limit) return fail(key_ + " is longer than " + std::to_string(limit) + " bytes");
        if (text.find('\0') != std::string::npos) return fail(key_ + " holds a NUL");
        to = std::move(text);
        return true;
    }
    bool word(std::string& to, std::string& text) { return text_of(to, text, word_bytes_max); }
    bool path(std::string& to, std::string& text) { return text_of(to, text, path_bytes_max); }
    bool task_id(std::string& to, std::string& text) {
        if (text.empty()) return fail(key_ + " is empty");
        return text_of(to, text, task_id_bytes_max);
    }

    bool pattern(std::string text) {
        if (++patterns_ > task_patterns_max)
            return fail("it declares more than " + std::to_string(task_patterns_max) + " patterns");
        if (text.size() > task_pattern_bytes_max)
            return fail("a pattern is longer than " + std::to_string(task_pattern_bytes_max) + " bytes");
        if (text.find('\0') != std::string::npos) return fail("a pattern holds a NUL");
        (*list_)->push_back(std::move(text));
        return true;
    }
    bool project(std::string root) {
        if (signal_.projects.size() >= task_projects_max)
            return fail("it names more than " + std::to_string(task_projects_max) + " projects");
        if (key_.size() > word_bytes_max || root.size() > path_bytes_max)
            return fail("projects has a name or a root that is too long");
        signal_.projects[key_] = std::move(root);
        return true;
    }

    TaskSignal signal_;
    std::string schema_, event_, error_, key_;
    size_t depth_ = 0;
    size_t skip_above_ = 0;  // within a value that is ignored, since this depth; 0: not
    size_t patterns_ = 0;
    Object object_ = Object::top;
    List* list_ = nullptr;
};

}  // namespace

std::string_view name_of(TaskMode mode) { return mode_names[static_cast<size_t>(mode)]; }

std::optional<TaskMode> task_mode_named(std::string_view name) {
    auto found = std::find(mode_names.begin(), mode_names.end(), name);
    if (found == mode_names.end()) return std::nullopt;
    return static_cast<TaskMode>(found - mode_names.begin());
}

Result<TaskSignal> parse_task_signal(std::string_view json) {
    if (json.size() > task_signal_bytes_max)
        return Error{EFBIG, "it is larger than " + std::to_string(task_signal_bytes_max >> 20) + " MiB"};
    Reader reader;
    try {
        nlohmann::json::sax_parse(json, &reader);
    } catch (const nlohmann::json::exception&) {
        return Error{0, "it is no JSON"};
    }
    return std::move(reader).take();
}

std::string task_file_name(std::string_view task_id) {
    constexpr size_t longest = 200;
    std::string name;
    for (size_t i = 0; i < task_id.size(); ++i) {
        auto byte = static_cast<unsigned char>(task_id[i]);
        if (byte == '/' || byte == '%' || byte < 0x20 || byte == 0x7f || (byte == '.' && i == 0)) {
            char code[4];
            std::snprintf(code, sizeof code, "%%%02X", byte);
            name += code;
        } else {
            name += task_id[i];
        }
    }
    if (name.size() <= longest) return name;
    uint64_t hash = 0xcbf29ce484222325;
    for (char byte : task_id) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
    char digits[17];
    std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(hash));
    size_t end = longest - 17;
    while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xc0) == 0x80) --end;
    name.resize(end);
    return name + "~" + digits;
}

}  // namespace spoor
