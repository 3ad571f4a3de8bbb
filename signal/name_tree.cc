#include "signal/name_tree.h"

#include <algorithm>
#include <cstring>

namespace spoor {

NameTree::NameTree() : index_(1024, none) {
    new_node();  // the one that `none` numbers
    new_node();
    new_node();
}

NameTree::Id NameTree::new_node() {
    if (nodes_ % chunk_nodes == 0) chunks_.push_back(std::make_unique<std::array<Node, chunk_nodes>>());
    return static_cast<Id>(nodes_++);
}

uint32_t NameTree::store(std::string_view name) {
    // No name straddles two chunks.
    size_t room = names_.empty() ? 0 : chunk_bytes - names_used_ % chunk_bytes;
    if (names_.empty() || (names_used_ == names_.size() * chunk_bytes) || room < name.size()) {
        names_used_ = names_.size() * chunk_bytes;
        names_.push_back(std::make_unique_for_overwrite<char[]>(chunk_bytes));
    }
    size_t offset = names_used_;
    std::memcpy(names_.back().get() + offset % chunk_bytes, name.data(), name.size());
    names_used_ += name.size();
    return static_cast<uint32_t>(offset);
}

std::string_view NameTree::name(Id id) const {
    const Node& node = at(id);
    if (node.name_length == 0) return {};
    return {names_[node.name / chunk_bytes].get() + node.name % chunk_bytes, node.name_length};
}

std::string NameTree::path(Id id) const {
    if (id == root) return "/";
    std::vector<Id> steps;
    Id top = id;
    for (; at(top).parent != none; top = at(top).parent) steps.push_back(top);
    std::string text;
    for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
        if (top == root || !text.empty()) text += '/';
        text += name(*step);
    }
    return text;
}

size_t NameTree::memory() const {
    return chunks_.size() * (sizeof(std::array<Node, chunk_nodes>) + 16) +
           names_.size() * (chunk_bytes + 16) + index_.size() * sizeof(Id);
}

NameTree::Id NameTree::find(Id parent, std::string_view wanted, uint64_t hash) const {
    for (size_t slot = hash & (index_.size() - 1); index_[slot] != none;
         slot = (slot + 1) & (index_.size() - 1)) {
        Id id = index_[slot];
        if (at(id).parent == parent && name(id) == wanted) return id;
    }
    return none;
}

NameTree::Id NameTree::add(Id parent, std::string_view wanted, uint64_t hash) {
    uint32_t offset = store(wanted);
    Id id = new_node();
    Node& node = at(id);
    node.parent = parent;
    node.name = offset;
    node.name_length = static_cast<uint16_t>(wanted.size());
    node.next_sibling = at(parent).first_child;
    at(parent).first_child = id;
    if (nodes_ * 4 > index_.size() * 3) {
        grow_index();
        return id;
    }
    size_t slot = hash & (index_.size() - 1);
    while (index_[slot] != none) slot = (slot + 1) & (index_.size() - 1);
    index_[slot] = id;
    return id;
}

void NameTree::grow_index() {
    // The old one goes first: the nodes hold all that is needed.
    size_t slots = index_.size() * 2;
    index_ = {};
    index_.assign(slots, none);
    for (Id id = relative + 1; id < nodes_; ++id) {
        size_t slot = hash_(at(id).parent, name(id)) & (slots - 1);
        while (index_[slot] != none) slot = (slot + 1) & (slots - 1);
        index_[slot] = id;
    }
}

NameTree::Id NameTree::child(Id parent, std::string_view wanted, size_t limit) {
    uint64_t hash = hash_(parent, wanted);
    if (Id known = find(parent, wanted, hash); known != none) return known;
    if (wanted.size() > UINT16_MAX || memory() > limit) return none;
    return add(parent, wanted, hash);
}

NameTree::Id NameTree::intern(std::string_view path, size_t limit) {
    Id node = path.starts_with('/') ? root : relative;
    for (size_t at = 0; at < path.size();) {
        size_t end = std::min(path.find('/', at), path.size());
        std::string_view name = path.substr(at, end - at);
        at = end + 1;
        if (name.empty() || name == ".") continue;
        node = child(node, name, limit);
        if (node == none) return none;
    }
    return node == relative ? none : node;
}

NameTree::Id NameTree::next(Id node, Id top) const {
    if (at(node).first_child != none) return at(node).first_child;
    while (node != top) {
        if (at(node).next_sibling != none) return at(node).next_sibling;
        node = at(node).parent;
    }
    return none;
}

void NameTree::sort_children() {
    if (sorted_nodes_ == nodes_) return;
    sorted_nodes_ = nodes_;
    std::vector<Id> children;
    for (Id id = root; id < nodes_; ++id) {
        children.clear();
        bool sorted = true;
        for (Id at_child = at(id).first_child; at_child != none; at_child = at(at_child).next_sibling) {
            if (!children.empty() && name(children.back()) > name(at_child)) sorted = false;
            children.push_back(at_child);
        }
        if (sorted) continue;
        std::sort(children.begin(), children.end(), [this](Id a, Id b) { return name(a) < name(b); });
        Id following = none;
        for (auto back = children.rbegin(); back != children.rend(); ++back) {
            at(*back).next_sibling = following;
            following = *back;
        }
        at(id).first_child = following;
    }
}

void NameTree::for_each_sorted(const std::function<void(Id, std::string_view)>& take) {
    sort_children();
    for (Id top : {root, relative}) {
        std::string text = top == root ? "/" : "";
        if (top == root) take(root, text);
        // The path of the node last visited, cut back to the parent's by the length each level had.
        std::vector<std::pair<Id, size_t>> above{{top, top == root ? 0 : SIZE_MAX}};
        for_each_below(top, [&](Id node) {
            while (above.back().first != at(node).parent) above.pop_back();
            size_t length = above.back().second;
            if (length == SIZE_MAX) {
                text.clear();
            } else {
                text.resize(length);
                text += '/';
            }
            text += name(node);
            above.emplace_back(node, text.size());
            take(node, text);
        });
    }
}

}  // namespace spoor
