// The process instances of a session, and trace/processes.jsonl: one line each.
//
//   {"time":"…Z","pid":7,"start":81234567890,"ppid":1,"parentStart":81230000000,"argv":["cc","a.c"],
//    "exe":"/usr/bin/cc","cwd":"/w","script":"/w/cc.sh","loader":"/lib64/ld-linux-x86-64.so.2",
//    "exit":{"code":0},"end":"…Z","task":"web:build"}
//
// `start` (CLOCK_BOOTTIME, ns) and `pid` name the instance, here and in accesses.jsonl; `time` is
// the same moment as RFC 3339. `exit` is {"code":N}, {"signal":N} or null: still alive when the
// session ended, or its end was not seen; `end` is null with it. `argv` (secrets redacted), `exe` and
// `cwd` are those of the last exec, or of the parent's for a process that only forked: then
// `"forkOnly":true`. More than one exec: all of them stand in `execs`, each with its `time`, and
// `execsOmitted` says how many in the middle were left out. `ppid` is the parent at fork; what the
// session has not seen is 0 and null. `task` is the last that it worked for, "-" if none; if there were
// more, all of them stand in `tasks`. Bytes that are not UTF-8: `exeBytes` and so on as json_text.h
// describes, and for `argv` one `argvBytes` with all arguments in base64.
//
// Events may come in any order within one flush interval, twice, or not at all. A finished process
// is kept until the next flush for what may still come late, then written and forgotten but for its
// place in the report's process tree. So memory follows the living processes.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "signal/access_log.h"
#include "signal/event.h"
#include "signal/json_text.h"
#include "signal/line_file.h"
#include "signal/redact.h"

namespace spoor {

// What the report's process tree shows of a process.
struct TreeEntry {
    uint64_t start_ns;
    const std::string* command;  // the arguments joined by spaces, cut at 1000 bytes
    uint32_t pid;
    uint32_t parent_pid;
};

class ProcessTable {
public:
    // `out` and `clock` stay the caller's and must outlive this. Arguments are kept as `redactor` shows
    // them, and in no other form.
    ProcessTable(LineFile& out, const WallClock& clock, Redactor redactor = Redactor())
        : out_(out), clock_(clock), redactor_(std::move(redactor)) {}

    void on(const ForkEvent& event, uint64_t time_ns);
    void on(const ExecEvent& event, uint64_t time_ns);
    void on(const ExitEvent& event, uint64_t time_ns);
    // An access names a process: it exists, even if its fork was not seen.
    void seen(ProcessKey key);

    // The process works for this task from now on (or did all along: signals come late).
    void assign(ProcessKey key, const std::shared_ptr<const std::string>& task);
    // At its latest exec; empty if none was seen. `or_inherited`: else of the program that it was forked
    // from.
    [[nodiscard]] std::string working_directory(ProcessKey key, bool or_inherited) const;

    // Writes the lines of those that ended since, up to `ended_until_ns`: who waits a while learns
    // from late signals which task they worked for.
    void flush(uint64_t ended_until_ns = UINT64_MAX);
    // Writes the lines of all that are left, in order of their start.
    void finish();

    // Lines of ended ones wait for a later flush.
    [[nodiscard]] bool waiting() const { return !leaving_.empty(); }

    // Instances seen.
    [[nodiscard]] uint64_t processes() const { return processes_; }
    [[nodiscard]] size_t living() const { return table_.size(); }
    // In order of start; complete after finish(). Bounded: the number left out.
    [[nodiscard]] std::vector<TreeEntry> tree() const;
    // Those of `keys` that are known, alive or not, in order of start. `command` is valid until the
    // next event.
    [[nodiscard]] std::vector<TreeEntry> tree_of(std::vector<ProcessKey> keys);
    [[nodiscard]] uint64_t tree_omitted() const { return tree_omitted_; }

private:
    struct Program {  // what one exec made of a process; shared with those it forked
        uint64_t time_ns = 0;
        std::string exe, script, loader, cwd;
        std::vector<std::string> argv;
        bool argv_truncated = false;
    };
    using ProgramPtr = std::shared_ptr<const Program>;
    struct Process {
        ProcessKey parent;
        bool forked = false;
        bool leaving = false;  // in leaving_
        bool exited = false;
        int wait_status = 0;
        uint64_t end_ns = 0;
        ProgramPtr inherited;
        std::vector<ProgramPtr> execs;  // in order of time
        uint64_t execs_omitted = 0;
        std::vector<std::shared_ptr<const std::string>> tasks;
    };
    struct KeyHash {
        size_t operator()(const ProcessKey& key) const {
            return static_cast<size_t>((key.start_ns ^ key.pid) * 0x9e3779b97f4a7c15u >> 7);
        }
    };

    // Null for an instance whose line is written already.
    Process* find_or_add(ProcessKey key);
    [[nodiscard]] Process* find(ProcessKey key);
    void leave(ProcessKey key, Process& process);
    void write_first_leaving();
    void write(ProcessKey key, const Process& process);
    static void append_program(JsonObject& line, const Program& program);
    void add_to_tree(ProcessKey key, uint32_t parent_pid, const Program* program);
    const std::string* command_of(const Program* program);
    [[nodiscard]] const Program* program_of(const Process& process) const;
    static uint64_t fingerprint(ProcessKey key);  // of what is written_

    LineFile& out_;
    const WallClock& clock_;
    const Redactor redactor_;
    std::unordered_map<ProcessKey, Process, KeyHash> table_;
    std::unordered_map<uint32_t, uint64_t> newest_;  // pid: start of its latest instance in table_
    std::deque<ProcessKey> leaving_;
    RecentSet written_{64 * 1024};
    uint64_t processes_ = 0;

    std::unordered_set<std::string> commands_;
    size_t command_bytes_ = 0;
    std::vector<TreeEntry> tree_;
    uint64_t tree_omitted_ = 0;
};

}  // namespace spoor
