#include "shim/runtime/wrapped_runtime.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <string_view>

#include "base/files.h"

namespace spoor {
namespace {

std::string_view name_of(const std::string& runtime) {
    return std::string_view(runtime).substr(runtime.rfind('/') + 1);
}

// crun, and by its other names krun, crun-vm, crun-wasm.
bool is_crun(const std::string& runtime) {
    const std::string_view name = name_of(runtime);
    return name == "crun" || name == "krun" || name.starts_with("crun-");
}

}  // namespace

Handover::Option handover_option(const std::string& runtime, CommandLine::Verb verb) {
    return is_crun(runtime) && verb != CommandLine::Verb::restore ? Handover::Option::config
                                                                  : Handover::Option::bundle;
}

Dialect dialect_of(const std::string& runtime) {
    const std::string_view name = name_of(runtime);
    return name == "runc" || name.starts_with("runc-") ? Dialect::runc : Dialect::crun;
}

bool is_known(const std::string& runtime) { return is_crun(runtime) || dialect_of(runtime) == Dialect::runc; }

Status can_be_traced(const std::string& runtime, CommandLine::Verb verb) {
    const std::string_view name = name_of(runtime);
    if (name == "runsc" || name == "krun" || name.starts_with("kata"))
        return Error{ENOTSUP,
                     runtime + " runs its containers on a kernel of their own; they cannot be traced"};
    if (verb == CommandLine::Verb::restore && is_crun(runtime))
        return Error{ENOTSUP, runtime + " runs no hooks when it restores a container"};
    return {};
}

Status make_bundle_copy(const Bundle& bundle, const std::string& path, std::string_view spec) {
    if (::mkdir(path.c_str(), 0700) != 0) return errno_error(path);
    const auto dir = open_file(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!dir) return dir.error();
    const auto config = open_at(dir->get(), "config.json", O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (!config) return config.error();
    SPOOR_TRY(write_all(config->get(), spec));

    const std::unique_ptr<DIR, int (*)(DIR*)> entries(::opendir(bundle.dir.c_str()), ::closedir);
    if (!entries) return errno_error(bundle.dir);
    while (const dirent* entry = ::readdir(entries.get())) {
        const std::string_view name = entry->d_name;
        if (name == "." || name == ".." || name == "config.json") continue;
        const std::string target = bundle.dir + "/" + entry->d_name;
        if (::symlinkat(target.c_str(), dir->get(), entry->d_name) != 0)
            return errno_error(path + "/" + entry->d_name);
    }
    return {};
}

std::vector<std::string> with_handover(std::span<const char* const> argv, const CommandLine& line,
                                       const Handover& handover) {
    const auto end = argv.begin() + static_cast<std::ptrdiff_t>(line.options_end);
    std::vector<std::string> out(argv.begin(), end);
    const char* bundle = line.bundle_by_letter ? "-b" : "--bundle";
    out.push_back(handover.option == Handover::Option::config ? "--config" : bundle);
    out.push_back(handover.path);
    out.insert(out.end(), end, argv.end());
    return out;
}

Error become_runtime(const std::string& runtime, std::span<const char* const> argv) {
    std::vector<char*> arguments{const_cast<char*>(runtime.c_str())};
    for (size_t i = 1; i < argv.size(); ++i) arguments.push_back(const_cast<char*>(argv[i]));
    arguments.push_back(nullptr);
    ::execve(runtime.c_str(), arguments.data(), environ);
    return errno_error("cannot execute the wrapped runtime " + runtime + " (key 'runtime' of spoor.yaml)");
}

}  // namespace spoor
