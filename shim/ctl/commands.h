// The verbs of spoorctl. Each returns its exit code and has said on stderr what went wrong.
#pragma once

#include <string>

#include "shim/ctl/podman.h"
#include "shim/ctl/print.h"

namespace spoor::ctl {

// 125: spoorctl or podman failed before the command ran; else the command's own exit code.
inline constexpr int exit_tooling = 125;
inline constexpr int exit_failure = 1;
inline constexpr int exit_usage = 2;

struct ShowOptions {
    std::string volume;
    bool json = false;
    bool all = false;
    bool accesses = false;
    std::string task;  // its report; empty: the whole container
    Sections sections;
};

int run_command(RunOptions options, bool all);
int show_command(const ShowOptions& options);
int config_check_command(const std::string& file);
int config_show_command();
int doctor_command();

// "spoorctl: MESSAGE" on stderr.
void complain(std::string_view message);

}  // namespace spoor::ctl
