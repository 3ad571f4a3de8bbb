#include "signal/declaration/path_table.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <deque>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/path_table.h"
#include "signal/declaration/pattern_set_impl.h"

namespace spoor {
namespace {

uint64_t hash_of(std::string_view name) {
    uint64_t hash = SPOOR_NAME_HASH_BEGIN;
    for (size_t i = name.size(); i-- > 0;) hash = SPOOR_NAME_HASH_STEP(hash, static_cast<uint8_t>(name[i]));
    return hash;
}

constexpr size_t most_literal_entries = 1 << 17;

}  // namespace

class PathTableBuilder {
public:
    PathTableBuilder(const PatternContext& context, const std::function<unsigned(ListMatches)>& verdict,
                     const PathTableLimits& limits)
        : all_(context), verdict_(verdict), limits_(limits), work_left_(limits.work) {
        all_.impl_->spell_by_automaton = true;
    }

    Status add(const PatternSet& list, unsigned number);
    Result<std::vector<uint8_t>> build();

private:
    using Ids = std::vector<uint32_t>;
    // Nodes that say nothing about what lies beneath but "it matches" are not kept: paths that are spelled
    // to their end, thousands of them, share places.
    struct Place {
        const Ids* nodes;  // where something can go on
        ListMatches passed;
        uint16_t row = 0;
    };
    struct Literal {
        uint64_t name;  // as the first reading makes it
        uint16_t from, to;
    };

    [[nodiscard]] Error too_big(const char* what) const {
        return Error{E2BIG, std::string("the declaration's table has too many ") + what};
    }
    [[nodiscard]] PathTree& tree() const { return all_.impl_->tree; }
    [[nodiscard]] ListMatches matches_of(const PathTree::Hits& hits) const;
    // The nodes one name further, without what follows from a `**`.
    [[nodiscard]] Ids step(const Ids& nodes, std::span<const uint32_t> members,
                           const std::string* name) const;
    Result<uint16_t> place_of(Ids nodes, ListMatches passed);
    Status make_row(Place& place);
    Status spell(uint16_t from);
    [[nodiscard]] Result<std::vector<spoor_literal>> hashed() const;
    [[nodiscard]] std::vector<uint8_t> laid_out(uint16_t root,
                                                const std::vector<spoor_literal>& literals) const;

    PatternSet all_;
    std::vector<ListMatches> bit_of_;  // of a pattern in all_
    const std::function<unsigned(ListMatches)>& verdict_;
    PathTableLimits limits_;
    size_t work_left_;

