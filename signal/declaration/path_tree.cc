#include "signal/declaration/path_tree.h"

#include <algorithm>

namespace spoor {

uint32_t PathTree::child(uint32_t node, const Part& part) {
    const auto make = [this] {
        nodes_.emplace_back();
        return static_cast<uint32_t>(nodes_.size() - 1);
    };
    switch (part.kind) {
        case Part::Kind::name: {
            if (const auto known = children_.find({node, part.name}); known != children_.end())
                return known->second;
            texts_.push_back(part.name);
            const uint32_t made = make();
            children_.emplace(Name{node, texts_.back()}, made);
            nodes_[node].has_names = true;
            return made;
        }
        case Part::Kind::glob: {
            const auto [known, added] = glob_children_.try_emplace(uint64_t{node} << 32 | part.glob, 0);
            if (!added) return known->second;
            known->second = make();
            nodes_[node].globs.emplace_back(part.glob, known->second);
            return known->second;
        }
        case Part::Kind::any_depth: {
            if (nodes_[node].any_depth == 0) {
                const uint32_t made = make();
                nodes_[node].any_depth = made;
                nodes_[made].repeats = true;
            }
            return nodes_[node].any_depth;
        }
    }
    return node;
}

void PathTree::insert(std::span<const Part> parts, bool beneath, uint32_t pattern) {
    // A last ** wants at least one name.
    const bool all_beneath = !parts.empty() && parts.back().kind == Part::Kind::any_depth;
    if (all_beneath) parts = parts.first(parts.size() - 1);
    uint32_t node = 0;
    for (const Part& part : parts) node = child(node, part);
    if (!all_beneath) add(nodes_[node].ends, pattern);
    if (all_beneath || beneath) add(nodes_[node].beneath, pattern);
    stale_ = true;
}

void PathTree::forget() {
    stale_ = false;
    place_ids_.clear();
    places_.assign(1, {});
    directories_.clear();
    endings_.clear();
    last_directory_.assign(1, '\0');
    remembered_bytes_ = 0;
    place_of({0}, {});
}

void PathTree::add(Hits& hits, uint32_t pattern) {
    // Numbers rise, so another expansion of the same pattern has added the last one.
    if (!hits.patterns.empty() && hits.patterns.back() == pattern) return;
    hits.patterns.push_back(pattern);
    hits.marked = false;
    uint32_t& lowest = patterns_[pattern].exception ? hits.lowest.exception : hits.lowest.pattern;
    lowest = std::min(lowest, pattern);
}

void PathTree::note(Hits& hits, bool mark, Found& found) {
    found.join(hits.lowest);
    if (!mark || hits.marked) return;
    for (const uint32_t id : hits.patterns) patterns_[id].marked = true;
    hits.marked = true;
}

uint32_t PathTree::place_of(Ids nodes, Ids passed) {
    // What stands at a node stands behind its ** as well, for that may be nothing.
    for (size_t i = 0; i < nodes.size(); ++i)
        if (const uint32_t rest = nodes_[nodes[i]].any_depth; rest != 0) nodes.push_back(rest);
    const auto sort = [](Ids& ids) {
        std::sort(ids.begin(), ids.end());
        ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    };
    sort(nodes);
    sort(passed);
    if (nodes.empty() && passed.empty()) return 0;
    Ids key = nodes;
    key.push_back(none);
    key.insert(key.end(), passed.begin(), passed.end());
    const auto [place, made] = place_ids_.try_emplace(std::move(key), static_cast<uint32_t>(places_.size()));
    if (!made) return place->second;
    remembered_bytes_ += place->first.size() * 3 * sizeof(uint32_t) + sizeof(Place) + 64;
    Place& added = places_.emplace_back();
    for (const uint32_t node : nodes)
        if (nodes_[node].has_names) added.with_names.push_back(node);
    added.nodes = std::move(nodes);
    added.passed = std::move(passed);
    for (const uint32_t node : added.passed) added.found.join(nodes_[node].beneath.lowest);
    return place->second;
}

// The place one name further.
uint32_t PathTree::enter(uint32_t from, std::string_view name) {
    const uint32_t name_class = names_.classify(name);
    const auto members = names_.members(name_class);
    const Place& place = places_[from];
    Ids nodes, passed = place.passed;
    for (const uint32_t id : place.nodes) {
        const Node& node = nodes_[id];
        if (!node.beneath.patterns.empty()) passed.push_back(id);
        if (node.repeats) nodes.push_back(id);
        for_matching(node, id, members, [&nodes](uint32_t next) { nodes.push_back(next); });
        if (!node.has_names) continue;
        if (const auto next = children_.find({id, name}); next != children_.end())
            nodes.push_back(next->second);
    }
    return place_of(std::move(nodes), std::move(passed));
}

// The place of a directory, given without the slash at its end; "" is the root. All is forgotten only before,
// so that places stay valid during one walk.
uint32_t PathTree::directory(std::string_view path) {
    if (path == last_directory_) return last_place_;
    size_t known = path.size();
    uint32_t place = 1;
    // Up to the longest beginning that is remembered, and down again.
    while (known > 0) {
        if (const auto found = directories_.find(path.substr(0, known)); found != directories_.end()) {
            place = found->second;
            break;
        }
        known = path.substr(0, known).rfind('/');
    }
    while (known < path.size() && place != 0) {
        const size_t begin = known + 1;
        const size_t end = std::min(path.find('/', begin), path.size());
        if (end > begin) place = enter(place, path.substr(begin, end - begin));
        known = end;
        directories_.emplace(path.substr(0, known), place);
        remembered_bytes_ += known + 96;
    }
    last_directory_ = path;
    last_place_ = place;
    return place;
}

PathTree::Found PathTree::find(std::string_view path, bool mark) {
    while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
    Found found;
    if (!path.starts_with('/')) return found;
    if (stale_ || remembered_bytes_ > most_remembered_bytes) forget();
    if (path == "/") {
        for (const uint32_t node : places_[1].nodes) note(nodes_[node].ends, mark, found);
        return found;
    }
    const size_t slash = path.rfind('/');
    size_t parent = slash;
    while (parent > 0 && path[parent - 1] == '/') --parent;
    const uint32_t at = directory(path.substr(0, parent));
    if (at == 0) return found;
    const std::string_view name = path.substr(slash + 1);
    const uint32_t name_class = names_.classify(name);
    if (names_.generation() != generation_) {
        // Classes have other numbers now.
        endings_.clear();
        generation_ = names_.generation();
    }
    Place& place = places_[at];
    found = place.found;
    const bool marking = mark && !place.marked;
    if (marking) {
        for (const uint32_t node : place.passed) note(nodes_[node].beneath, true, found);
        place.marked = true;
    }
    const auto [ending, made] = endings_.try_emplace(uint64_t{at} << 32 | name_class);
    Ending& end = ending->second;
    if (made || (mark && !end.marked)) {
        remembered_bytes_ += made ? 64 : 0;
        const auto members = names_.members(name_class);
        for (const uint32_t node : place.nodes) {
            note(nodes_[node].beneath, mark, end.found);
            for_matching(nodes_[node], node, members,
                         [&](uint32_t next) { note(nodes_[next].ends, mark, end.found); });
        }
        end.marked |= mark;
    }
    found.join(end.found);
    for (const uint32_t node : place.with_names)
        if (const auto next = children_.find({node, name}); next != children_.end())
            note(nodes_[next->second].ends, mark, found);
    return found;
}

}  // namespace spoor
