// Says for a file's name which of many wildcard names (`*.ts`, `!(*.spec).@(ts|tsx)`) match it, reading
// the name once. Private to this folder.
//
// The names become one automaton over bytes that reads backwards. Backwards, "do the bytes from here to
// the end match what follows this place of the pattern" is a plain yes or no per state, known from the
// byte and the answers one byte later; so `!(…)`, which asks "does the rest not match", is a negation of
// an answer that is there already, where a forward automaton would need a product construction and a
// backtracking matcher exponential time. The vector of answers is the state of a deterministic automaton,
// whose states and transitions are made when first met.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "signal/declaration/name_glob.h"

namespace spoor {

// Not noexcept: libstdc++ then keeps the hash with the key instead of hashing neighbours again.
struct IdListHash {
    size_t operator()(const std::vector<uint32_t>& list) const {
        uint64_t hash = 0x9E3779B97F4A7C15u ^ list.size();
        for (const uint32_t id : list) hash = (hash ^ id) * 0xD6E8FEB86659FD93u, hash ^= hash >> 32;
        return static_cast<size_t>(hash);
    }
};

class NameAutomaton {
public:
    explicit NameAutomaton(size_t most_states) : most_states_(most_states), patience_(16 * most_states) {
        clear_cache();
    }

    // The id of a wildcard name; the same for the same text. Forgets all classes.
    Result<uint32_t> add(std::string_view text, const NameSequence& name);

    // The class of a name: names of one class match the same patterns. Valid until generation() changes.
    uint32_t classify(std::string_view name);
    // The ids that match the names of a class, ascending.
    [[nodiscard]] std::span<const uint32_t> members(uint32_t name_class) const {
        return *classes_[name_class];
    }
    // Counts up whenever classes are forgotten.
    [[nodiscard]] uint64_t generation() const { return generation_; }

    // All of the deterministic automaton: state 0 is where every name's end is. A name never holds a NUL
    // or a slash. Valid until add() or classify().
    struct Complete {
        std::array<uint8_t, 256> column_of;  // of a byte
        size_t columns;
        std::span<const uint32_t> steps;  // rows of `columns`: the state one byte to the left
        std::vector<uint32_t> class_of;   // of a state
        size_t classes;
    };
    // E2BIG: there are more states than that.
    Result<Complete> complete(size_t most_states);

private:
    using State = uint32_t;
    struct Edge {
        State from;
        uint8_t first, last;
    };
    // `state` holds where `unless` does not and `when` does.
    struct Gate {
        State state, unless, when;
    };
    struct Node {
        std::vector<Edge> in;         // consuming edges that end here
        std::vector<State> free_in;   // edges that consume nothing
        std::vector<uint32_t> gates;  // those that wait for this state
        uint32_t pattern = none;      // whose first state this is
    };
    struct Met {                        // a state of the deterministic automaton
        const std::vector<State>* key;  // the states that hold and matter, ascending
        uint32_t name_class;
    };
    static constexpr uint32_t none = UINT32_MAX;
    static constexpr size_t most_cached_bytes = 16 * 1024 * 1024;
    static constexpr size_t most_classes = 64 * 1024;

    struct Change {  // of a name being added, to be taken back if there is no room for it
        enum class Kind : uint8_t { byte_edge, free_edge, gate, tail };
        Kind kind;
        uint64_t what;  // the state that was changed; the key in tails_
    };

    State make_state();
    void byte_edge(State from, uint8_t first, uint8_t last, State to);
    void free_edge(State from, State to);
    State byte_before(uint8_t byte, State next);
    void take_back(size_t states, size_t gates);
    State build(const NameSequence& sequence, State next, State after);
    State build(const NameNode& node, State next, State after);
    State build_whole(const NameSequence& name);
    State build_group(const NameNode& group, State next, State after);
    State build_negation(const NameNode& group, State next, State after, bool star_follows);
    State build_any_string(State next);
    State build_characters(const CharSet& set, State next);
    void build_code_points(State from, char32_t first, char32_t last, State next);

    void clear_cache();
    void prepare();
    void begin();
    void hold(State state);
    void settle();
    uint32_t meet();
    uint32_t step(uint32_t from, uint8_t byte);

    size_t most_states_;
    size_t patience_;  // states still to be made, those of refused names included
    bool overflow_ = false;
    std::vector<Change> changes_;
    // Names that end alike share states: next << 9 | byte, or | 256 for any string.
    std::unordered_map<uint64_t, State> tails_;
    std::vector<Node> nodes_{1};  // nodes_[0]: the end of the name
    std::vector<Gate> gates_;     // in an order in which each depends on earlier ones only
    std::unordered_map<std::string, uint32_t> ids_;

    std::array<uint8_t, 256> byte_class_{};
    size_t byte_classes_ = 0;
    bool prepared_ = false;
    std::vector<uint32_t> held_at_;  // round in which a state was found to hold
    std::vector<uint32_t> open_at_;  // the same for gates
    uint32_t round_ = 0;
    std::vector<State> holding_;
    std::vector<State> at_end_;  // what holds at the end of every name: met_[0]
    size_t settled_ = 0;

    std::unordered_map<std::vector<State>, uint32_t, IdListHash> met_ids_;
    std::vector<Met> met_;
    std::vector<uint32_t> steps_;  // met_.size() rows of byte_classes_
    size_t cached_bytes_ = 0;
    std::unordered_map<std::vector<uint32_t>, uint32_t, IdListHash> class_ids_;
    std::vector<const std::vector<uint32_t>*> classes_;
    uint64_t generation_ = 0;
};

}  // namespace spoor
