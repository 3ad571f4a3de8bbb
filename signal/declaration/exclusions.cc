#include "signal/declaration/exclusions.h"

#include <array>

#include "signal/declaration/declaration.h"

namespace spoor {
namespace {

using enum DefaultExclusion::Where;

// docs/declarations.md has this list too; a test compares them.
constexpr std::array defaults{
    DefaultExclusion{outside, true, true, "/{proc,sys,dev}/**", "the kernel's own: no files of the task"},
    DefaultExclusion{outside, true, true, "/{run,var/run}/**", "sockets and pid files"},
    DefaultExclusion{outside, true, true, "/{tmp,var/tmp}/**",
                     "temporary files, empty when a container starts"},
    DefaultExclusion{outside, true, false,
                     "/{usr,bin,sbin,lib,lib32,lib64,libx32,opt,nix/store,gnu/store}/**",
                     "programs and libraries of the image"},
    DefaultExclusion{outside, true, false, "/etc/**", "settings of the image"},
    DefaultExclusion{outside, true, false, "/var/lib/**", "databases of the image's packages"},
    DefaultExclusion{outside, true, true, "/var/cache/**", "caches of the image's programs"},
    DefaultExclusion{outside, false, true, "/var/log/**", "logs"},
    DefaultExclusion{outside, true, true,
                     "/{root,home/*}/{.cache,.npm,.pnpm-store,.yarn,.bun,.local/share/pnpm}/**",
                     "package managers' caches"},
    DefaultExclusion{outside, true, true,
                     "/{root,home/*}/{.cargo,.rustup,.gradle,.m2,.nuget,.deno,go/pkg}/**",
                     "toolchains' caches"},
    DefaultExclusion{outside, true, false, "/{root,home/*}/{.nvm,.volta,.asdf,.fnm,.local/share/mise}/**",
                     "installed toolchains"},
    DefaultExclusion{outside, true, false, "/{root,home/*}/{.npmrc,.yarnrc,.yarnrc.yml,.gitconfig,.config}",
                     "settings of the user"},
    DefaultExclusion{workspace, true, false, "**/node_modules/**",
                     "packages, which the lock file stands for"},
    DefaultExclusion{workspace, true, true, "**/node_modules/{.cache,.vite,.vite-temp,.vitest}/**",
                     "tools' caches"},
    DefaultExclusion{workspace, true, false, ".yarn/{cache,unplugged,releases,plugins,sdks}/**",
                     "packages, which the lock file stands for"},
    DefaultExclusion{workspace, true, false, ".pnp.{cjs,loader.mjs,data.json}", "where Yarn finds packages"},
    DefaultExclusion{workspace, true, true, ".nx/{cache,workspace-data,installation}/**", "Nx's own files"},
    DefaultExclusion{workspace, false, true, ".git/**", "what git refreshes; reading it is reported"},
    DefaultExclusion{workspace, true, true, "**/*.config.*.timestamp-*",
                     "a configuration that Vite has compiled"},
    DefaultExclusion{workspace, true, true, "**/__pycache__/**",
                     "compiled Python, made from files that are reported"},
};

}  // namespace

std::span<const DefaultExclusion> default_exclusions() { return defaults; }

Exclusions::Exclusions(PatternContext context, std::string project, std::string target)
    : context_(context),
      project_(std::move(project)),
      target_(std::move(target)),
      reads_{PatternSet(context), PatternSet(context)},
      writes_{PatternSet(context), PatternSet(context)} {}

void Exclusions::add(Sets& sets, const std::vector<std::string>& patterns, std::vector<std::string>& faults) {
    const size_t before = sets.everywhere.size();
    for (PatternFault& fault : sets.everywhere.add(patterns)) faults.push_back(std::move(fault.message));
    std::vector<std::string> exceptions;
    for (size_t i = before; i < sets.everywhere.size(); ++i)
        if (sets.everywhere.is_exception(i)) exceptions.push_back(sets.everywhere.text(i));
    sets.outside.add(exceptions);
}

std::vector<std::string> Exclusions::add(std::span<const ExclusionRule> rules) {
    std::vector<std::string> faults;
    for (const ExclusionRule& rule : rules) {
        if (!rule.project.empty() && rule.project != project_) continue;
        if (!rule.target.empty() && rule.target != target_) continue;
        add(reads_, rule.reads, faults);
        add(writes_, rule.writes, faults);
    }
    return faults;
}

void Exclusions::add_defaults() {
    for (const DefaultExclusion& one : defaults) {
        const std::vector<std::string> pattern{one.pattern};
        for (auto [wanted, sets] : {std::pair(one.reads, &reads_), std::pair(one.writes, &writes_)})
            if (wanted) (one.where == outside ? sets->outside : sets->everywhere).add(pattern);
    }
}

bool Exclusions::excludes(Sets& sets, std::string_view path) const {
    if (sets.everywhere.match(path).matched) return true;
    // A workspace at the very root holds the system as well.
    const bool beside = context_.workspace_root == "/" || !path_beneath(context_.workspace_root, path);
    return beside && sets.outside.match(path).matched;
}

bool Exclusions::excludes_read(std::string_view path) { return excludes(reads_, path); }
bool Exclusions::excludes_write(std::string_view path) { return excludes(writes_, path); }

}  // namespace spoor
