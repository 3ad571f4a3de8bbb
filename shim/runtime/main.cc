// spoor-runtime: what shim/front, which container managers call as spoor, does not do itself. Ends in execve
// of the wrapped runtime for every verb; nothing of spoor stays in the process tree of the container.
#include <fcntl.h>
#include <unistd.h>

#include <string_view>
#include <vector>

#include "config/config.h"
#include "oci/command_line.h"
#include "shim/runtime/environment.h"
#include "shim/runtime/error_output.h"
#include "shim/runtime/hook.h"
#include "shim/runtime/meanwhile.h"
#include "shim/runtime/tracing.h"
#include "shim/runtime/wrapped_runtime.h"

namespace {

// A caller may have closed some of 0 to 2. A file of ours that is opened there would get what is
// meant for stderr; gone again with execve.
void occupy_standard_descriptors() {
    int fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    while (fd >= 0 && fd <= STDERR_FILENO) fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd >= 0) ::close(fd);
}

int run(std::span<const char* const> argv) {
    const auto loaded = spoor::load_config(spoor::ConfigEnvironment::from_process());
    const std::string& runtime = loaded.config.runtime;
    const auto dialect = spoor::dialect_of(runtime);
    const auto fail = [argv, dialect](const std::string& message) {
        spoor::report_error(spoor::parse_log_destination(argv, dialect), message);
        return 1;
    };
    const auto line = spoor::parse_command_line(argv, dialect);
    if (!line) return fail(spoor::become_runtime(runtime, argv).message);

    if (!loaded.errors.empty()) return fail(loaded.errors.front().message);
    // Before anything is made that nobody would remove.
    if (!spoor::is_executable(runtime)) return fail(spoor::become_runtime(runtime, argv).message);
    const auto handover = spoor::set_up_tracing(loaded.config, *line);
    if (!handover) return fail(handover.error().message);
    if (!*handover) return fail(spoor::become_runtime(runtime, argv).message);

    const auto words = spoor::with_handover(argv, *line, **handover);
    std::vector<const char*> pointers;
    for (const auto& word : words) pointers.push_back(word.c_str());
    return fail(spoor::become_runtime(runtime, pointers).message);
}

}  // namespace

int main(int argc, char** argv) {
    occupy_standard_descriptors();
    const std::vector<const char*> words(argv, argv + argc);
    if (argc > 2 && std::string_view(argv[1]) == "hook") return spoor::run_hook(std::span(words).subspan(2));
    if (argc > 2 && std::string_view(argv[1]) == "set-up")
        return spoor::set_up_meanwhile(std::span(words).subspan(2));
    return run(words);
}
