#include "shim/runtime/wrapped_runtime.h"

#include <unistd.h>

namespace spoor {

std::vector<std::string> with_config(std::span<const char* const> argv, const CommandLine& line,
                                     const std::string& config) {
    std::vector<std::string> out(argv.begin(), argv.begin() + static_cast<std::ptrdiff_t>(line.options_end));
    out.push_back("--config");
    out.push_back(config);
    out.insert(out.end(), argv.begin() + static_cast<std::ptrdiff_t>(line.options_end), argv.end());
    return out;
}

Error become_runtime(const std::string& runtime, std::span<const char* const> argv) {
    std::vector<char*> arguments{const_cast<char*>(runtime.c_str())};
    // An empty argv is legal; the runtime judges it.
    for (size_t i = 1; i < argv.size(); ++i) arguments.push_back(const_cast<char*>(argv[i]));
    arguments.push_back(nullptr);
    ::execve(runtime.c_str(), arguments.data(), environ);
    return errno_error("cannot execute the wrapped runtime " + runtime + " (key 'runtime' of spoor.yaml)");
}

}  // namespace spoor
