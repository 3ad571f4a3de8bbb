#include "shim/runtime/meanwhile.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/files.h"
#include "base/number.h"
#include "config/config.h"
#include "shim/runtime/environment.h"
#include "shim/runtime/error_output.h"
#include "shim/runtime/state_dir.h"
#include "shim/runtime/tracing.h"

namespace spoor {
namespace {

constexpr int spec_descriptor = 3;
constexpr int runtime_descriptor = 4;

UniqueFd inherited(int fd) { return UniqueFd(::fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 ? fd : -1); }

bool has_ended(int pidfd) {
    pollfd item{pidfd, POLLIN, 0};
    return ::poll(&item, 1, 0) != 0;
}

std::optional<Begun> read_begun(const std::string& state_dir, std::string_view pid) {
    Begun begun;
    begun.spec = inherited(spec_descriptor);
    begun.runtime = inherited(runtime_descriptor);
    begun.state_dir.path = state_dir;
    begun.state_dir.name = state_dir.substr(state_dir.rfind('/') + 1);
    begun.runtime_pid = number_in<int>(pid).value_or(0);
    if (begun.runtime_pid <= 0) return std::nullopt;
    if (!begun.spec || !begun.runtime) return std::nullopt;
    // Another container of this name may have come meanwhile, if this one's runtime was killed.
    const auto directory = identity_of(state_dir);
    const auto named = identity_of(state_dir + "/" + augmented_config_file);
    const auto ours = identity_of(begun.spec.get());
    if (!directory || !named || !ours || *named != *ours) return std::nullopt;
    begun.state_dir.identity = *directory;
    return begun;
}

}  // namespace

int set_up_meanwhile(std::span<const char* const> words) {
    if (words.size() < 3) return 1;
    auto begun = read_begun(words[0], words[1]);
    if (!begun) return 1;
    if (has_ended(begun->runtime.get())) {  // killed just now
        remove_state_dir(begun->state_dir);
        return 1;
    }
    const auto argv = words.subspan(2);
    const auto loaded = load_config(ConfigEnvironment::from_process());
    const auto dialect = dialect_of(loaded.config.runtime);
    const auto line = parse_command_line(argv, dialect);
    Status done;
    if (!line)
        done = Error{EINVAL, "this is no start of a container"};
    else if (!loaded.errors.empty())
        done = loaded.errors.front();
    else
        done = set_up_tracing(loaded.config, *line, *begun);
    if (!done) report_error(parse_log_destination(argv, dialect), done.error().message);
    return done ? 0 : 1;
}

}  // namespace spoor
