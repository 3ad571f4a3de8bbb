// The files of exclusions: reading and interpreting them.
#include <fcntl.h>
#include <sys/stat.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <array>
#include <sstream>
#include <stdexcept>

#include "base/files.h"
#include "base/nearest.h"
#include "signal/declaration/exclusions.h"

namespace spoor {
namespace {

constexpr size_t largest_file = 256 * 1024;  // bytes
constexpr size_t deepest_file = 8;
constexpr size_t most_nodes = 50'000;
constexpr size_t most_warnings = 100;

// What a file may hold, as a tree without aliases: built from events, so that the bounds hold while it is
// read.
struct Node {
    enum class Kind { nothing, text, list, map };
    Kind kind = Kind::nothing;
    YAML::Mark mark;
    std::string text;
    std::vector<Node> children;  // of a map: key, value, key, value
};

class Refused : public std::runtime_error {
public:
    Refused(const YAML::Mark& where, const char* why) : std::runtime_error(why), mark(where) {}
    YAML::Mark mark;
};

class Reader : public YAML::EventHandler {
public:
    Node root;

    void OnDocumentStart(const YAML::Mark&) override {}
    void OnDocumentEnd() override {}
    void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
        take({Node::Kind::nothing, mark, {}, {}});
    }
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
        throw Refused(mark, "aliases are not supported here");
    }
    void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                  const std::string& text) override {
        take({Node::Kind::text, mark, text, {}});
    }
    void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                         YAML::EmitterStyle::value) override {
        open({Node::Kind::list, mark, {}, {}});
    }
    void OnSequenceEnd() override { close(); }
    void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                    YAML::EmitterStyle::value) override {
        open({Node::Kind::map, mark, {}, {}});
    }
    void OnMapEnd() override { close(); }

private:
    void take(Node node) {
        if (++count_ > most_nodes) throw Refused(node.mark, "the file has too many entries");
        if (open_.empty())
            root = std::move(node);
        else
            open_.back().children.push_back(std::move(node));
    }
    void open(Node node) {
        if (open_.size() >= deepest_file) throw Refused(node.mark, "the file is nested too deeply");
        open_.push_back(std::move(node));
    }
    void close() {
        Node node = std::move(open_.back());
        open_.pop_back();
        take(std::move(node));
    }

    std::vector<Node> open_;
    size_t count_ = 0;
};

class Interpreter {
public:
    Interpreter(std::string name, ExclusionFile& out) : name_(std::move(name)), out_(out) {}

    void fault(const YAML::Mark& mark, std::string message) {
        if (out_.warnings.size() > most_warnings) return;
        std::string where = name_;
        if (!mark.is_null())
            where += ":" + std::to_string(mark.line + 1) + ":" + std::to_string(mark.column + 1);
        if (out_.warnings.size() == most_warnings) message = "there are more faults, which are not listed";
        std::replace_if(
            message.begin(), message.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, '?');
        out_.warnings.push_back(where + ": " + message);
    }

    void file(const Node& root) {
        if (root.kind == Node::Kind::nothing) return;
        if (root.kind != Node::Kind::map) return fault(root.mark, "expected a map of keys and lists");
        ExclusionRule general;
        entries(root, [&](const std::string& key, const Node& value) {
            if (lists(key, value, general)) return true;
            if (key != "task-exclusions") return false;
            if (value.kind == Node::Kind::nothing) return true;
            if (value.kind != Node::Kind::list) {
                fault(value.mark, "'task-exclusions' wants a list of maps");
                return true;
            }
            for (const Node& task : value.children) rule(task);
            return true;
        });
        if (!general.reads.empty() || !general.writes.empty()) out_.rules.push_back(std::move(general));
    }

private:
    static constexpr std::array<std::string_view, 7> keys{"exclude-reads", "exclude-writes",  "ignore-reads",
                                                          "ignore-writes", "task-exclusions", "project",
                                                          "target"};

    // Each key is taken at most once; `take` says whether it knows it.
    template <class Take>
    void entries(const Node& map, Take take) {
        std::vector<std::string_view> seen;
        for (size_t i = 0; i + 1 < map.children.size(); i += 2) {
            const Node& key = map.children[i];
            if (key.kind != Node::Kind::text) {
                fault(key.mark, "a key must be a word");
                continue;
            }
            // Few are known: once too many are there, they are unknown.
            const bool again = std::find(seen.begin(), seen.end(), key.text) != seen.end();
            if (seen.size() < 2 * keys.size()) seen.push_back(key.text);
            const std::string shown = "'" + key.text.substr(0, 100) + "'";
            if (again)
                fault(key.mark, shown + " stands here for the second time");
            else if (!take(key.text, map.children[i + 1]))
                fault(key.mark, "unknown key " + shown + "; did you mean '" +
                                    std::string(nearest(key.text, keys)) + "'?");
        }
    }

