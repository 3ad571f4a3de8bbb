// `spoorctl report`.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <optional>

#include "base/atomic_file.h"
#include "base/files.h"
#include "shim/ctl/commands.h"
#include "shim/ctl/file_digest.h"
#include "shim/ctl/task_export.h"
#include "signal/task_signal.h"

namespace spoor::ctl {
namespace {

constexpr size_t most_bytes = 1u << 30;  // of all reports together

// What goes into one document.
struct Chosen {
    std::vector<TaskReport> reports;
    std::vector<std::string> texts;  // as they stand in the volume; only kept for JSON
    bool single = false;             // exactly one was asked for by its name
};

Result<Chosen> choose(const VolumeReader& volume, const ReportOptions& options) {
    std::vector<std::string> files;
    if (options.tasks.empty()) {
        auto all = volume.report_files();
        if (!all) return std::move(all).error();
        files = std::move(*all);
        std::erase(files, task_file_name(container_task) + ".json");
        if (files.empty())
            return Error{ENOENT, "no task has a report; --task=- is the report of the whole container"};
    }
    for (const std::string& task : options.tasks)
        if (std::string file = task_file_name(task) + ".json";
            std::find(files.begin(), files.end(), file) == files.end())
            files.push_back(std::move(file));
    Chosen chosen;
    chosen.single = options.tasks.size() == 1;
    size_t left = most_bytes;
    for (const std::string& file : files) {
        auto text = volume.report_file_text(file, std::min(left, report_limit));
        if (!text && text.error().code == ENOENT && !options.tasks.empty())
            return Error{ENOENT, "there is no report " + file};
        if (!text) return std::move(text).error();
        left -= text->size();
        auto report = parse_task_report(*text);
        if (!report) return std::move(report).error().context(file);
        if (task_file_name(report->id) + ".json" != file)
            return Error{EINVAL, file + ": the report is that of another task, " + report->id};
        chosen.reports.push_back(std::move(*report));
        if (options.format == "json") chosen.texts.push_back(std::move(*text));
    }
    return chosen;
}

std::string first_of(const std::vector<std::string>& reasons) {
    return reasons.empty() ? "no reason is given" : reasons.front();
}

// What a cache is to rely on has to be whole.
Status check_complete(const VolumeReader& volume, const std::vector<TaskReport>& reports) {
    auto session = volume.session();
    if (!session) return std::move(session).error();
    if (session->state == SessionState::tracing)
        return Error{EBUSY, "the session is not complete: the container runs, or its recorder has died"};
    if (!session->complete()) {
        const uint64_t lost = session->loss.total();
        return Error{EINVAL,
                     "the session is not complete: " + (session->reasons.empty() && lost
                                                            ? std::to_string(lost) + " records were lost"
                                                            : first_of(session->reasons))};
    }
    for (const TaskReport& report : reports)
        if (!report.complete)
            return Error{EINVAL,
                         "the report of task " + report.id + " is not complete: " + first_of(report.reasons)};
    return {};
}

std::string json_text(const Chosen& chosen) {
    std::string out = chosen.single ? "" : "[\n";
    for (std::string_view text : chosen.texts) {
        while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
        if (out.size() > 2) out += ",\n";
        out += text;
    }
    return out + (chosen.single ? "\n" : "\n]\n");
}

// A line for each task; those without a subject are left out, and said.
Result<std::string> statements(const Chosen& chosen, const std::string& root) {
    auto digests = FileDigests::open(root);
    if (!digests) return std::move(digests).error().context("--root");
    std::string out;
    std::optional<Error> problem;
    for (const TaskReport& report : chosen.reports) {
        const bool container = report.id == container_task;
        auto digest = [&](const std::string& path, const std::string& not_after) -> Result<std::string> {
            const size_t begin = path.find_first_not_of('/');
            if (begin == std::string::npos) return Error{EISDIR, "it is no regular file"};
            if (begin > 0 && !container) return Error{EXDEV, "it lies outside the workspace"};
            return digests->sha256(path.substr(begin), not_after);
        };
        auto statement = intoto_text(report, digest);
        if (statement) {
            out += *statement;
            continue;
        }
        if (problem) complain(problem->message);
        problem = std::move(statement).error();
    }
    if (out.empty() && problem) return std::move(*problem);
    if (problem) complain(problem->message);
    return out;
}

Result<std::string> document(const VolumeReader& volume, const ReportOptions& options) {
    auto chosen = choose(volume, options);
    if (!chosen) return std::move(chosen).error();
    if (options.format == "ultracache") {
        SPOOR_TRY(check_complete(volume, chosen->reports));
        return ultracache_text(chosen->reports, options.commit);
    }
    for (const TaskReport& report : chosen->reports)
        if (!report.complete)
            complain("the report of task " + report.id + " is not complete: " + first_of(report.reasons));
    if (options.format == "nx-sandbox") return nx_sandbox_text(chosen->reports, chosen->single);
    if (options.format == "csv") return csv_text(chosen->reports);
    if (options.format == "intoto") return statements(*chosen, options.root);
    return json_text(*chosen);
}

Status write_to(const std::string& path, const std::string& text) {
    if (path.empty() || path == "-") {
        if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0)
            return {};
        return errno_error("write");
    }
    const size_t slash = path.rfind('/');
    const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
    if (name.empty() || name == "." || name == "..") return Error{EISDIR, path + ": not a file's name"};
    auto directory =
        open_file(slash == std::string::npos ? "." : path.substr(0, slash + 1), O_RDONLY | O_DIRECTORY);
    if (!directory) return std::move(directory).error();
    // A rename would put a file in the place of /dev/stdout.
    struct stat st {};
    if (::fstatat(directory->get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(st.st_mode))
        return Error{EEXIST, path + ": not a regular file, so it is not replaced"};
    auto written = write_file_atomically_at(directory->get(), name, text);
    if (!written) return std::move(written).error().context(path);
    return {};
}

// Empty: the options go together.
std::string misuse(const ReportOptions& options) {
    const bool ultracache = options.format == "ultracache", intoto = options.format == "intoto";
    if (ultracache && options.commit.empty())
        return "--format ultracache needs --commit: what the files are of";
    if (intoto && options.root.empty()) return "--format intoto needs --root: where the files are";
    if (!ultracache && !options.commit.empty()) return "--commit is for --format ultracache";
    if (!intoto && !options.root.empty()) return "--root is for --format intoto";
    const bool hex = options.commit.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
    if (ultracache && (!hex || (options.commit.size() != 40 && options.commit.size() != 64)))
        return "--commit " + options.commit + ": want all 40 or 64 hexadecimal digits";
    return {};
}

}  // namespace

int report_command(const ReportOptions& options) {
    if (std::string wrong = misuse(options); !wrong.empty()) {
        complain("report: " + wrong);
        return exit_usage;
    }
    auto volume = VolumeReader::open(options.volume);
    if (!volume) {
        complain(volume.error().message);
        return exit_failure;
    }
    auto text = document(*volume, options);
    if (!text) {
        complain(text.error().message);
        return exit_failure;
    }
    if (auto written = write_to(options.output, *text); !written) {
        complain(written.error().message);
        return exit_failure;
    }
    return 0;
}

}  // namespace spoor::ctl
