#include "config/config.h"

#include <cstdio>

#include "shim/ctl/commands.h"
#include "shim/ctl/config_tenants.h"
#include "shim/ctl/config_text.h"
#include "shim/ctl/text.h"

namespace spoor::ctl {

int config_check_command(const std::string& file) {
    const auto config = load_config_file(file);
    const Status checked = config ? check_forced_annotations(*config, file) : Status(config.error());
    if (checked) {
        for (const std::string& warning : config_warnings(*config)) complain("warning: " + warning);
        std::printf("%s: valid\n", printable(file).c_str());
        return 0;
    }
    complain(checked.error().message);
    return exit_failure;
}

int config_explain_command(const ExplainOptions& options) {
    Config config;
    auto loaded = load_config_file(options.file);
    if (loaded) {
        config = std::move(*loaded);
    } else if (options.file_is_named || loaded.error().code != ENOENT) {
        complain(loaded.error().message);
        return exit_failure;
    }
    const std::string out = explanation(config, options.file, {options.uid, options.gids, options.cgroup});
    std::fwrite(out.data(), 1, out.size(), stdout);
    return std::fflush(stdout) == 0 ? 0 : exit_failure;
}

int config_show_command() {
    LoadedConfig loaded = load_config(ConfigEnvironment::from_process());
    for (const Error& error : loaded.errors) complain(error.message);
    std::string out;
    for (const std::string& file : loaded.files) out += "# from " + printable(file) + "\n";
    if (loaded.files.empty()) out += "# the defaults: there is no configuration file\n";
    out += config_text(loaded.config);
    std::fwrite(out.data(), 1, out.size(), stdout);
    return loaded.errors.empty() && std::fflush(stdout) == 0 ? 0 : exit_failure;
}

}  // namespace spoor::ctl
