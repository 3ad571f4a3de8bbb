// What stays out of a task's report although the task never declared it: lists in the workspace
// (.nx/workflows/sandboxing-config.yaml and ultracache-config.yaml), lists of the operator
// (spoor.yaml), and a default list. docs/declarations.md tells all of them to people.
//
// The files lie in the tenant's workspace: anybody may have written them. They are read with bounds on
// size, depth and number, anchors and aliases are refused, and every fault is a warning that names file and
// line; what was right is used.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "signal/declaration/pattern_set.h"

namespace spoor {

// Patterns as in pattern_set.h, for the tasks of `project` and `target`; an empty one means any.
struct ExclusionRule {
    std::string project;
    std::string target;
    std::vector<std::string> reads;
    std::vector<std::string> writes;
};

struct ExclusionFile {
    std::vector<ExclusionRule> rules;
    std::vector<std::string> warnings;  // "FILE:LINE:COLUMN: …", one line each
};

// `name` stands for the file in warnings. Either spelling (`exclude-…`, `ignore-…`) in either file.
ExclusionFile parse_exclusions(std::string_view yaml, const std::string& name);

// Reads both files of a workspace, beneath the directory `workspace` (a descriptor; stays the caller's),
// following no link. A file that is not there is no fault.
ExclusionFile load_workspace_exclusions(int workspace);

// One entry of the default list; `reason` is for people.
struct DefaultExclusion {
    enum class Where { outside, workspace };  // outside: asked about paths outside the workspace only
    Where where;
    bool reads;
    bool writes;
    const char* pattern;
    const char* reason;
};
[[nodiscard]] std::span<const DefaultExclusion> default_exclusions();

// The exclusions that hold for one task. All lists count together, and an exception (`!…`) in any of them
// takes paths out of all, so that `!/tmp/**` brings back what the default list hides. Not thread-safe.
class Exclusions {
public:
    // Holds nothing yet. `target` is the target's name, `project` the project's.
    Exclusions(PatternContext context, std::string project, std::string target);

    // Takes the rules that hold for this task; the result is what was wrong with their patterns.
    std::vector<std::string> add(std::span<const ExclusionRule> rules);
    void add_defaults();

    [[nodiscard]] bool excludes_read(std::string_view path);
    [[nodiscard]] bool excludes_write(std::string_view path);

    struct Sets {
        PatternSet everywhere;
        PatternSet outside;  // asked about paths outside the workspace only
    };
    // For who compiles them.
    [[nodiscard]] const Sets& reads() const { return reads_; }
    [[nodiscard]] const Sets& writes() const { return writes_; }

private:
    [[nodiscard]] bool excludes(Sets& sets, std::string_view path) const;
    static void add(Sets& sets, const std::vector<std::string>& patterns, std::vector<std::string>& faults);

    PatternContext context_;
    std::string project_;
    std::string target_;
    Sets reads_;
    Sets writes_;
};

}  // namespace spoor