    NameAutomaton::Complete names_{};
    std::unordered_map<uint32_t, std::vector<const std::string*>> spelled_;  // names of a node's children
    std::map<Ids, uint32_t> node_lists_;                                     // and their numbers
    std::map<std::pair<uint64_t, ListMatches>, uint16_t> place_ids_;         // list << 8 | verdict; passed
    std::vector<Place> places_;
    std::vector<uint8_t> verdicts_;
    std::map<std::pair<Ids, ListMatches>, uint16_t> row_ids_;
    std::vector<uint16_t> rows_;
    std::vector<Literal> literals_;
    std::deque<std::string> texts_;
};

Status PathTableBuilder::add(const PatternSet& list, unsigned number) {
    std::vector<std::string> texts;
    for (size_t i = 0; i < list.size(); ++i) texts.push_back(list.text(i));
    const size_t before = all_.size();
    // What the list has taken, this one takes as well, unless both are full.
    if (!all_.add(texts).empty()) return too_big("patterns");
    for (size_t i = before; i < all_.size(); ++i)
        bit_of_.push_back(ListMatches{1} << (2 * number + all_.is_exception(i)));
    return {};
}

ListMatches PathTableBuilder::matches_of(const PathTree::Hits& hits) const {
    ListMatches matches = 0;
    for (const uint32_t pattern : hits.patterns) matches |= bit_of_[pattern];
    return matches;
}

PathTableBuilder::Ids PathTableBuilder::step(const Ids& nodes, std::span<const uint32_t> members,
                                             const std::string* name) const {
    Ids next;
    for (const uint32_t id : nodes) {
        const PathTree::Node& node = tree().nodes_[id];
        if (node.repeats) next.push_back(id);
        tree().for_matching(node, id, members, [&next](uint32_t child) { next.push_back(child); });
        if (name == nullptr || !node.has_names) continue;
        if (const auto child = tree().children_.find({id, *name}); child != tree().children_.end())
            next.push_back(child->second);
    }
    return next;
}

// `passed`: what matches all beneath the nodes before these.
Result<uint16_t> PathTableBuilder::place_of(Ids nodes, ListMatches passed) {
    for (size_t i = 0; i < nodes.size(); ++i)
        if (const uint32_t rest = tree().nodes_[nodes[i]].any_depth; rest != 0) nodes.push_back(rest);
    ListMatches here = passed;
    Ids going_on;
    for (const uint32_t id : nodes) {
        const PathTree::Node& node = tree().nodes_[id];
        here |= matches_of(node.ends);
        passed |= matches_of(node.beneath);
        if (node.repeats || node.has_names || !node.globs.empty()) going_on.push_back(id);
    }
    std::sort(going_on.begin(), going_on.end());
    going_on.erase(std::unique(going_on.begin(), going_on.end()), going_on.end());
    const auto verdict = static_cast<uint8_t>(verdict_(here));
    const auto list =
        node_lists_.try_emplace(std::move(going_on), static_cast<uint32_t>(node_lists_.size())).first;
    const auto [place, made] =
        place_ids_.try_emplace({uint64_t{list->second} << 8 | verdict, passed}, uint16_t{0});
    if (!made) return place->second;
    if (places_.size() >= limits_.places) return too_big("places");
    place->second = static_cast<uint16_t>(places_.size());
    places_.push_back({&list->first, passed, 0});
    verdicts_.push_back(verdict);
    return place->second;
}

// Where names lead that are not spelled here. Places that differ in spelled names alone share a row.
Status PathTableBuilder::make_row(Place& place) {
    Ids wild;
    for (const uint32_t id : *place.nodes) {
        const PathTree::Node& node = tree().nodes_[id];
        if (node.repeats || !node.globs.empty()) wild.push_back(id);
    }
    const size_t number = rows_.size() / names_.classes;
    const auto [row, made] = row_ids_.try_emplace({wild, place.passed}, static_cast<uint16_t>(number));
    place.row = row->second;
    if (!made) return {};
    if (number > 0xFFFF || (number + 1) * names_.classes * sizeof(uint16_t) > limits_.bytes)
        return too_big("wildcards");
    const ListMatches passed = place.passed;  // `place` moves
    for (size_t name_class = 0; name_class < names_.classes; ++name_class) {
        if (work_left_-- == 0) return too_big("wildcards");
        auto to = place_of(step(wild, all_.impl_->names.members(static_cast<uint32_t>(name_class)), nullptr),
                           passed);
        if (!to) return std::move(to).error();
        rows_.push_back(*to);
    }
    return {};
}

// Where names lead that are spelled here.
Status PathTableBuilder::spell(uint16_t from) {
    const Ids& nodes = *places_[from].nodes;
    const ListMatches passed = places_[from].passed;
    std::vector<const std::string*> names;
    for (const uint32_t id : nodes)
        if (const auto some = spelled_.find(id); some != spelled_.end())
            names.insert(names.end(), some->second.begin(), some->second.end());
    std::sort(names.begin(), names.end(), [](const auto* a, const auto* b) { return *a < *b; });
    names.erase(
        std::unique(names.begin(), names.end(), [](const auto* a, const auto* b) { return *a == *b; }),
        names.end());
    for (const std::string* name : names) {
        if (work_left_-- == 0) return too_big("names");
        const uint32_t name_class = all_.impl_->names.classify(*name);
        auto to = place_of(step(nodes, all_.impl_->names.members(name_class), name), passed);
        if (!to) return std::move(to).error();
        literals_.push_back({SPOOR_NAME_OF(hash_of(*name), uint64_t{name_class}), from, *to});
    }
    return {};
}

Result<std::vector<spoor_literal>> PathTableBuilder::hashed() const {
    for (size_t size = std::bit_ceil(2 * literals_.size() + 1); size <= most_literal_entries; size *= 2) {
        std::vector<spoor_literal> table(size, {0, 0, SPOOR_NO_PLACE});
        const bool fits = std::all_of(literals_.begin(), literals_.end(), [&](const Literal& literal) {
            const unsigned at = spoor_literal_at(literal.from, literal.name);
            for (unsigned i = 0; i < SPOOR_PROBES_MAX; ++i) {
                spoor_literal& entry = table[(at + i) & (size - 1)];
                if (entry.to != SPOOR_NO_PLACE) continue;
                entry = {static_cast<uint32_t>(literal.name >> 32), literal.from, literal.to};
                return true;
            }
            return false;
        });
        if (fits) return table;
    }
    return too_big("names");
}

std::vector<uint8_t> PathTableBuilder::laid_out(uint16_t root,
                                                const std::vector<spoor_literal>& literals) const {
    std::vector<uint8_t> out(sizeof(spoor_path_table));
    const auto append = [&out](const auto& list) {
        out.resize((out.size() + 7) & ~size_t{7});
        const size_t at = out.size();
        const size_t bytes = list.size() * sizeof(list[0]);
        out.resize(at + bytes);
        std::memcpy(out.data() + at, list.data(), bytes);
        return static_cast<uint32_t>(at);
    };
    spoor_path_table head{};
    std::vector<uint16_t> steps;
    for (const uint32_t next : names_.steps)  // none: of a byte that no name holds
        steps.push_back(next < names_.class_of.size() ? static_cast<uint16_t>(next) : uint16_t{0});
    const std::vector<uint16_t> classes(names_.class_of.begin(), names_.class_of.end());
    std::vector<spoor_place> places;
    for (size_t i = 0; i < places_.size(); ++i) places.push_back({places_[i].row, verdicts_[i]});
    head.columns = static_cast<uint32_t>(names_.columns);
    head.classes = static_cast<uint32_t>(names_.classes);
    head.name_steps = append(steps);
    head.name_classes = append(classes);
    head.places = append(places);
    head.rows = append(rows_);
    head.literals = append(literals);
    head.literal_mask = static_cast<uint32_t>(literals.size() - 1);
    head.root = root;
    head.bytes = static_cast<uint32_t>(out.size());
    std::copy(names_.column_of.begin(), names_.column_of.end(), head.column_of);
    std::memcpy(out.data(), &head, sizeof head);
    return out;
}

Result<std::vector<uint8_t>> PathTableBuilder::build() {
    auto names = all_.impl_->names.complete(limits_.name_states);
    if (!names) return std::move(names).error();
    names_ = std::move(*names);
    for (const auto& [key, child] : tree().children_) {
        const std::string_view text = key.name;
        texts_.emplace_back(text);
        spelled_[key.node].push_back(&texts_.back());
    }
    auto root = place_of({0}, 0);
    if (!root) return std::move(root).error();
    for (size_t i = 0; i < places_.size(); ++i) {
        Place place = places_[i];
        SPOOR_TRY(make_row(place));
        places_[i].row = place.row;
        SPOOR_TRY(spell(static_cast<uint16_t>(i)));
    }
    auto literals = hashed();
    if (!literals) return std::move(literals).error();
    auto table = laid_out(*root, *literals);
    if (table.size() > limits_.bytes) return too_big("bytes");
    return table;
}

Result<std::vector<uint8_t>> compile_path_table(const PatternContext& context,
                                                std::span<const PatternSet* const> lists,
                                                const std::function<unsigned(ListMatches)>& verdict,
                                                const PathTableLimits& limits) {
    PathTableBuilder builder(context, verdict, limits);
    for (size_t i = 0; i < lists.size(); ++i) SPOOR_TRY(builder.add(*lists[i], static_cast<unsigned>(i)));
    return builder.build();
}

unsigned walk_path_table(std::span<const uint8_t> window, uint32_t table, std::string_view path) {
    const char* const bytes = reinterpret_cast<const char*>(window.data());
    std::vector<unsigned long long> names;
    spoor_name_reading reading;
    spoor_begin_names(&reading, bytes, table);
    bool in_name = false;
    for (size_t i = path.size(); i-- > 0;) {
        if (path[i] != '/') {
            spoor_read_byte(&reading, bytes, static_cast<unsigned char>(path[i]));
            in_name = true;
            continue;
        }
        if (in_name) {
            if (names.size() == SPOOR_PATH_NAMES_MAX) return 0;
            names.push_back(spoor_name_read(&reading, bytes));
        }
        spoor_begin_name(&reading);
        in_name = false;
    }
    spoor_place_walk walk;
    spoor_begin_places(&walk, bytes, table);
    for (size_t i = names.size(); i-- > 0;) spoor_enter_name(&walk, bytes, names[i]);
    return spoor_verdict_here(&walk, bytes);
}

}  // namespace spoor
