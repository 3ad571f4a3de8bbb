// Paths interned as a tree of names, with a little data at each: what AccessSet keeps its hundreds
// of thousands of paths in. Grows in chunks that never move, so that growing costs no copy and no
// double memory.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "signal/keyed_hash.h"

namespace spoor {

class NameTree {
public:
    using Id = uint32_t;
    static constexpr Id none = 0;
    static constexpr size_t pids = 7;

    struct Node {
        Id parent = none;
        Id first_child = none;
        Id next_sibling = none;
        uint32_t name = 0;  // offset in the names
        uint16_t name_length = 0;
        uint16_t state = 0;                // the owner's bits
        std::array<uint32_t, pids> pid{};  // the owner's; 0: not set
    };

    NameTree();

    // The node of a path, made if it is missing; `none` if that would take more than `limit` bytes
    // of memory, or a component is longer than 65535 bytes.
    Id intern(std::string_view path, size_t limit);
    Id child(Id parent, std::string_view name, size_t limit);

    [[nodiscard]] Node& at(Id id) { return (*chunks_[id / chunk_nodes])[id % chunk_nodes]; }
    [[nodiscard]] const Node& at(Id id) const { return (*chunks_[id / chunk_nodes])[id % chunk_nodes]; }
    [[nodiscard]] std::string_view name(Id id) const;
    [[nodiscard]] std::string path(Id id) const;
    [[nodiscard]] size_t size() const { return nodes_; }
    [[nodiscard]] size_t memory() const;

    // Every node below `top` (and not it), a parent before its children. The tree may not grow
    // meanwhile.
    template <class Take>
    void for_each_below(Id top, Take take) const {
        Id node = top;
        while ((node = next(node, top)) != none) take(node);
    }
    // Every node with its path, in the order of the names' bytes, parents first.
    void for_each_sorted(const std::function<void(Id, std::string_view path)>& take);

private:
    static constexpr size_t chunk_nodes = 512;
    static constexpr size_t chunk_bytes = 64 * 1024;
    // Two roots: of absolute paths, and of anything else.
    static constexpr Id root = 1, relative = 2;

    [[nodiscard]] Id next(Id node, Id top) const;
    [[nodiscard]] Id find(Id parent, std::string_view name, uint64_t hash) const;
    Id add(Id parent, std::string_view name, uint64_t hash);
    Id new_node();
    uint32_t store(std::string_view name);
    void grow_index();
    void sort_children();

    std::vector<std::unique_ptr<std::array<Node, chunk_nodes>>> chunks_;
    std::vector<std::unique_ptr<char[]>> names_;
    std::vector<Id> index_;  // open addressing by (parent, name)
    size_t nodes_ = 0;
    size_t sorted_nodes_ = 0;  // the order of children holds for a tree of this size
    size_t names_used_ = 0;
    KeyedHash hash_;
};

}  // namespace spoor
