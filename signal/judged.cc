#include "signal/judged.h"

#include <algorithm>
#include <cerrno>
#include <set>
#include <string_view>
#include <unordered_set>

namespace spoor {
namespace {

constexpr size_t not_hermetic_max = 200;

void judge_reads(Task& task, Judged& judged) {
    task.accesses.for_each(AccessSet::List::inputs, [&](const AccessSet::Entry& entry) {
        Verdict verdict = task.judge()->read(entry.path);
        if (verdict == Verdict::excluded) ++judged.excluded_reads;
        if (verdict == Verdict::undeclared) judged.reads.push_back({std::string(entry.path), entry.pid});
    });
    judged.inputs_not_read = task.judge()->inputs_not_read();
}

void judge_writes(Task& task, Judged& judged) {
    task.accesses.for_each(AccessSet::List::files_written, [&](const AccessSet::Entry& entry) {
        Verdict verdict = task.judge()->write(entry.path);
        if (verdict == Verdict::excluded) ++judged.excluded_writes;
        if (verdict == Verdict::undeclared)
            judged.writes.push_back({std::string(entry.path), entry.pid, true});
    });
    if (!judged.writes.empty()) {
        // Both lists are in the same order.
        auto next = judged.writes.begin();
        std::unordered_set<std::string_view> undeclared;
        for (const auto& write : judged.writes) undeclared.insert(write.path);
        task.accesses.for_each(AccessSet::List::outputs, [&](const AccessSet::Entry& entry) {
            if (!undeclared.contains(entry.path)) return;
            while (next->path != entry.path) ++next;
            next->gone = false;
        });
    }
    judged.outputs_not_written = task.judge()->outputs_not_written();
}

void suggest(Task& task, Judged& judged) {
    std::vector<std::string> reads, writes;
    for (const auto& read : judged.reads) reads.push_back(read.path);
    for (const auto& write : judged.writes)
        if (!write.gone) writes.push_back(write.path);
    if (reads.empty() && writes.empty()) return;
    auto all = [&](bool wanted, AccessSet::List list) {
        std::vector<std::string> paths;
        if (wanted)
            task.accesses.for_each(list,
                                   [&](const AccessSet::Entry& entry) { paths.emplace_back(entry.path); });
        return paths;
    };
    const auto inputs = all(!writes.empty(), AccessSet::List::inputs);
    const auto written = all(!reads.empty(), AccessSet::List::files_written);
    judged.suggestions = task.judge()->suggest({reads, writes, inputs, written});
}

// "inet:127.0.0.1:80" and "inet:[::]:80" may be one listener.
std::string_view port_of(std::string_view address) {
    size_t colon = address.rfind(':');
    return colon == std::string_view::npos ? std::string_view() : address.substr(colon);
}

bool is_loopback(std::string_view address) {
    return address.starts_with("inet:127.") || address.starts_with("inet:[::1]:") ||
           address.starts_with("inet:[::ffff:127.");
}

void look_at_connections(const Task& task, const AccessSet& container, Judged& judged) {
    std::set<std::string_view> own, own_ports;
    for (const AccessSet::Extra& extra : task.accesses.connections()) {
        if (extra.op != Op::bind || extra.error != 0) continue;
        own.insert(extra.path);
        if (extra.path.starts_with("inet:")) own_ports.insert(port_of(extra.path));
    }
    for (const AccessSet::Extra& extra : task.accesses.connections()) {
        if (extra.op != Op::connect || (extra.error != 0 && extra.error != EINPROGRESS)) continue;
        const std::string_view address = extra.path;
        const bool inet = address.starts_with("inet:"), local = address.starts_with("unix:");
        if ((!inet && !local) || own.contains(address)) continue;
        if (inet && is_loopback(address) && own_ports.contains(port_of(address))) continue;
        std::string text = "pid " + std::to_string(extra.pid) + " connected to " + extra.path;
        auto server =
            std::find_if(container.connections().begin(), container.connections().end(),
                         [&](const AccessSet::Extra& other) {
                             if (other.op != Op::bind || other.error != 0) return false;
                             return other.path == address ||
                                    (inet && is_loopback(address) && other.path.starts_with("inet:") &&
                                     port_of(other.path) == port_of(address));
                         });
        if (server != container.connections().end())
            text += ", served by pid " + std::to_string(server->pid) + " outside the task";
        else if (local)
            text += ", served from outside the task";
        if (judged.not_hermetic.size() == not_hermetic_max) {
            judged.not_hermetic.emplace_back("and more: see connections");
            return;
        }
        judged.not_hermetic.push_back(std::move(text));
    }
}

}  // namespace

Judged judge(Task& task, const AccessSet& container) {
    Judged judged;
    if (task.mode == TaskMode::off) return judged;
    if (task.judges_reads()) judge_reads(task, judged);
    if (task.judges_writes()) judge_writes(task, judged);
    if (task.judge() != nullptr) suggest(task, judged);
    look_at_connections(task, container, judged);
    return judged;
}

}  // namespace spoor
