#include <cstdio>

#include "shim/ctl/commands.h"
#include "shim/ctl/json_output.h"
#include "shim/ctl/task_report.h"
#include "shim/ctl/text.h"

namespace spoor::ctl {
namespace {

int show_accesses(const VolumeReader& volume, const ShowOptions& options) {
    auto session = volume.session();
    if (!session) {
        complain(session.error().message);
        return exit_failure;
    }
    Style style = Style::of_stdout();
    size_t limit = options.all ? 0 : style.row_limit;
    size_t count = 0;
    size_t hidden = 0;
    // One line each as they are read: a log can be larger than memory.
    auto skipped = each_access(volume, *session, [&](const AccessLine& row) {
        if (limit && count >= limit) {
            ++hidden;
            return true;
        }
        ++count;
        std::string line = std::to_string(row.process.pid);
        if (line.size() < 7) line.insert(0, 7 - line.size(), ' ');
        line += "  " + printable(row.op) + std::string(row.op.size() < 10 ? 10 - row.op.size() : 0, ' ') +
                "  " + printable(row.path);
        if (!row.to.empty()) line += " -> " + printable(row.to);
        if (!row.error.empty()) line += "  " + printable(row.error);
        std::string flags;
        for (const std::string& flag : row.flags) flags += (flags.empty() ? "" : " ") + printable(flag);
        if (!flags.empty()) line += "  [" + flags + "]";
        line += "\n";
        return std::fwrite(line.data(), 1, line.size(), stdout) == line.size();
    });
    if (!skipped) {
        complain(skipped.error().message);
        return exit_failure;
    }
    if (hidden) std::printf("  … and %zu more (--all shows them)\n", hidden);
    if (*skipped) complain("skipped " + counted(*skipped, "line", "lines") + " that make no sense");
    if (std::fflush(stdout) == 0) return 0;
    complain(errno_error("write").message);
    return exit_failure;
}

int show_task(const VolumeReader& volume, const ShowOptions& options) {
    auto report = volume.task_report_text(options.task);
    if (!report) {
        complain(report.error().code == ENOENT ? "there is no report of task " + options.task
                                               : report.error().message);
        return exit_failure;
    }
    Style style = Style::of_stdout();
    if (options.all) style.row_limit = 0;
    auto text = options.json ? std::move(report) : task_report_text(*report, style);
    if (!text) {
        complain(text.error().message);
        return exit_failure;
    }
    if (std::fwrite(text->data(), 1, text->size(), stdout) == text->size() && std::fflush(stdout) == 0)
        return 0;
    complain(errno_error("write").message);
    return exit_failure;
}

}  // namespace

int show_command(const ShowOptions& options) {
    auto volume = VolumeReader::open(options.volume);
    if (!volume) {
        complain(volume.error().message);
        return exit_failure;
    }
    if (!options.task.empty()) return show_task(*volume, options);
    if (options.json) {
        auto written = write_json(stdout, &*volume, JsonParts{.exit_code = {}, .accesses = options.accesses});
        if (written) return volume->session() ? 0 : exit_failure;
        complain(written.error().message);
        return exit_failure;
    }
    if (options.accesses) return show_accesses(*volume, options);
    TrailView view = view_trail(*volume);
    Style style = Style::of_stdout();
    if (options.all) style.row_limit = 0;
    std::string_view first;
    if (!view.processes.empty()) first = view.processes.front().cwd;
    if (first == "/") first = {};
    std::string text = trail_text(view, options.sections, first, style);
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
        complain(errno_error("write").message);
        return exit_failure;
    }
    return view.has_session ? 0 : exit_failure;
}

}  // namespace spoor::ctl
