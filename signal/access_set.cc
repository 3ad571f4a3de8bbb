#include "signal/access_set.h"

#include <algorithm>

namespace spoor {
namespace {

enum State : uint16_t {
    s_input = 1 << 0,        // content read that was not the task's
    s_own_read = 1 << 1,     // content read that was
    s_moved_input = 1 << 2,  // content moved away from here that was not the task's
    s_written = 1 << 3,      // the task's content was here
    s_own = 1 << 4,          // what stands here now is the task's
    s_gone = 1 << 5,         // the task removed or moved away what stood here
    s_removed = 1 << 6,      // … removed
    s_removed_own = 1 << 7,  // … and had made it itself
    s_listed = 1 << 8,
    s_absent = 1 << 9,
    s_probed = 1 << 10,
    s_metadata = 1 << 11,
    s_made_directory = 1 << 12,  // a directory that the task made
    s_directory = 1 << 13,       // known to be a directory
    s_unnamed = 1 << 14,         // the task's content without a name (O_TMPFILE, removed while open)
};

// Bounds of what is not in the tree.
constexpr size_t extra_bytes_max = 2 * 1024 * 1024;
constexpr size_t renames_max = 256 * 1024;

}  // namespace

AccessSet::AccessSet(size_t memory_limit) : limit_(memory_limit) {}

void AccessSet::set(Id node, uint16_t bits) {
    tree_.at(node).state |= bits;
    ever_ |= bits;
}
void AccessSet::clear(Id node, uint16_t bits) { tree_.at(node).state &= static_cast<uint16_t>(~bits); }
bool AccessSet::has(Id node, uint16_t bits) const { return (tree_.at(node).state & bits) != 0; }

void AccessSet::note(Id node, Pid which, uint32_t pid) {
    if (tree_.at(node).pid[which] == 0) tree_.at(node).pid[which] = pid;
}

void AccessSet::mark(Id node, uint16_t bits, Pid which, uint32_t pid) {
    note(node, which, pid);
    set(node, bits);
}

size_t AccessSet::memory() const {
    return tree_.memory() + renames_.capacity() * sizeof(RenameRecord) + origins_.size() * 40 + extra_bytes_;
}

void AccessSet::appear(Id node) { clear(node, s_gone | s_removed | s_removed_own); }

AccessSet::Id AccessSet::transpose(Id node, Id from, Id to) {
    std::vector<Id> steps;
    for (Id step = node; step != from; step = tree_.at(step).parent) steps.push_back(step);
    for (auto step = steps.rbegin(); step != steps.rend() && to != NameTree::none; ++step)
        to = tree_.child(to, tree_.name(*step), limit_);
    if (to == NameTree::none) ++omitted_;
    return to;
}

bool AccessSet::gone(Id node) const {
    for (; node != NameTree::none; node = tree_.at(node).parent)
        if (has(node, s_gone)) return true;
    return false;
}

bool AccessSet::is_directory(Id node) const {
    if (has(node, s_directory | s_made_directory | s_listed)) return true;
    // Below a file only what was looked for and not found.
    bool found = false;
    tree_.for_each_below(node, [&](Id below) { found = found || (tree_.at(below).state & ~s_absent) != 0; });
    return found;
}

AccessSet::Id AccessSet::moved_above(Id node) const {
    if (origins_.empty()) return NameTree::none;
    for (; node != NameTree::none; node = tree_.at(node).parent)
        if (origins_.contains(node)) return node;
    return NameTree::none;
}

bool AccessSet::read(Id node, uint32_t pid) {
    note(node, pid_read, pid);
    Id moved = has(node, s_own) ? NameTree::none : moved_above(node);
    if (moved == NameTree::none) {
        bool own = has(node, s_own);
        set(node, own ? s_own_read : s_input);
        return !own;
    }
    set(node, s_own_read);
    Id origin = transpose(node, moved, origins_.at(moved));
    if (origin != NameTree::none && !has(origin, s_written)) set(origin, s_moved_input);
    return false;
}

bool AccessSet::read_deleted(Id node, uint32_t pid) {
    // The name is gone, so the state of what stands there says nothing: was it ever the task's?
    note(node, pid_read, pid);
    bool own = has(node, s_written | s_unnamed);
    set(node, own ? s_own_read : s_input);
    return !own;
}

void AccessSet::write(Id node, uint32_t pid) {
    note(node, pid_write, pid);
    set(node, s_written | s_own);
    appear(node);
}

void AccessSet::make_directory(Id node, uint32_t pid) {
    note(node, pid_write, pid);
    set(node, s_made_directory | s_directory);
    appear(node);
    origins_.erase(node);
}

void AccessSet::remove(Id node, uint32_t pid) {
    bool own = has(node, s_own | s_made_directory);
    // A repeat must not turn "its own" into "somebody's".
    if (!has(node, s_gone)) {
        set(node, s_removed | s_gone);
        if (own)
            set(node, s_removed_own);
        else
            clear(node, s_removed_own);
    }
    note(node, pid_remove, pid);
    clear(node, s_own | s_made_directory);
    origins_.erase(node);
}

AccessSet::Effect AccessSet::rename(Id from, Id to, uint32_t pid, bool directory) {
    // Two names of one file: rename(2) then does nothing; here it would make the file vanish.
    if (from == to) return {};
    if (!directory && !is_directory(from)) return rename_file(from, to, pid);
    rename_directory(from, to, pid);
    return {};
}

AccessSet::Effect AccessSet::rename_file(Id from, Id to, uint32_t pid) {
    bool repeated = has(from, s_gone);
    write(to, pid);
    if (repeated) return {.input = false, .output = true};
    bool own = has(from, s_own);
    if (!own) set(from, s_moved_input);
    clear(from, s_own | s_written);
    set(from, s_gone);
    return {.input = !own, .output = true};
}

std::vector<AccessSet::Moved> AccessSet::take_below(Id directory) {
    constexpr uint16_t of_the_task = s_written | s_own | s_made_directory;
    std::vector<Moved> moved;
    tree_.for_each_below(directory, [&](Id node) {
        if (has(node, s_own | s_made_directory) && !has(node, s_gone))
            moved.push_back({node, tree_.at(node).pid[pid_write],
                             static_cast<uint16_t>(tree_.at(node).state & of_the_task)});
    });
    for (const Moved& entry : moved) {
        clear(entry.node, of_the_task);
        set(entry.node, s_gone);
    }
    return moved;
}

void AccessSet::put_below(Id to, Id from, const std::vector<Moved>& moved) {
    for (const Moved& entry : moved) {
        Id node = transpose(entry.node, from, to);
        if (node == NameTree::none) continue;
        note(node, pid_write, entry.pid);
        set(node, entry.state);
        if (entry.state & s_made_directory) set(node, s_directory);
        appear(node);
    }
}

void AccessSet::rename_directory(Id from, Id to, uint32_t pid) {
    set(to, s_directory);
    set(from, s_directory);
    appear(to);
    if (has(from, s_gone)) return;  // a repeat
    put_below(to, from, take_below(from));
    note(to, pid_write, pid);
    if (has(from, s_made_directory)) {
        set(to, s_made_directory);
        origins_.erase(to);
    } else {
        // Its content came from the old name, and no event says what it is.
        auto older = origins_.find(from);
        origins_[to] = older == origins_.end() ? from : older->second;
        set(to, s_written);
    }
    origins_.erase(from);
    clear(from, s_made_directory | s_own | s_written);
    set(from, s_gone);
}

void AccessSet::exchange(Id a, Id b, uint32_t pid) {
    if (a == b) return;
    std::vector<Moved> below_a = take_below(a), below_b = take_below(b);
    put_below(b, a, below_a);
    put_below(a, b, below_b);
    bool own_a = has(a, s_own | s_made_directory), own_b = has(b, s_own | s_made_directory);
    bool directory_a = is_directory(a), directory_b = is_directory(b);
    auto arrive = [&](Id node, Id from, bool directory, bool own) {
        if (!own) set(from, s_moved_input);
        clear(node, s_made_directory | s_directory);
        origins_.erase(node);
        if (!directory) return write(node, pid);
        clear(node, s_own | s_written);
        if (own) return make_directory(node, pid);
        note(node, pid_write, pid);
        set(node, s_written | s_directory);
        appear(node);
        origins_[node] = from;
    };
    arrive(a, b, directory_b, own_b);
    arrive(b, a, directory_a, own_a);
}

void AccessSet::add_extra(std::vector<Extra>& list, const AccessEvent& event) {
    std::string key =
        std::to_string(static_cast<int>(event.op)) + (&list == &connections_ ? "c" : "u") + event.path;
    if (extras_seen_.contains(key)) return;
    size_t bytes = 2 * key.size() + sizeof(Extra) + 64;
    if (extra_bytes_ + bytes > extra_bytes_max) {
        ++omitted_;
        return;
    }
    extra_bytes_ += bytes;
    extras_seen_.insert(std::move(key));
    list.push_back({event.op, event.path, event.process.pid, event.error});
}

AccessSet::Effect AccessSet::add(const AccessEvent& event) {
    if (event.op == Op::connect || event.op == Op::bind) {
        add_extra(connections_, event);
        return {};
    }
    if (event.error != 0 && event.op != Op::absent) return {};
    if (event.flags & flag_memory) return {};
    if (event.flags & flag_unreachable) {
        add_extra(unreachable_, event);
        return {};
    }

    Id node = tree_.intern(event.path, limit_);
    Id to = NameTree::none;
    if (event.op == Op::rename || event.op == Op::link) {
        to = tree_.intern(event.to, limit_);
        if (to == NameTree::none) ++omitted_;
    }
    if (node == NameTree::none) {
        ++omitted_;
        if (to != NameTree::none) write(to, event.process.pid);
        return {.input = false, .output = to != NameTree::none};
    }
    uint32_t pid = event.process.pid;
    bool directory = (event.flags & flag_directory) != 0;
    if (directory && event.op != Op::absent) set(node, s_directory);
    bool deleted = (event.flags & flag_deleted) != 0;

    switch (event.op) {
        case Op::read:
        case Op::exec:
        case Op::mmap_exec:
            if (directory) return {};
            return {.input = deleted ? read_deleted(node, pid) : read(node, pid), .output = false};
        case Op::write:
        case Op::create:
        case Op::truncate:
        case Op::mknod:
        case Op::symlink:
        case Op::mmap_write:
            if (!deleted) {
                write(node, pid);
                return {.input = false, .output = true};
            }
            set(node, s_unnamed);
            return {};
        case Op::mkdir:
            make_directory(node, pid);
            return {};
        case Op::remove:
        case Op::rmdir:
            remove(node, pid);
            return {};
        case Op::rename:
            if (to != NameTree::none) {
                bool swap = (event.flags & flag_exchange) != 0;
                if (renames_.size() < renames_max)
                    renames_.push_back({node, to, pid, swap});
                else
                    ++omitted_;
                if (!swap) return rename(node, to, pid, directory);
                exchange(node, to, pid);
                return {};
            }
            remove(node, pid);
            return {};
        case Op::link: {
            Effect effect{.input = !deleted && read(node, pid), .output = to != NameTree::none};
            if (effect.output) write(to, pid);
            return effect;
        }
        case Op::metadata:
            if (!deleted) mark(node, s_metadata, pid_metadata, pid);
            return {};
        case Op::list:
            set(node, s_directory);
            if (!deleted && !has(node, s_made_directory)) mark(node, s_listed, pid_list, pid);
            return {};
        case Op::absent:
            if (!gone(node)) mark(node, s_absent, pid_absent, pid);
            return {};
        case Op::probe:
        case Op::readlink:
            if (!deleted && !has(node, s_own | s_made_directory)) mark(node, s_probed, pid_probe, pid);
            return {};
        case Op::connect:
        case Op::bind:
            break;
    }
    return {};
}

void AccessSet::for_each(List list, const std::function<void(const Entry&)>& take) {
    struct Rule {
        uint16_t any;   // one of these bits
        uint16_t none;  // and none of these
        Pid pid;
    };
    constexpr uint16_t touched = s_input | s_own_read | s_written | s_made_directory;
    auto rule = [list]() -> Rule {
        switch (list) {
            case List::inputs:
                return {s_input | s_moved_input, 0, pid_read};
            case List::outputs:
                return {s_written, s_gone, pid_write};
            case List::files_read:
                return {s_input, 0, pid_read};
            case List::own_read:
                return {s_own_read, s_input, pid_read};
            case List::files_written:
                return {s_written, 0, pid_write};
            case List::directories_made:
                return {s_made_directory, s_gone, pid_write};
            case List::listed:
                return {s_listed, 0, pid_list};
            case List::absent:
                return {s_absent, 0, pid_absent};
            case List::probed:
                return {s_probed, touched, pid_probe};
            case List::deleted:
                return {s_removed, 0, pid_remove};
            case List::metadata:
                return {s_metadata, 0, pid_metadata};
        }
        return {0, 0, pid_read};
    }();
    if ((ever_ & rule.any) == 0) return;
    tree_.for_each_sorted([&](Id id, std::string_view path) {
        const NameTree::Node& node = tree_.at(id);
        if ((node.state & rule.any) == 0 || (node.state & rule.none) != 0) return;
        take({path, node.pid[rule.pid], (node.state & s_removed_own) != 0, (node.state & s_directory) != 0});
    });
}

void AccessSet::for_each_rename(const std::function<void(const Rename&)>& take) const {
    for (const RenameRecord& record : renames_)
        take({tree_.path(record.from), tree_.path(record.to), record.pid, record.exchange});
}

}  // namespace spoor
