#include "signal/declaration/name_automaton.h"

#include <algorithm>

namespace spoor {
namespace {

// Whether a `!(` stands in it, at any depth.
bool negates(const NameSequence& sequence);
bool negates(const NameNode& node) {
    return node.kind == NameNode::Kind::group &&
           (node.type == '!' || std::any_of(node.choices.begin(), node.choices.end(),
                                            [](const auto& choice) { return negates(choice); }));
}
bool negates(const NameSequence& sequence) {
    return std::any_of(sequence.begin(), sequence.end(), [](const NameNode& node) { return negates(node); });
}

bool is_group(const NameNode& node) { return node.kind == NameNode::Kind::group; }
bool is_negation(const NameNode& node) { return is_group(node) && node.type == '!'; }
bool has_group(const NameSequence& sequence) {
    return std::any_of(sequence.begin(), sequence.end(), is_group);
}

const CharSet any_character{{0, last_code_point}};

}  // namespace

NameAutomaton::State NameAutomaton::make_state() {
    // The caller stops soon, and everything that was made is dropped.
    if (nodes_.size() >= most_states_ || patience_ == 0) overflow_ = true;
    if (patience_ > 0) --patience_;
    nodes_.emplace_back();
    return static_cast<State>(nodes_.size() - 1);
}

void NameAutomaton::byte_edge(State from, uint8_t first, uint8_t last, State to) {
    nodes_[to].in.push_back({from, first, last});
    changes_.push_back({Change::Kind::byte_edge, to});
}

void NameAutomaton::free_edge(State from, State to) {
    nodes_[to].free_in.push_back(from);
    changes_.push_back({Change::Kind::free_edge, to});
}

NameAutomaton::State NameAutomaton::byte_before(uint8_t byte, State next) {
    const uint64_t key = uint64_t{next} << 9 | byte;
    if (const auto known = tails_.find(key); known != tails_.end()) return known->second;
    const State state = make_state();
    byte_edge(state, byte, byte, next);
    tails_.emplace(key, state);
    changes_.push_back({Change::Kind::tail, key});
    return state;
}

void NameAutomaton::take_back(size_t states, size_t gates) {
    for (size_t i = changes_.size(); i-- > 0;) {
        const auto [kind, what] = changes_[i];
        switch (kind) {
            case Change::Kind::byte_edge:
                nodes_[what].in.pop_back();
                break;
            case Change::Kind::free_edge:
                nodes_[what].free_in.pop_back();
                break;
            case Change::Kind::gate:
                nodes_[what].gates.pop_back();
                break;
            case Change::Kind::tail:
                tails_.erase(what);
                break;
        }
    }
    nodes_.resize(states);
    gates_.resize(gates);
    overflow_ = false;
}

// A range whose ends have encodings of one length becomes chains of byte ranges: it is split until each
// chain's bytes vary independently.
void NameAutomaton::build_code_points(State from, char32_t first, char32_t last, State next) {
    if (overflow_) return;
    for (const char32_t limit : {char32_t{0x7F}, char32_t{0x7FF}, char32_t{0xFFFF}}) {
        if (first <= limit && last > limit) {
            build_code_points(from, first, limit, next);
            build_code_points(from, limit + 1, last, next);
            return;
        }
    }
    unsigned char low[4], high[4];
    const size_t length = encode_utf8(first, low);
    encode_utf8(last, high);
    for (size_t i = 1; i < length; ++i) {
        const char32_t mask = (char32_t{1} << (6 * i)) - 1;
        if ((first & ~mask) == (last & ~mask)) continue;
        if ((first & mask) != 0) {
            build_code_points(from, first, first | mask, next);
            build_code_points(from, (first | mask) + 1, last, next);
            return;
        }
        if ((last & mask) != mask) {
            build_code_points(from, first, (last & ~mask) - 1, next);
            build_code_points(from, last & ~mask, last, next);
            return;
        }
    }
    State to = next;
    for (size_t i = length; i-- > 1;) {
        const State before = make_state();
        byte_edge(before, low[i], high[i], to);
        to = before;
    }
    byte_edge(from, low[0], high[0], to);
}

NameAutomaton::State NameAutomaton::build_characters(const CharSet& set, State next) {
    const State state = make_state();
    for (const CharRange& range : set) build_code_points(state, range.first, range.last, next);
    return state;
}

NameAutomaton::State NameAutomaton::build_any_string(State next) {
    const uint64_t key = uint64_t{next} << 9 | 256;
    if (const auto known = tails_.find(key); known != tails_.end()) return known->second;
    const State loop = make_state();
    byte_edge(loop, 0, 0xFF, loop);
    free_edge(loop, next);
    tails_.emplace(key, loop);
    changes_.push_back({Change::Kind::tail, key});
    return loop;
}

// `next` is where the name goes on; `after` is what the pattern's text has behind this place, which differs
// from `next` inside of a repeated group: there minimatch's `!(…)` looks past the repetitions.
NameAutomaton::State NameAutomaton::build(const NameSequence& sequence, State next, State after) {
    const auto negation =
        std::find_if(sequence.begin(), sequence.end(), [](const NameNode& node) { return negates(node); });
    const auto first_negation = static_cast<size_t>(negation - sequence.begin());
    for (size_t i = sequence.size(); i-- > 0 && !overflow_;) {
        const bool apart = next != after;
        const State here = build(sequence[i], next, after);
        if (!apart)
            after = here;
        else if (first_negation < i)  // which will ask for it
            after = build(sequence[i], after, after);
        next = here;
    }
    return next;
}

NameAutomaton::State NameAutomaton::build(const NameNode& node, State next, State after) {
    switch (node.kind) {
        case NameNode::Kind::bytes:
            for (size_t i = node.text.size(); i-- > 0;)
                next = byte_before(static_cast<uint8_t>(node.text[i]), next);
            return next;
        case NameNode::Kind::any_string:
            return build_any_string(next);
        case NameNode::Kind::characters:
            return build_characters(node.set, next);
        case NameNode::Kind::group:
            return node.type == '!' ? build_negation(node, next, after, false)
                                    : build_group(node, next, after);
    }
    return next;
}

// "The rest of the name is not one of the choices with what the pattern has behind them, and it goes on as
// the pattern does." `star_follows`: that is a `*` and nothing else, see build_whole().
NameAutomaton::State NameAutomaton::build_negation(const NameNode& group, State next, State after,
                                                   bool star_follows) {
    const State rest = build_any_string(next);
    if (group.anything) return build_characters(any_character, rest);
    const State start = make_state();
    const State forbidden = make_state();
    for (const NameSequence& choice : group.choices) {
        const bool plain = star_follows && !has_group(choice);
        free_edge(forbidden, build(choice, plain ? build_characters(any_character, after) : after, after));
    }
    if (overflow_) return start;
    // After everything that it depends on: see settle().
    gates_.push_back({start, forbidden, rest});
    nodes_[rest].gates.push_back(static_cast<uint32_t>(gates_.size() - 1));
    changes_.push_back({Change::Kind::gate, rest});
    return start;
}

NameAutomaton::State NameAutomaton::build_group(const NameNode& group, State next, State after) {
    const State start = make_state();
    const bool repeats = group.type == '*' || group.type == '+';
    const State again = repeats ? make_state() : next;
    for (const NameSequence& choice : group.choices) {
        const State first = build(choice, again, after);
        free_edge(start, first);
        if (repeats) free_edge(again, first);
    }
    if (repeats) free_edge(again, next);
    if (group.type == '*' || group.type == '?') free_edge(start, next);
    return start;
}

// minimatch wants something of a `*` that is all there is of a piece of text, also where that text is what a
// `!(…)` at the beginning of a name forbids, or what it has behind it: `!(a)*` matches `a`, as in bash.
NameAutomaton::State NameAutomaton::build_whole(const NameSequence& name) {
    const size_t negations = static_cast<size_t>(
        std::find_if_not(name.begin(), name.end(), [](const NameNode& node) { return is_negation(node); }) -
        name.begin());
    if (negations == 0 || std::any_of(name.begin() + static_cast<ptrdiff_t>(negations), name.end(), is_group))
        return build(name, 0, 0);
    const NameSequence rest(name.begin() + static_cast<ptrdiff_t>(negations), name.end());
    const bool star_follows = rest.size() == 1 && rest[0].kind == NameNode::Kind::any_string;
    // Only the last one has nothing but text behind it.
    State next = build(rest, 0, 0);
    NameNode last = name[negations - 1];
    for (NameSequence& choice : last.choices)
        if (choice.size() == 1 && choice[0].kind == NameNode::Kind::any_string)
            choice.insert(choice.begin(), {NameNode::Kind::characters, {}, any_character, 0, {}, false});
    next = build_negation(last, next, next, star_follows);
    for (size_t i = negations - 1; i-- > 0;) next = build_negation(name[i], next, next, false);
    return next;
}

Result<uint32_t> NameAutomaton::add(std::string_view text, const NameSequence& name) {
    if (const auto known = ids_.find(std::string(text)); known != ids_.end()) return known->second;
    changes_.clear();
    const size_t states_before = nodes_.size();
    const size_t gates_before = gates_.size();
    const State inner = build_whole(name);
    const State start = make_state();
    if (overflow_) {
        take_back(states_before, gates_before);
        return Error{E2BIG, "the set has too many wildcards"};
    }
    free_edge(start, inner);
    const auto id = static_cast<uint32_t>(ids_.size());
    nodes_[start].pattern = id;
    ids_.emplace(text, id);
    prepared_ = false;
    return id;
}

void NameAutomaton::clear_cache() {
    met_ids_.clear();
    met_.clear();
    steps_.clear();
    class_ids_.clear();
    classes_.clear();
    cached_bytes_ = 0;
    ++generation_;
}

// Bytes that no edge tells apart share a column of the table.
void NameAutomaton::prepare() {
    std::array<bool, 257> boundary{};
    for (const Node& node : nodes_) {
        for (const Edge& edge : node.in) {
            boundary[edge.first] = true;
            boundary[edge.last + 1u] = true;
        }
    }
    uint8_t column = 0;
    for (size_t byte = 0; byte < 256; ++byte) {
        if (byte > 0 && boundary[byte]) ++column;
        byte_class_[byte] = column;
    }
    byte_classes_ = column + 1u;
    held_at_.assign(nodes_.size(), 0);
    open_at_.assign(gates_.size(), 0);
    round_ = 0;
    clear_cache();
    prepared_ = true;
}

void NameAutomaton::hold(State state) {
    if (held_at_[state] == round_) return;
    held_at_[state] = round_;
    holding_.push_back(state);
}

// Follows the edges that consume nothing. Gates are decided in their order: what a gate negates depends on
// gates before it only, so it has been settled by then.
void NameAutomaton::settle() {
    const auto follow = [this] {
        while (settled_ < holding_.size()) {
            const State state = holding_[settled_++];
            for (const State from : nodes_[state].free_in) hold(from);
            for (const uint32_t gate : nodes_[state].gates)
                if (open_at_[gate] == round_) hold(gates_[gate].state);
        }
    };
    follow();
    for (size_t i = 0; i < gates_.size(); ++i) {
        if (held_at_[gates_[i].unless] == round_) continue;
        open_at_[i] = round_;
        if (held_at_[gates_[i].when] == round_) hold(gates_[i].state);
        follow();
    }
}

// The deterministic state of what holds now.
uint32_t NameAutomaton::meet() {
    std::vector<State> key;
    std::vector<uint32_t> patterns;
    for (const State state : holding_) {
        const Node& node = nodes_[state];
        if (!node.in.empty() || node.pattern != none) key.push_back(state);
        if (node.pattern != none) patterns.push_back(node.pattern);
    }
    std::sort(key.begin(), key.end());
    std::sort(patterns.begin(), patterns.end());
    const auto [place, made] = met_ids_.try_emplace(std::move(key), static_cast<uint32_t>(met_.size()));
    if (!made) return place->second;
    const auto [name_class, new_class] =
        class_ids_.try_emplace(std::move(patterns), static_cast<uint32_t>(classes_.size()));
    if (new_class) classes_.push_back(&name_class->first);
    met_.push_back({&place->first, name_class->second});
    steps_.resize(steps_.size() + byte_classes_, none);
    cached_bytes_ += place->first.size() * sizeof(State) + byte_classes_ * sizeof(uint32_t) + 128;
    return place->second;
}

uint32_t NameAutomaton::step(uint32_t from, uint8_t byte) {
    ++round_;
    holding_.clear();
    settled_ = 0;
    for (const State state : *met_[from].key)
        for (const Edge& edge : nodes_[state].in)
            if (edge.first <= byte && byte <= edge.last) hold(edge.from);
    settle();
    // Only now: the key that was followed lies in the cache.
    if (cached_bytes_ > most_cached_bytes || classes_.size() >= most_classes) {
        clear_cache();
        holding_.swap(at_end_);
        meet();
        holding_.swap(at_end_);
        return meet();
    }
    const uint32_t to = meet();
    steps_[from * byte_classes_ + byte_class_[byte]] = to;
    return to;
}

// Makes the state of a name's end, if there is none yet.
void NameAutomaton::begin() {
    if (!prepared_) prepare();
    if (!met_.empty() && round_ <= UINT32_MAX - 8192) return;
    prepare();
    ++round_;
    holding_.clear();
    settled_ = 0;
    hold(0);
    settle();
    meet();
    at_end_ = holding_;
}

uint32_t NameAutomaton::classify(std::string_view name) {
    begin();
    uint32_t at = 0;
    for (size_t i = name.size(); i-- > 0;) {
        const auto byte = static_cast<uint8_t>(name[i]);
        const uint32_t next = steps_[at * byte_classes_ + byte_class_[byte]];
        at = next != none ? next : step(at, byte);
    }
    return met_[at].name_class;
}

Result<NameAutomaton::Complete> NameAutomaton::complete(size_t most_states) {
    const Error too_many{E2BIG, "the wildcards make more than " + std::to_string(most_states) + " states"};
    begin();
    const uint64_t generation = generation_;
    for (uint32_t state = 0; state < met_.size(); ++state) {
        for (unsigned byte = 1; byte < 256; ++byte) {
            if (byte == '/' || steps_[state * byte_classes_ + byte_class_[byte]] != none) continue;
            step(state, static_cast<uint8_t>(byte));
            if (met_.size() > most_states || generation_ != generation) return too_many;
        }
    }
    Complete all{byte_class_, byte_classes_, steps_, {}, classes_.size()};
    for (const Met& met : met_) all.class_of.push_back(met.name_class);
    return all;
}

}  // namespace spoor
