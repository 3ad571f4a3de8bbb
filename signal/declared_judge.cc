#include "signal/declared_judge.h"

#include <utility>

#include "base/path_table.h"
#include "signal/declaration/declaration.h"
#include "signal/declaration/path_table.h"
#include "signal/declaration/suggest.h"

namespace spoor {
namespace {

PatternContext patterns_of(const TaskContext& context) {
    PatternContext patterns;
    patterns.workspace_root = context.workspace_root;
    patterns.project_root = context.project_root;
    patterns.project_name = context.project;
    return patterns;
}

// "web:build:production" of project "web" has target "build".
std::string target_of(const TaskContext& context) {
    std::string_view rest = context.task_id;
    if (!context.project.empty() && rest.starts_with(context.project + ":"))
        rest.remove_prefix(context.project.size() + 1);
    else if (size_t colon = rest.find(':'); colon != std::string_view::npos)
        rest.remove_prefix(colon + 1);
    return std::string(rest.substr(0, rest.find(':')));
}

// Without a project that was told: "web:build" has it in front.
std::string project_of(const TaskContext& context) {
    if (!context.project.empty()) return context.project;
    const size_t colon = context.task_id.find(':');
    return colon == std::string::npos ? std::string() : context.task_id.substr(0, colon);
}

class DeclaredJudge : public TaskJudge {
public:
    explicit DeclaredJudge(TaskContext context)
        : context_(std::move(context)),
          declaration_(patterns_of(context_)),
          exclusions_(patterns_of(context_), project_of(context_), target_of(context_)) {}

    Exclusions& exclusions() { return exclusions_; }

    std::vector<std::string> declare(const TaskDeclared& more) override {
        std::vector<std::string> warnings;
        auto take = [&](std::vector<PatternFault> faults, const char* list) {
            for (PatternFault& fault : faults)
                warnings.push_back(std::string(list) + ": " + std::move(fault.message));
        };
        if (more.inputs) take(declaration_.add_inputs(*more.inputs), "inputs");
        if (more.outputs) take(declaration_.add_outputs(*more.outputs), "outputs");
        if (more.dependencies_outputs)
            take(declaration_.add_dependencies_outputs(*more.dependencies_outputs), "dependenciesOutputs");
        return warnings;
    }

    Verdict read(std::string_view path) override {
        if (declaration_.declares_input(path)) return Verdict::declared;
        return exclusions_.excludes_read(path) ? Verdict::excluded : Verdict::undeclared;
    }
    Verdict write(std::string_view path) override {
        if (declaration_.declares_output(path)) return Verdict::declared;
        return exclusions_.excludes_write(path) ? Verdict::excluded : Verdict::undeclared;
    }
    [[nodiscard]] std::vector<std::string> inputs_not_read() const override {
        return declaration_.inputs_not_read();
    }
    [[nodiscard]] std::vector<std::string> outputs_not_written() const override {
        return declaration_.outputs_not_written();
    }

    [[nodiscard]] Result<std::vector<uint8_t>> refusals(bool reads, bool writes) const override {
        const PatternContext& context = declaration_.context();
        const bool everywhere = context.workspace_root == "/";  // holds the system as well
        PatternSet workspace(context);
        const std::vector<std::string> root{escape_pattern(context.workspace_root)};
        workspace.add(root);
        const PatternSet* const lists[] = {&declaration_.inputs(),
                                           &declaration_.dependencies_outputs(),
                                           &declaration_.whole_project(),
                                           &declaration_.outputs(),
                                           &exclusions_.reads().everywhere,
                                           &exclusions_.reads().outside,
                                           &exclusions_.writes().everywhere,
                                           &exclusions_.writes().outside,
                                           &workspace};
        const bool project_counts = declaration_.whole_project_counts();
        return compile_path_table(context, lists, [&](ListMatches matches) -> unsigned {
            const auto in = [matches](unsigned list) { return list_matches(matches, list); };
            const bool outside = everywhere || !in(8);
            const bool may_read = in(0) || in(1) || (project_counts && in(2)) || in(4) || (outside && in(5));
            const bool may_write = in(3) || in(6) || (outside && in(7));
            unsigned refused = 0;
            if (reads && writes && !may_read && !may_write) refused |= SPOOR_REFUSE_READ;
            if (writes && !may_write) refused |= SPOOR_REFUSE_WRITE;
            return refused;
        });
    }

    [[nodiscard]] std::string pattern_for(std::string_view path) const override {
        auto below = declaration_.in_workspace(path);
        if (!below) return escape_pattern(path);
        const std::string& project = context_.project_root;
        if (!project.empty() && project != ".")
            if (auto own = path_beneath(context_.workspace_root + "/" + project, path))
                return "{projectRoot}/" + escape_pattern(*own);
        return "{workspaceRoot}/" + escape_pattern(*below);
    }

    [[nodiscard]] TaskSuggestions suggest(const Undeclared& of) const override {
        auto inputs = ask(of.reads, of.written, false), outputs = ask(of.writes, of.inputs, true);
        TaskSuggestions made;
        made.inputs = shown(inputs);
        made.outputs = shown(outputs);
        made.project_json = project_json_snippet(target_of(context_), inputs, outputs);
        return made;
    }

private:
    [[nodiscard]] std::vector<Suggestion> ask(std::span<const std::string> undeclared,
                                              std::span<const std::string> others, bool outputs) const {
        if (undeclared.empty()) return {};
        SuggestionRequest request;
        request.context = patterns_of(context_);
        request.projects = context_.projects;
        request.undeclared = undeclared;
        request.not_accessed = others;
        request.outputs = outputs;
        return spoor::suggest(request);
    }
    static std::vector<TaskSuggestion> shown(const std::vector<Suggestion>& suggestions) {
        std::vector<TaskSuggestion> list;
        for (const Suggestion& suggestion : suggestions)
            list.push_back(
                {suggestion.pattern, suggestion.project, suggestion.project_root, suggestion.paths.size()});
        return list;
    }

    TaskContext context_;
    Declaration declaration_;
    Exclusions exclusions_;
};

}  // namespace

JudgeMaker declared_judge(DeclaredJudgeOptions options) {
    return [options = std::move(options)](const TaskContext& context) {
        MadeJudge made;
        auto judge = std::make_unique<DeclaredJudge>(context);
        auto warn = [&](std::vector<std::string> more) {
            made.warnings.insert(made.warnings.end(), more.begin(), more.end());
        };
        if (options.default_exclusions) judge->exclusions().add_defaults();
        warn(judge->exclusions().add(options.operators));
        if (options.open_workspace) {
            if (auto workspace = options.open_workspace(context.workspace_root)) {
                ExclusionFile file = load_workspace_exclusions(workspace->get());
                warn(std::move(file.warnings));
                warn(judge->exclusions().add(file.rules));
            } else {
                warn({"the workspace's exclusion files were not read: " + workspace.error().message});
            }
        }
        made.judge = std::move(judge);
        return made;
    };
}

}  // namespace spoor
