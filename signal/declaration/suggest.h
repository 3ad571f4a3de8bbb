// The declaration to add for accesses that were not declared: which globs, in whose project, and the
// text to paste. docs/declarations.md defines "safe".
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "signal/declaration/pattern_set.h"

namespace spoor {

// Always valid UTF-8 (a byte that is not becomes part of a `*`), special characters escaped.
struct Suggestion {
    std::string pattern;        // "{projectRoot}/src/**/*.ts"; absolute for what lies outside the workspace
    std::string project;        // who owns the files; empty: no project
    std::string project_root;   // of that project, relative to the workspace
    std::vector<size_t> paths;  // indexes into the undeclared paths that it covers, ascending
};

struct SuggestionRequest {
    PatternContext context;                       // of the task
    std::map<std::string, std::string> projects;  // name to root relative to the workspace
    std::span<const std::string> undeclared;      // absolute paths; what to find patterns for
    std::span<const std::string> not_accessed;    // absolute paths that no pattern may swallow
    bool outputs = false;
};

// Every undeclared path is covered by exactly one suggestion; ordered by pattern. At most
// `undeclared.size()` of them.
[[nodiscard]] std::vector<Suggestion> suggest(const SuggestionRequest& request);

// The project that owns `path`: the one with the longest root that holds it; empty if there is none.
[[nodiscard]] std::string owner_of(const std::map<std::string, std::string>& projects,
                                   std::string_view workspace_root, std::string_view path);

// `{"targets":{"build":{"inputs":["..."],"outputs":["..."]}}}`, indented by two, for project.json;
// "..." keeps what was declared before (Nx 23 and later). A list that is empty is left out, and so is what
// lies outside the workspace, which Nx cannot declare.
[[nodiscard]] std::string project_json_snippet(std::string_view target, std::span<const Suggestion> inputs,
                                               std::span<const Suggestion> outputs);

}  // namespace spoor
