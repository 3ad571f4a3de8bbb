// Patterns as a tree of names, and the walk of a path through it. Private to this folder.
//
// Patterns that begin alike share nodes, so a path meets only those that agree with it so far. Where the
// walk stands after a directory is remembered; then a path costs its last name and two lookups.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "signal/declaration/name_automaton.h"

namespace spoor {

class PathTree {
public:
    static constexpr uint32_t none = UINT32_MAX;
    struct Part {
        enum class Kind { name, glob, any_depth };
        Kind kind;
        std::string name;   // name
        uint32_t glob = 0;  // glob: the automaton's id
    };
    struct Pattern {
        bool exception = false;
        bool marked = false;
    };
    // The lowest pattern and the lowest exception that match, or `none`.
    struct Found {
        uint32_t pattern = none;
        uint32_t exception = none;
        void join(const Found& other) {
            pattern = std::min(pattern, other.pattern);
            exception = std::min(exception, other.exception);
        }
    };

    // Both stay the caller's, must outlive this object and may grow.
    PathTree(NameAutomaton& names, std::vector<Pattern>& patterns) : names_(names), patterns_(patterns) {}

    // One expansion of `pattern`. `beneath`: it matches what lies beneath as well.
    void insert(std::span<const Part> parts, bool beneath, uint32_t pattern);
    // `path` is absolute. `mark` marks every pattern that matches.
    Found find(std::string_view path, bool mark);

private:
    friend class PathTableBuilder;
    using Ids = std::vector<uint32_t>;
    struct Hits {
        Ids patterns;
        Found lowest;
        bool marked = false;  // all of them are
    };
    struct Node {
        Hits ends;                                         // patterns that match a path that ends here
        Hits beneath;                                      // and those that match what lies beneath
        std::vector<std::pair<uint32_t, uint32_t>> globs;  // automaton's id, child
        uint32_t any_depth = 0;                            // child for the rest behind **
        bool repeats = false;                              // stays for any further name: it is such a child
        bool has_names = false;
    };
    struct Name {
        uint32_t node;
        std::string_view name;
        bool operator==(const Name&) const = default;
    };
    // Not noexcept: libstdc++ then keeps the hash with the key instead of hashing neighbours again.
    struct NameHash {
        size_t operator()(const Name& key) const {
            return std::hash<std::string_view>()(key.name) ^ (key.node * 0x9E3779B97F4A7C15u);
        }
    };
    // Where a walk stands: the nodes it is at, those whose `beneath` it has passed.
    struct Place {
        Ids nodes;
        Ids passed;
        Ids with_names;  // of nodes
        Found found;     // by `passed`
        bool marked = false;
    };
    // What the wildcards at the end of a walk say about names of one class.
    struct Ending {
        Found found;
        bool marked = false;
    };
    struct PathHash : std::hash<std::string_view> {
        using is_transparent = void;
    };
    static constexpr size_t most_remembered_bytes = 32 * 1024 * 1024;

    uint32_t child(uint32_t node, const Part& part);
    uint32_t enter(uint32_t place, std::string_view name);
    uint32_t place_of(Ids nodes, Ids passed);
    uint32_t directory(std::string_view path);
    void forget();
    void add(Hits& hits, uint32_t pattern);
    void note(Hits& hits, bool mark, Found& found);
    template <class Take>
    void for_matching(const Node& node, uint32_t node_id, std::span<const uint32_t> members, Take take) const;

    NameAutomaton& names_;
    std::vector<Pattern>& patterns_;
    std::vector<Node> nodes_{1};
    std::unordered_map<Name, uint32_t, NameHash> children_;
    std::deque<std::string> texts_;                         // what the keys of children_ point to
    std::unordered_map<uint64_t, uint32_t> glob_children_;  // node << 32 | automaton's id

    bool stale_ = true;  // patterns came since what follows was made
    uint64_t generation_ = 0;
    std::vector<Place> places_;  // 0: nowhere; 1: the root
    std::unordered_map<Ids, uint32_t, IdListHash> place_ids_;
    std::unordered_map<std::string, uint32_t, PathHash, std::equal_to<>> directories_;
    std::unordered_map<uint64_t, Ending> endings_;  // place << 32 | class
    std::string last_directory_;
    uint32_t last_place_ = 0;
    size_t remembered_bytes_ = 0;
};

// Calls `take` with the children of `node` behind wildcards that are among `members`.
template <class Take>
void PathTree::for_matching(const Node& node, uint32_t node_id, std::span<const uint32_t> members,
                            Take take) const {
    if (members.size() < node.globs.size()) {
        for (const uint32_t glob : members)
            if (const auto next = glob_children_.find(uint64_t{node_id} << 32 | glob);
                next != glob_children_.end())
                take(next->second);
        return;
    }
    for (const auto& [glob, next] : node.globs)
        if (std::binary_search(members.begin(), members.end(), glob)) take(next);
}

}  // namespace spoor
