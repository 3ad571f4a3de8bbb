#include "shim/ctl/app.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <optional>
#include <set>

#include "shim/ctl/commands.h"
#include "shim/ctl/text.h"

namespace spoor::ctl {
namespace {

constexpr const char* run_footer =
    "With neither --image nor --rootfs CMD runs on this machine's own /usr, /etc and /opt, read-only.\n"
    "\n"
    "Exit code: CMD's own; 125: spoorctl or podman failed; 126, 127: CMD cannot be run, is not there.";
constexpr const char* show_footer = "Exit code: 0; 1: the volume cannot be read; 2: wrong usage.";
constexpr const char* report_footer =
    "Exit code: 0; 1: a report is missing, makes no sense, or is not complete and ultracache was asked\n"
    "for; 2: wrong usage.";
constexpr const char* deliver_footer =
    "Without options it goes on until all is delivered or given up. If a spoor-deliver is at work already "
    "it\n"
    "is told to try all at once, and spoorctl ends.\n"
    "\n"
    "Exit code: 0; 1: something is left (--once), or the spool cannot be used; 2: wrong usage.";
constexpr const char* footer =
    "Exit codes: 0; 1: failed; 2: wrong usage. `run` passes on the command's own: see spoorctl run --help.\n"
    "Manual: spoorctl(1).";

struct RunArguments {
    RunOptions options;
    std::string runtime = "spoor";
    std::string podman = "podman";
    bool all = false;
};

// `run` takes a command after its options, which CLI11 knows as no option of its own.
class HelpFormatter : public CLI::Formatter {
public:
    std::string make_usage(const CLI::App* app, std::string name) const override {
        if (app->get_name() == "run") return "Usage: " + name + " [OPTIONS] [--] CMD [ARG...]\n";
        return CLI::Formatter::make_usage(app, std::move(name));
    }
};

CLI::App* add_run(CLI::App& app, RunArguments& run) {
    CLI::App* verb = app.add_subcommand("run", "Run a command in a container and show its trail");
    auto* image = verb->add_option("--image", run.options.image, "run in this image")->type_name("IMG");
    verb->add_option("--rootfs", run.options.rootfs, "run in this directory, changes are thrown away")
        ->type_name("DIR")
        ->excludes(image);
    verb->add_option("--volume", run.options.volume, "keep the trail here (made if missing)")
        ->type_name("DIR");
    verb->add_option("-w,--workdir", run.options.workdir,
                     "directory to work in, writable, at the same path in the container\n"
                     "(without --image and --rootfs: the current one)")
        ->type_name("DIR");
    verb->add_option("-e,--env", run.options.environment, "set a variable; may be repeated")
        ->type_name("K=V")
        ->expected(1)
        ->take_all();
    verb->add_option("--network", run.options.network, "podman's network mode (default: none)")
        ->type_name("MODE");
    verb->add_flag("--json", run.options.json, "print one JSON object; the command's output goes to stderr");
    verb->add_flag("-a,--all", run.all, "print all rows");
    verb->add_flag("--keep", run.options.keep, "keep the temporary volume and say where it is");
    verb->add_option("--runtime", run.runtime, "the spoor to use")->type_name("PATH");
    verb->add_option("--podman", run.podman, "the podman to use")->type_name("PATH");
    verb->add_option("--podman-arg", run.options.podman_arguments,
                     "pass an option on to podman run (--podman-arg=--user=1000); may be repeated")
        ->type_name("ARG")
        ->expected(1)
        ->take_all();
    verb->footer(run_footer);
    verb->prefix_command();
    return verb;
}

CLI::App* add_show(CLI::App& app, ShowOptions& show, bool (&only)[4]) {
    CLI::App* verb = app.add_subcommand("show", "Show the trail in a volume, finished or still growing");
    verb->add_option("VOLUME", show.volume, "the volume, or its trace directory")->required();
    verb->add_flag("--json", show.json, "print one JSON object");
    verb->add_flag("-a,--all", show.all, "print all rows");
    verb->add_flag("--processes", only[0], "only the processes");
    verb->add_flag("--inputs", only[1], "only the inputs");
    verb->add_flag("--outputs", only[2], "only the outputs");
    verb->add_flag("--absent", only[3], "only what was looked for and not there");
    verb->add_flag("--accesses", show.accesses, "the log of accesses (with --json: too)");
    verb->add_option("--task", show.task, "the report of this task (with --json: the file as it is)")
        ->type_name("ID");
    verb->footer(show_footer);
    return verb;
}

CLI::App* add_report(CLI::App& app, ReportOptions& report) {
    CLI::App* verb = app.add_subcommand("report", "Write the reports of tasks in a format of other tools");
    verb->add_option("VOLUME", report.volume, "the volume, or its trace directory")->required();
    verb->add_option("--task", report.tasks,
                     "only this task; may be repeated; - is the whole container\n"
                     "(default: all tasks that have a report)")
        ->type_name("ID")
        ->expected(1)
        ->take_all();
    verb->add_option("--format", report.format, "the format (default: json)")
        ->type_name("FORMAT")
        ->check(CLI::IsMember(std::set<std::string>(std::begin(report_formats), std::end(report_formats))));
    verb->add_option("--output", report.output, "write to this file, as a whole or not at all")
        ->type_name("FILE");
    verb->add_option("--commit", report.commit, "ultracache: the commit that the tasks ran on")
        ->type_name("SHA");
    verb->add_option("--root", report.root,
                     "intoto: the workspace as this machine sees it, whose files are digested\n"
                     "(for task -: the container's root)")
        ->type_name("DIR");
    verb->footer(report_footer);
    return verb;
}

CLI::App* add_deliver(CLI::App& app, DeliverOptions& deliver) {
    CLI::App* verb =
        app.add_subcommand("deliver", "Deliver the reports that wait in the spool, or show them");
    auto* once = verb->add_flag("--once", deliver.once, "try each once, whatever its pause, and end");
    verb->add_flag("--status", deliver.status, "only show what waits and what was given up")->excludes(once);
    verb->add_option("--spool", deliver.spool, "this spool (default: the configured one)")->type_name("DIR");
    verb->footer(deliver_footer);
    return verb;
}

CLI::App* add_explain(CLI::App& config, ExplainOptions& explain) {
    constexpr uint32_t largest_id = 4294967294u;
    CLI::App* verb = config.add_subcommand(
        "explain", "Say which rule applies to a tenant, and where its values come from");
    verb->add_option("--uid", explain.uid, "the user's id on this machine")
        ->type_name("N")
        ->check(CLI::Range(0u, largest_id))
        ->required();
    verb->add_option("--gid", explain.gids, "one of the user's groups; may be repeated")
        ->type_name("N")
        ->expected(1)
        ->take_all();
    verb->add_option("--cgroup", explain.cgroup, "the container's cgroup, from the hierarchy's root on")
        ->type_name("PATH");
    verb->add_option("--file", explain.file, "the operator's file (default: /etc/spoor/spoor.yaml)")
        ->type_name("FILE")
        ->each([&explain](const std::string&) { explain.file_is_named = true; });
    return verb;
}

// The index of `run`'s first "--", or of the end.
int options_end(int argc, const char* const* argv) {
    if (argc < 2 || std::string_view(argv[1]) != "run") return argc;
    int at = 2;
    while (at < argc && std::string_view(argv[at]) != "--") ++at;
    return at;
}

int do_run(RunArguments& run, std::vector<std::string> command, bool after_dashes) {
    auto fail = [](std::string_view message) {
        complain(message);
        return exit_tooling;
    };
    if (command.empty()) return fail("run: no command; see spoorctl run --help");
    if (!after_dashes && command.front().starts_with('-'))
        return fail("run: " + command.front() + " is no option; see spoorctl run --help");
    for (const std::string& assignment : run.options.environment)
        if (assignment.find('=') == std::string::npos || assignment.front() == '=')
            return fail("--env " + assignment + ": want NAME=VALUE");
    run.options.command = std::move(command);
    auto runtime = find_program(run.runtime, true);
    if (!runtime) return fail(runtime.error().message + "; name it with --runtime");
    auto podman = find_program(run.podman, false);
    if (!podman) return fail(podman.error().message + "; install podman, or name it with --podman");
    run.options.runtime = std::move(*runtime);
    run.options.podman = std::move(*podman);
    return run_command(std::move(run.options), run.all);
}

int do_show(ShowOptions& show, const bool (&only)[4]) {
    bool any = only[0] || only[1] || only[2] || only[3];
    if (any) show.sections = Sections{only[0], only[1], only[2], only[3]};
    return show_command(show);
}

}  // namespace

void complain(std::string_view message) {
    std::string line = "spoorctl: " + printable(message) + "\n";
    std::fwrite(line.data(), 1, line.size(), stderr);
}

int run_app(int argc, const char* const* argv) {
    CLI::App app("Runs containers under spoor and shows the trails they left.", "spoorctl");
    app.set_version_flag("--version", "spoorctl " SPOOR_VERSION);
    app.require_subcommand(1);
    app.footer(footer);
    auto formatter = std::make_shared<HelpFormatter>();
    formatter->column_width(28);
    app.formatter(formatter);

    RunArguments run;
    ShowOptions show;
    ReportOptions report;
    DeliverOptions deliver;
    bool only[4] = {};
    std::string config_file;
    CLI::App* run_verb = add_run(app, run);
    CLI::App* show_verb = add_show(app, show, only);
    CLI::App* report_verb = add_report(app, report);
    CLI::App* deliver_verb = add_deliver(app, deliver);
    CLI::App* config = app.add_subcommand("config", "Check or show spoor's configuration");
    config->require_subcommand(1);
    CLI::App* config_check = config->add_subcommand("check", "Check one file");
    config_check->add_option("FILE", config_file, "a spoor.yaml")->required();
    CLI::App* config_show = config->add_subcommand("show", "Show what all files together say");
    ExplainOptions explain;
    CLI::App* config_explain = add_explain(*config, explain);
    bool sessions_json = false;
    CLI::App* sessions =
        app.add_subcommand("sessions", "List your containers that are being traced now (root: all)");
    sessions->add_flag("--json", sessions_json, "print a JSON array");
    CLI::App* doctor = app.add_subcommand("doctor", "Say whether containers can be traced on this machine");

    // CLI11 takes what comes after `--` for arguments that it should know. `spoorctl run ls -- x` has
    // its `--` within the command.
    std::vector<std::string> command(argv + options_end(argc, argv), argv + argc);
    try {
        app.parse(argc - static_cast<int>(command.size()), argv);
    } catch (const CLI::ParseError& problem) {
        if (problem.get_exit_code() == 0) return app.exit(problem);  // --help, --version
        complain(problem.what());
        return run_verb->parsed() ? exit_tooling : exit_usage;
    }
    if (run_verb->parsed()) {
        std::vector<std::string> words = run_verb->remaining();
        bool after_dashes = words.empty() && !command.empty();
        if (after_dashes) command.erase(command.begin());
        words.insert(words.end(), command.begin(), command.end());
        return do_run(run, std::move(words), after_dashes);
    }
    if (show_verb->parsed()) return do_show(show, only);
    if (report_verb->parsed()) return report_command(report);
    if (deliver_verb->parsed()) return deliver_command(deliver);
    if (config_check->parsed()) return config_check_command(config_file);
    if (config_explain->parsed()) return config_explain_command(explain);
    if (config_show->parsed()) return config_show_command();
    if (sessions->parsed()) return sessions_command(sessions_json);
    if (doctor->parsed()) return doctor_command();
    return exit_usage;
}

}  // namespace spoor::ctl