    bool lists(const std::string& key, const Node& value, ExclusionRule& rule) {
        if (key == "exclude-reads" || key == "ignore-reads") {
            patterns(key, value, rule.reads);
        } else if (key == "exclude-writes" || key == "ignore-writes") {
            patterns(key, value, rule.writes);
        } else {
            return false;
        }
        return true;
    }

    void patterns(const std::string& key, const Node& list, std::vector<std::string>& out) {
        if (list.kind == Node::Kind::nothing) return;  // a heading over commented-out entries
        if (list.kind != Node::Kind::list) return fault(list.mark, "'" + key + "' wants a list of patterns");
        for (const Node& item : list.children) {
            if (item.kind == Node::Kind::text && !item.text.empty())
                out.push_back(item.text);
            else
                fault(item.mark, "'" + key + "' wants patterns, one word each");
        }
    }

    void rule(const Node& task) {
        if (task.kind != Node::Kind::map)
            return fault(task.mark,
                         "an entry of 'task-exclusions' is a map with 'project', 'target' and lists");
        ExclusionRule rule;
        bool usable = true;
        entries(task, [&](const std::string& key, const Node& value) {
            if (lists(key, value, rule)) return true;
            if (key != "project" && key != "target") return false;
            if (value.kind == Node::Kind::text && !value.text.empty()) {
                (key == "project" ? rule.project : rule.target) = value.text;
            } else {
                // Without it the rule would hold for more tasks than it was written for.
                fault(value.mark, "'" + key + "' wants a name; the entry is not used");
                usable = false;
            }
            return true;
        });
        if (usable && rule.project.empty() && rule.target.empty()) {
            fault(task.mark,
                  "an entry of 'task-exclusions' names a 'project', a 'target' or both; it is not used");
            usable = false;
        }
        if (usable) out_.rules.push_back(std::move(rule));
    }

    std::string name_;
    ExclusionFile& out_;
};

}  // namespace

ExclusionFile parse_exclusions(std::string_view yaml, const std::string& name) {
    ExclusionFile out;
    Interpreter interpreter(name, out);
    if (yaml.size() > largest_file) {
        interpreter.fault(YAML::Mark::null_mark(),
                          "larger than " + std::to_string(largest_file) + " bytes; not used");
        return out;
    }
    try {
        std::istringstream stream{std::string(yaml)};
        YAML::Parser parser(stream);
        Reader reader;
        if (parser.HandleNextDocument(reader)) interpreter.file(reader.root);
    } catch (const Refused& problem) {
        interpreter.fault(problem.mark, problem.what());
    } catch (const YAML::Exception& problem) {
        interpreter.fault(problem.mark, "no valid YAML: " + problem.msg);
    } catch (const std::exception& problem) {
        interpreter.fault(YAML::Mark::null_mark(), std::string("no valid YAML: ") + problem.what());
    }
    return out;
}

ExclusionFile load_workspace_exclusions(int workspace) {
    ExclusionFile out;
    const auto absent = [](const Error& error) { return error.code == ENOENT; };
    const auto fault = [&out](const std::string& name, const Error& error) {
        out.warnings.push_back(name + ": " + error.message);
    };
    const auto nx = open_at(workspace, ".nx", O_RDONLY | O_DIRECTORY);
    if (!nx) {
        if (!absent(nx.error())) fault(".nx", nx.error());
        return out;
    }
    const auto workflows = open_at(nx->get(), "workflows", O_RDONLY | O_DIRECTORY);
    if (!workflows) {
        if (!absent(workflows.error())) fault(".nx/workflows", workflows.error());
        return out;
    }
    for (const char* file : {"sandboxing-config.yaml", "ultracache-config.yaml"}) {
        const std::string name = std::string(".nx/workflows/") + file;
        // Not to be held by a fifo.
        const auto opened = open_at(workflows->get(), file, O_RDONLY | O_NONBLOCK);
        if (!opened) {
            if (!absent(opened.error())) fault(name, opened.error());
            continue;
        }
        struct stat status {};
        if (::fstat(opened->get(), &status) != 0 || !S_ISREG(status.st_mode)) {
            out.warnings.push_back(name + ": not a regular file");
            continue;
        }
        const auto text = read_fd(opened->get(), largest_file);
        if (!text) {
            fault(name, text.error());
            continue;
        }
        ExclusionFile one = parse_exclusions(*text, name);
        out.rules.insert(out.rules.end(), one.rules.begin(), one.rules.end());
        out.warnings.insert(out.warnings.end(), one.warnings.begin(), one.warnings.end());
    }
    return out;
}

}  // namespace spoor
