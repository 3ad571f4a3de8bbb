#include "signal/process_table.h"

#include <sys/wait.h>

#include <algorithm>

#include "signal/json_text.h"

namespace spoor {
namespace {

constexpr size_t leaving_max = 1024;  // that many ended processes wait for a flush
constexpr size_t execs_max = 32;
constexpr size_t tasks_max = 64;  // of one process
constexpr size_t tree_max = 128 * 1024;
constexpr size_t command_max = 1000;
constexpr size_t commands_max = 4 * 1024 * 1024;

bool earlier(const TreeEntry& a, const TreeEntry& b) {
    return a.start_ns != b.start_ns ? a.start_ns < b.start_ns : a.pid < b.pid;
}

bool earlier_key(const ProcessKey& a, const ProcessKey& b) {
    return a.start_ns != b.start_ns ? a.start_ns < b.start_ns : a.pid < b.pid;
}

// Joined by spaces, for people; not cut inside a character.
std::string command_line(const std::vector<std::string>& argv, size_t limit) {
    std::string text;
    for (const std::string& argument : argv) {
        if (!text.empty()) text += ' ';
        text += argument;
        if (text.size() > limit) break;
    }
    if (text.size() <= limit) return text;
    size_t end = limit;
    while (end > limit - 4 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    text.resize(end);
    return text + "…";
}

void append_arguments(JsonObject& line, const std::vector<std::string>& argv) {
    std::string& out = line.key("argv") += '[';
    bool valid = true;
    for (size_t i = 0; i < argv.size(); ++i) {
        if (i > 0) out += ',';
        valid &= append_json_string(out, argv[i]);
    }
    out += ']';
    if (valid) return;
    line.key("argvBytes") += '[';
    for (size_t i = 0; i < argv.size(); ++i) {
        out += i > 0 ? ",\"" : "\"";
        append_base64(out, argv[i]);
        out += '"';
    }
    out += ']';
}

}  // namespace

uint64_t ProcessTable::fingerprint(ProcessKey key) {
    // Nearly every instance has a start of its own; the pid, above the bits in which starts of one
    // hour differ, tells apart those that do not.
    return key.start_ns ^ static_cast<uint64_t>(key.pid) << 42;
}

ProcessTable::Process* ProcessTable::find(ProcessKey key) {
    auto at = table_.find(key);
    return at == table_.end() ? nullptr : &at->second;
}

ProcessTable::Process* ProcessTable::find_or_add(ProcessKey key) {
    if (Process* known = find(key)) return known;
    if (written_.contains(fingerprint(key))) return nullptr;
    ++processes_;
    Process& process = table_[key];
    // One pid is one living process: the arrival of a younger one says that the end of the older
    // was missed, or that this one is itself long gone. 0 is what processes without a number in the
    // container's namespace share.
    if (key.pid == 0) return &process;
    auto [newest, first] = newest_.try_emplace(key.pid, key.start_ns);
    if (first) return &process;
    if (newest->second < key.start_ns) {
        ProcessKey old{key.pid, newest->second};
        newest->second = key.start_ns;
        if (Process* gone = find(old)) leave(old, *gone);
    } else {
        leave(key, process);
    }
    return find(key);
}

void ProcessTable::leave(ProcessKey key, Process& process) {
    if (process.leaving) return;
    process.leaving = true;
    leaving_.push_back(key);
}

void ProcessTable::seen(ProcessKey key) { find_or_add(key); }

void ProcessTable::on(const ForkEvent& event, uint64_t) {
    Process* child = find_or_add(event.child);
    if (child == nullptr || child->forked) return;
    child->forked = true;
    child->parent = event.parent;
    // A parent that was not seen otherwise stays a mere number: having a child earns it no line.
    if (Process* parent = find(event.parent)) {
        child->inherited = parent->inherited;
        for (const ProgramPtr& program : parent->execs)
            if (program->time_ns <= event.child.start_ns || !child->inherited) child->inherited = program;
    }
    while (leaving_.size() > leaving_max) write_first_leaving();
}

void ProcessTable::on(const ExecEvent& event, uint64_t time_ns) {
    Process* process = find_or_add(event.process);
    if (process == nullptr) return;
    if (!process->forked && process->parent.pid == 0) {
        process->parent.pid = event.parent_pid;
        if (auto parent = newest_.find(event.parent_pid); parent != newest_.end() &&
                                                          parent->second <= event.process.start_ns &&
                                                          event.parent_pid != event.process.pid)
            process->parent.start_ns = parent->second;
    }
    auto later =
        std::upper_bound(process->execs.begin(), process->execs.end(), time_ns,
                         [](uint64_t time, const ProgramPtr& other) { return time < other->time_ns; });
    if (later != process->execs.begin() && (*std::prev(later))->time_ns == time_ns) return;  // a repeat
    auto program = std::make_shared<Program>();
    program->time_ns = time_ns;
    program->exe = event.exe;
    program->script = event.script;
    program->loader = event.loader;
    program->cwd = event.cwd;
    program->argv = redactor_.argv(event.argv, event.argv_truncated);
    program->argv_truncated = event.argv_truncated;
    process->execs.insert(later, std::move(program));
    if (process->execs.size() > execs_max) {
        // The first and the latest tell most.
        process->execs.erase(process->execs.begin() + execs_max / 2);
        ++process->execs_omitted;
    }
    while (leaving_.size() > leaving_max) write_first_leaving();
}

void ProcessTable::on(const ExitEvent& event, uint64_t time_ns) {
    Process* process = find_or_add(event.process);
    if (process == nullptr || process->exited) return;
    process->exited = true;
    process->wait_status = event.wait_status;
    process->end_ns = time_ns;
    leave(event.process, *process);
    while (leaving_.size() > leaving_max) write_first_leaving();
}

void ProcessTable::write_first_leaving() {
    ProcessKey key = leaving_.front();
    leaving_.pop_front();
    auto at = table_.find(key);
    if (at == table_.end()) return;
    write(key, at->second);
    written_.insert(fingerprint(key));
    table_.erase(at);
    if (auto newest = newest_.find(key.pid); newest != newest_.end() && newest->second == key.start_ns)
        newest_.erase(newest);
}

void ProcessTable::flush(uint64_t ended_until_ns) {
    while (!leaving_.empty()) {
        Process* first = find(leaving_.front());
        if (first != nullptr && first->exited && first->end_ns > ended_until_ns) return;
        write_first_leaving();
    }
}

void ProcessTable::assign(ProcessKey key, const std::shared_ptr<const std::string>& task) {
    Process* process = find_or_add(key);
    if (process == nullptr) return;
    std::erase_if(process->tasks, [&](const auto& known) { return *known == *task; });
    if (process->tasks.size() == tasks_max) process->tasks.erase(process->tasks.begin());
    process->tasks.push_back(task);
}

const ProcessTable::Program* ProcessTable::program_of(const Process& process) const {
    if (!process.execs.empty()) return process.execs.back().get();
    if (process.inherited) return process.inherited.get();
    // The parent's exec came after this one's fork: late is better than nothing.
    auto parent = table_.find(process.parent);
    return parent == table_.end() || parent->second.execs.empty() ? nullptr
                                                                  : parent->second.execs.front().get();
}

std::string ProcessTable::working_directory(ProcessKey key, bool or_inherited) const {
    auto known = table_.find(key);
    if (known == table_.end() || (!or_inherited && known->second.execs.empty())) return {};
    const Program* program = program_of(known->second);
    return program == nullptr ? std::string() : program->cwd;
}

void ProcessTable::finish() {
    flush();
    std::vector<ProcessKey> left;
    left.reserve(table_.size());
    for (const auto& [key, process] : table_) left.push_back(key);
    std::sort(left.begin(), left.end(), earlier_key);
    for (ProcessKey key : left) leave(key, table_[key]);
    flush();
}

void ProcessTable::append_program(JsonObject& line, const Program& program) {
    append_arguments(line, program.argv);
    if (program.argv_truncated) line.boolean("argvTruncated", true);
    line.name("exe", program.exe);
    line.name("cwd", program.cwd);
    if (!program.script.empty()) line.name("script", program.script);
    if (!program.loader.empty()) line.name("loader", program.loader);
}

void ProcessTable::write(ProcessKey key, const Process& process) {
    const Program* program = program_of(process);
    std::string& out = out_.buffer();
    JsonObject line(out);
    line.text("time", clock_.rfc3339(key.start_ns));
    line.number("pid", key.pid);
    line.number("start", key.start_ns);
    line.number("ppid", process.parent.pid);
    if (process.parent.start_ns != 0)
        line.number("parentStart", process.parent.start_ns);
    else
        line.null("parentStart");
    append_program(line, program ? *program : Program{});
    if (process.execs.empty()) line.boolean("forkOnly", true);
    if (process.execs.size() > 1) {
        line.key("execs") += '[';
        for (size_t i = 0; i < process.execs.size(); ++i) {
            if (i > 0) out += ',';
            JsonObject exec(out);
            exec.text("time", clock_.rfc3339(process.execs[i]->time_ns));
            append_program(exec, *process.execs[i]);
            exec.close();
        }
        out += ']';
        if (process.execs_omitted > 0) line.number("execsOmitted", process.execs_omitted);
    }
    if (process.exited) {
        JsonObject exit(line.key("exit"));
        if (WIFSIGNALED(process.wait_status))
            exit.number("signal", WTERMSIG(process.wait_status));
        else
            exit.number("code", WEXITSTATUS(process.wait_status));
        exit.close();
        line.text("end", clock_.rfc3339(process.end_ns));
    } else {
        line.null("exit");
        line.null("end");
    }
    line.text("task", process.tasks.empty() ? std::string_view("-") : *process.tasks.back());
    if (process.tasks.size() > 1) {
        line.key("tasks") += '[';
        for (size_t i = 0; i < process.tasks.size(); ++i) {
            if (i > 0) out += ',';
            append_json_string(out, *process.tasks[i]);
        }
        out += ']';
    }
    line.close();
    out += '\n';
    out_.end_line();
    add_to_tree(key, process.parent.pid, program);
}

void ProcessTable::add_to_tree(ProcessKey key, uint32_t parent_pid, const Program* program) {
    if (tree_.size() >= tree_max) {
        ++tree_omitted_;
        return;
    }
    tree_.push_back({key.start_ns, command_of(program), key.pid, parent_pid});
}

const std::string* ProcessTable::command_of(const Program* program) {
    std::string command = program ? command_line(program->argv, command_max) : std::string();
    if (command.empty() && program) command = program->exe;
    // Past the limit only the program's name, which is one of few.
    if (program && command_bytes_ > commands_max) command = program->exe.substr(0, command_max);
    auto [at, fresh] = commands_.insert(std::move(command));
    if (fresh) command_bytes_ += at->size() + 64;
    return &*at;
}

std::vector<TreeEntry> ProcessTable::tree() const {
    std::vector<TreeEntry> sorted = tree_;
    std::sort(sorted.begin(), sorted.end(), earlier);
    return sorted;
}

std::vector<TreeEntry> ProcessTable::tree_of(std::vector<ProcessKey> keys) {
    std::sort(keys.begin(), keys.end(), earlier_key);
    keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
    std::vector<TreeEntry> found;
    size_t written = 0;
    for (ProcessKey key : keys) {
        if (Process* process = find(key))
            found.push_back({key.start_ns, command_of(program_of(*process)), key.pid, process->parent.pid});
        else
            ++written;
    }
    // Lately ended ones are at the end.
    for (auto entry = tree_.rbegin(); entry != tree_.rend() && written > 0; ++entry) {
        if (!std::binary_search(keys.begin(), keys.end(), ProcessKey{entry->pid, entry->start_ns},
                                earlier_key))
            continue;
        found.push_back(*entry);
        --written;
    }
    std::sort(found.begin(), found.end(), earlier);
    return found;
}

}  // namespace spoor
