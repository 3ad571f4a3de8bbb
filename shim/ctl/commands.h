// The verbs of spoorctl. Each returns its exit code and has said on stderr what went wrong.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/config.h"
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

// Tasks by their ids; none: all that have a report, without the whole container's.
struct ReportOptions {
    std::string volume;
    std::vector<std::string> tasks;
    std::string format = "json";  // one of report_formats
    std::string output;           // empty or "-": stdout
    std::string commit;           // ultracache
    std::string root;             // intoto: the workspace, or the container's root for task "-"
};
inline constexpr const char* report_formats[] = {"json", "nx-sandbox", "ultracache", "intoto", "csv"};

struct DeliverOptions {
    bool once = false;    // one try of each, else until nothing is left
    bool status = false;  // only show
    std::string spool;    // empty: the configured one
};

// Which of the operator's rules applies to somebody.
struct ExplainOptions {
    uint32_t uid = 0;
    std::vector<uint32_t> gids;
    std::string cgroup;  // empty: not known
    std::string file = ConfigEnvironment().system_file;
    bool file_is_named = false;  // then it must exist
};

int run_command(RunOptions options, bool all);
int show_command(const ShowOptions& options);
int report_command(const ReportOptions& options);
// Becomes spoor-deliver, unless only the status is asked for.
int deliver_command(const DeliverOptions& options);
int config_check_command(const std::string& file);
int config_show_command();
int config_explain_command(const ExplainOptions& options);
// The sessions that spoord traces now, as far as the caller may know of them.
int sessions_command(bool json);
int doctor_command();

// "spoorctl: MESSAGE" on stderr.
void complain(std::string_view message);

}  // namespace spoor::ctl
