// The wrapped runtime: how it is handed the augmented spec, and becoming it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "oci/bundle.h"
#include "oci/command_line.h"

namespace spoor {

// Where the augmented spec lies, and the option that names it.
struct Handover {
    // crun takes another file in the bundle's config.json's place: `--config FILE`. Other runtimes,
    // and crun's restore, look into the bundle only: `--bundle DIR` names a copy of it.
    enum class Option { config, bundle } option = Option::config;
    std::string path;
};

// What `runtime` understands, judged by its name.
[[nodiscard]] Handover::Option handover_option(const std::string& runtime, CommandLine::Verb verb);
[[nodiscard]] Dialect dialect_of(const std::string& runtime);
// crun, runc and their other names: what they can do is known. Others are asked (runtime_features.h).
[[nodiscard]] bool is_known(const std::string& runtime);
// Fails for what calls no createRuntime hook, so that there is no moment to begin in (crun's restore), and
// for what runs its containers on a kernel of their own, where nothing of theirs is seen (gVisor, Kata).
[[nodiscard]] Status can_be_traced(const std::string& runtime, CommandLine::Verb verb);

// A directory that stands for the bundle: `spec` as config.json, links to all else.
Status make_bundle_copy(const Bundle& bundle, const std::string& path, std::string_view spec);

// The caller's command line with the handover's as the last option of its verb: the last one
// counts, also if the caller gave one.
std::vector<std::string> with_handover(std::span<const char* const> argv, const CommandLine& line,
                                       const Handover& handover);

// execve by absolute path, the environment untouched. argv[0] is replaced by that path: the runtime
// prints it in its usage errors. Returns only to say why it failed.
Error become_runtime(const std::string& runtime, std::span<const char* const> argv);

}  // namespace spoor
