#include "signal/declaration/declaration.h"

namespace spoor {
namespace {

constexpr const char* all_of_project = "{projectRoot}/**/*";

std::vector<std::string> not_used(const PatternSet& set) {
    std::vector<std::string> paths;
    for (size_t i = 0; i < set.size(); ++i) {
        if (set.marked(i) || set.is_exception(i)) continue;
        if (auto path = set.literal_path(i)) paths.push_back(std::move(*path));
    }
    return paths;
}

}  // namespace

Declaration::Declaration(PatternContext context)
    : context_(context),
      inputs_(context),
      dependencies_outputs_(context),
      outputs_(context),
      project_(std::move(context)) {}

std::vector<PatternFault> Declaration::add_inputs(std::span<const std::string> patterns) {
    const size_t before = inputs_.size();
    auto faults = inputs_.add(patterns);
    for (size_t i = before; i < inputs_.size() && only_exceptions_; ++i)
        only_exceptions_ = inputs_.is_exception(i);
    // For as long as nothing else is declared.
    if (only_exceptions_ && inputs_.size() > before) {
        const std::vector<std::string> whole{all_of_project};
        project_ = PatternSet(context_);
        project_.add(whole);
        std::vector<std::string> exceptions;
        for (size_t i = 0; i < inputs_.size(); ++i) exceptions.push_back(inputs_.text(i));
        project_.add(exceptions);
    }
    return faults;
}

std::vector<PatternFault> Declaration::add_outputs(std::span<const std::string> patterns) {
    return outputs_.add(patterns);
}

std::vector<PatternFault> Declaration::add_dependencies_outputs(std::span<const std::string> patterns) {
    return dependencies_outputs_.add(patterns);
}

bool Declaration::declares_input(std::string_view path) {
    // Both are asked, for the marks.
    const bool declared = inputs_.mark(path).matched;
    const bool of_dependency = dependencies_outputs_.mark(path).matched;
    if (declared || of_dependency) return true;
    return whole_project_counts() && project_.match(path).matched;
}

bool Declaration::declares_output(std::string_view path) { return outputs_.mark(path).matched; }

std::vector<std::string> Declaration::inputs_not_read() const { return not_used(inputs_); }
std::vector<std::string> Declaration::outputs_not_written() const { return not_used(outputs_); }

std::optional<std::string_view> Declaration::in_workspace(std::string_view path) const {
    return path_beneath(context_.workspace_root, path);
}

std::optional<std::string_view> path_beneath(std::string_view root, std::string_view path) {
    while (root.size() > 1 && root.ends_with('/')) root.remove_suffix(1);
    if (!path.starts_with('/')) return std::nullopt;
    if (root == "/") return path == "/" ? "." : path.substr(1);
    if (!path.starts_with(root)) return std::nullopt;
    if (path.size() == root.size()) return ".";
    if (path[root.size()] != '/') return std::nullopt;
    return path.substr(root.size() + 1);
}

}  // namespace spoor
