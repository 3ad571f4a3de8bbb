// What one task declared: the files that it may read and write. Paths are absolute, as the container
// sees them; outside of the workspace nothing is declared unless an absolute pattern says so.
//
// Declarations may grow while the task runs. Not thread-safe.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "signal/declaration/pattern_set.h"

namespace spoor {

class Declaration {
public:
    explicit Declaration(PatternContext context);

    // Each takes what is right; the result says what was left out. Inputs that are exceptions alone mean
    // "everything in the project but these", as in Nx.
    std::vector<PatternFault> add_inputs(std::span<const std::string> patterns);
    std::vector<PatternFault> add_outputs(std::span<const std::string> patterns);
    // Outputs of the tasks that this one depends on: it may read them.
    std::vector<PatternFault> add_dependencies_outputs(std::span<const std::string> patterns);

    // Was anything declared? A task that declared nothing has no violations, only accesses.
    [[nodiscard]] bool has_inputs() const { return !inputs_.empty() || !dependencies_outputs_.empty(); }
    [[nodiscard]] bool has_outputs() const { return !outputs_.empty(); }

    // Also remembers which declarations were used.
    bool declares_input(std::string_view path);
    bool declares_output(std::string_view path);

    // Declared by name, without wildcards, and never asked about, nor anything beneath them: absolute
    // paths, in the order of declaration.
    [[nodiscard]] std::vector<std::string> inputs_not_read() const;
    [[nodiscard]] std::vector<std::string> outputs_not_written() const;

    // The lists, for who compiles them: inputs, outputs of dependencies, what stands in for inputs while
    // those are exceptions alone, outputs.
    [[nodiscard]] const PatternSet& inputs() const { return inputs_; }
    [[nodiscard]] const PatternSet& dependencies_outputs() const { return dependencies_outputs_; }
    [[nodiscard]] const PatternSet& whole_project() const { return project_; }
    [[nodiscard]] bool whole_project_counts() const { return only_exceptions_ && !inputs_.empty(); }
    [[nodiscard]] const PatternSet& outputs() const { return outputs_; }

    [[nodiscard]] const PatternContext& context() const { return context_; }
    // The path relative to the workspace ("." for the root itself), or nothing if it lies outside.
    [[nodiscard]] std::optional<std::string_view> in_workspace(std::string_view path) const;

private:
    PatternContext context_;
    PatternSet inputs_;
    PatternSet dependencies_outputs_;
    PatternSet outputs_;
    bool only_exceptions_ = true;  // in inputs_
    PatternSet project_;           // asked in place of inputs_ then
};

// As Declaration::in_workspace; `root` is absolute.
[[nodiscard]] std::optional<std::string_view> path_beneath(std::string_view root, std::string_view path);

}  // namespace spoor
