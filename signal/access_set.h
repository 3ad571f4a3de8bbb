// What a task did to which path, for its report: paths interned in a tree of names, a few bits and
// the first pid of each kind beside them. About 75 bytes a path.
//
// The order of accesses decides, as a build cache needs it:
//  - content read before the task wrote it is an *input*; read after, it is the task's own file
//  - content written, created, truncated, or moved or linked to a name is an *output* under that
//    name, unless the name is gone at the end; read and then written is both
//  - rename moves what was written to the new name, for a directory with all that is in it. The old
//    name of a file that the task had not written becomes an input that was not read itself: the new
//    file came from it. So does what is read under the new name of a directory that the task had
//    not made, under its old name
//  - link: the old name is read, the new one written; symlink: the link is written
//  - exec, the dynamic loader, mmap for exec are reads; mmap for shared write is a write
//  - a probe of a name that the task made, or of one that it made go away, says nothing about the
//    world outside, nor does a listing of a directory it made: these are not kept
// Failed operations change nothing (`absent` is an operation of its own).
//
// Paths are bytes; `//` and `/./` fold, `..` never does. Events may be repeated.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "signal/event.h"
#include "signal/keyed_hash.h"
#include "signal/name_tree.h"

namespace spoor {

class AccessSet {
public:
    // Past `memory_limit` bytes new paths are counted (omitted()) but not kept.
    explicit AccessSet(size_t memory_limit);

    // What an access was for the task: content came in that was not its own, or content of its own now
    // stands at a name. Of a directory's move, which takes many names along, nothing is said here.
    struct Effect {
        bool input = false;   // at event.path
        bool output = false;  // at event.to of a rename or link, else at event.path
    };
    Effect add(const AccessEvent& event);

    // Number of a path, for who keeps many; 0 if there is no room.
    uint32_t intern(std::string_view path) { return tree_.intern(path, limit_); }
    [[nodiscard]] std::string path(uint32_t number) const { return tree_.path(number); }

    enum class List {
        inputs,
        outputs,
        files_read,     // the inputs that were read themselves
        own_read,       // read after the task had written them
        files_written,  // under their last name, gone or not
        directories_made,
        listed,
        absent,
        probed,    // present, and neither read nor written
        deleted,   // gone at the end
        metadata,  // mode, owner, times, attributes changed
    };
    struct Entry {
        std::string_view path;  // valid during the call
        uint32_t pid;           // the first that did it
        bool own;               // deleted: the task had made it itself
        bool directory;         // known to be one
    };
    // In the order of the names' bytes, directory by directory.
    void for_each(List list, const std::function<void(const Entry&)>& take);

    struct Rename {
        std::string from, to;
        uint32_t pid;
        bool exchange;
    };
    // In order of time.
    void for_each_rename(const std::function<void(const Rename&)>& take) const;

    // Once each, in order of time: connections and accesses to objects outside the process's root.
    struct Extra {
        Op op;
        std::string path;
        uint32_t pid;
        int error;
    };
    [[nodiscard]] const std::vector<Extra>& connections() const { return connections_; }
    [[nodiscard]] const std::vector<Extra>& unreachable() const { return unreachable_; }

    [[nodiscard]] uint64_t omitted() const { return omitted_; }
    [[nodiscard]] size_t memory() const;

private:
    using Id = NameTree::Id;
    enum Pid : uint8_t { pid_read, pid_write, pid_list, pid_absent, pid_probe, pid_remove, pid_metadata };

    bool read(Id node, uint32_t pid);  // true: not the task's own
    bool read_deleted(Id node, uint32_t pid);
    void write(Id node, uint32_t pid);
    void make_directory(Id node, uint32_t pid);
    void remove(Id node, uint32_t pid);
    Effect rename(Id from, Id to, uint32_t pid, bool directory);
    Effect rename_file(Id from, Id to, uint32_t pid);
    void rename_directory(Id from, Id to, uint32_t pid);
    void exchange(Id a, Id b, uint32_t pid);
    void add_extra(std::vector<Extra>& list, const AccessEvent& event);

    struct Moved {  // something of the task's below a directory, on its way to another name
        Id node;
        uint32_t pid;
        uint16_t state;
    };
    std::vector<Moved> take_below(Id directory);
    void put_below(Id to, Id from, const std::vector<Moved>& moved);
    // `node` is below `from`: the one at the same place below `to`; none if there is no room.
    Id transpose(Id node, Id from, Id to);
    // Something stands at `node` now.
    void appear(Id node);

    void set(Id node, uint16_t bits);
    void clear(Id node, uint16_t bits);
    [[nodiscard]] bool has(Id node, uint16_t bits) const;
    void note(Id node, Pid which, uint32_t pid);
    void mark(Id node, uint16_t bits, Pid which, uint32_t pid);
    [[nodiscard]] bool gone(Id node) const;
    [[nodiscard]] bool is_directory(Id node) const;
    // The nearest directory above that was renamed with unknown content in it, or none.
    [[nodiscard]] Id moved_above(Id node) const;

    NameTree tree_;
    uint16_t ever_ = 0;  // every bit that any node ever had: lists without one need no walk
    struct RenameRecord {
        Id from, to;
        uint32_t pid;
        bool exchange;
    };
    std::vector<RenameRecord> renames_;
    std::unordered_map<Id, Id> origins_;  // a renamed directory of unknown content: its first name
    std::vector<Extra> connections_, unreachable_;
    std::unordered_set<std::string> extras_seen_;
    size_t extra_bytes_ = 0;
    uint64_t omitted_ = 0;
    size_t limit_;
};

}  // namespace spoor
