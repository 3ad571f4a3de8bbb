// What a task may read and write: its declaration, and what is left out of all reports. The book of
// tasks asks through this; declared_judge.h answers with the patterns of signal/declaration/.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "signal/task_signal.h"

namespace spoor {

// What patterns stand on.
struct TaskContext {
    std::string task_id;
    std::string workspace_root;  // absolute
    std::string project_root;    // relative to it
    std::string project;
    std::map<std::string, std::string> projects;  // name: root, of the workspace
};

enum class Verdict {
    declared,
    excluded,  // not declared, and of no interest
    undeclared,
};

struct TaskSuggestion {
    std::string pattern;  // to be added to the declaration
    std::string project;  // who owns the files; empty: no project does
    std::string project_root;
    size_t files = 0;  // undeclared ones that it covers
};

struct TaskSuggestions {
    std::vector<TaskSuggestion> inputs, outputs;
    std::string project_json;  // to paste; empty if there is nothing to add
};

class TaskJudge {
public:
    // Absolute paths. A pattern for one list must not take in what stands in the other.
    struct Undeclared {
        std::span<const std::string> reads, writes;    // to find patterns for
        std::span<const std::string> inputs, written;  // all that the task read and wrote, if there are such
    };

    virtual ~TaskJudge() = default;

    // Adds to what is declared. The result is what was wrong with it, one line each.
    virtual std::vector<std::string> declare(const TaskDeclared& more) = 0;
    // Of an absolute path. Also remembers what was used of the declaration.
    virtual Verdict read(std::string_view path) = 0;
    virtual Verdict write(std::string_view path) = 0;

    // Declared by name and never asked about, absolute.
    [[nodiscard]] virtual std::vector<std::string> inputs_not_read() const = 0;
    [[nodiscard]] virtual std::vector<std::string> outputs_not_written() const = 0;

    // What is undeclared as a table that the kernel can walk (base/path_table.h). Writing is refused where
    // write() finds it undeclared, if `writes`; reading, if `reads` and `writes`, where neither is declared
    // or excluded: what a task may write it may have written itself. E2BIG: too much is declared for a table.
    [[nodiscard]] virtual Result<std::vector<uint8_t>> refusals(bool reads, bool writes) const = 0;

    // One file's, cheap; relative to the project if it lies there.
    [[nodiscard]] virtual std::string pattern_for(std::string_view path) const = 0;
    [[nodiscard]] virtual TaskSuggestions suggest(const Undeclared& of) const = 0;
};

struct MadeJudge {
    std::unique_ptr<TaskJudge> judge;
    std::vector<std::string> warnings;  // of exclusion files and the like
};
using JudgeMaker = std::function<MadeJudge(const TaskContext&)>;

}  // namespace spoor
