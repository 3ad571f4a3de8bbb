#include "signal/declaration/name_glob.h"

#include <algorithm>
#include <array>
#include <utility>

namespace spoor {
namespace {

constexpr int deepest_groups = 64;
// Beyond this many levels minimatch takes a group for text, unless its parent can take it in.
constexpr int most_group_levels = 2;

bool begins_group(std::string_view text, size_t at) {
    return at + 1 < text.size() && text[at + 1] == '(' &&
           std::string_view("@?+*!").find(text[at]) != std::string_view::npos;
}

// Whether `parent(…child(…)…)` is the same as one group, so that it adds no level.
bool merges(char parent, char child) {
    std::string_view children;
    switch (parent) {
        case '!':
            children = "?@";
            break;
        case '?':
            children = "?@";
            break;
        case '@':
            children = "?@";
            break;
        case '*':
            children = "*+?@";
            break;
        case '+':
            children = "+@?*";
            break;
        default:
            break;
    }
    return children.find(child) != std::string_view::npos;
}

CharSet normal(CharSet set) {
    std::sort(set.begin(), set.end(), [](auto a, auto b) { return a.first < b.first; });
    CharSet out;
    for (const CharRange& range : set) {
        if (!out.empty() && range.first <= out.back().last + 1)
            out.back().last = std::max(out.back().last, range.last);
        else
            out.push_back(range);
    }
    return out;
}

CharSet complement(const CharSet& set) {
    CharSet out;
    char32_t next = 0;
    for (const CharRange& range : normal(set)) {
        if (range.first > next) out.push_back({next, range.first - 1});
        next = range.last + 1;
    }
    if (next <= last_code_point) out.push_back({next, last_code_point});
    return out;
}

struct PosixClass {
    std::string_view name;
    std::string_view ranges;  // pairs
    bool outside;             // the class is what is not in `ranges`, and everything that is not ASCII
};
constexpr std::array<PosixClass, 14> posix_classes{{
    {"[:alnum:]", "azAZ09", false},
    {"[:alpha:]", "azAZ", false},
    {"[:ascii:]", std::string_view("\0\x7f", 2), false},
    {"[:blank:]", "  \t\t", false},
    {"[:cntrl:]", std::string_view("\0\x1f\x7f\x7f", 4), false},
    {"[:digit:]", "09", false},
    {"[:graph:]", std::string_view("\0 \x7f\x7f", 4), true},
    {"[:lower:]", "az", false},
    {"[:print:]", std::string_view("\0\x1f\x7f\x7f", 4), true},
    // What Unicode calls punctuation: symbols such as + and $ are none.
    {"[:punct:]", "!#%*,/:;?@[]__{{}}", false},
    {"[:space:]", "  \t\r", false},
    {"[:upper:]", "AZ", false},
    {"[:word:]", "azAZ09__", false},
    {"[:xdigit:]", "afAF09", false},
}};

CharSet set_of(std::string_view pairs) {
    CharSet set;
    for (size_t i = 0; i + 1 < pairs.size(); i += 2)
        set.push_back({static_cast<unsigned char>(pairs[i]), static_cast<unsigned char>(pairs[i + 1])});
    return normal(std::move(set));
}

// [...] at `at`: moves past it and gives its characters, or leaves `at` if it is no class. A class that
// cannot match takes the rest of the text with it.
bool read_class(std::string_view text, size_t& at, CharSet& out) {
    size_t i = at + 1;
    bool negated = false;
    if (i < text.size() && (text[i] == '!' || text[i] == '^')) {
        negated = true;
        ++i;
    }
    CharSet inside, not_outside;
    bool any_outside = false, seen = false, escaped = false, in_range = false;
    char32_t range_first = 0;
    const auto nothing = [&] {
        out.clear();
        at = text.size();
        return true;
    };
    while (i < text.size()) {
        if (text[i] == ']' && seen && !escaped) {
            if (inside.empty() && !any_outside) return nothing();
            CharSet result = negated && !inside.empty() ? complement(inside) : normal(inside);
            if (any_outside) {
                const CharSet rest = negated ? normal(not_outside) : complement(not_outside);
                result.insert(result.end(), rest.begin(), rest.end());
            }
            out = normal(std::move(result));
            at = i + 1;
            return true;
        }
        seen = true;
        if (text[i] == '\\' && !escaped) {
            escaped = true;
            ++i;
            continue;
        }
        if (text[i] == '[' && !escaped) {
            const auto known = std::find_if(posix_classes.begin(), posix_classes.end(), [&](const auto& one) {
                return text.substr(i).starts_with(one.name);
            });
            if (known != posix_classes.end()) {
                if (in_range) return nothing();
                CharSet set = set_of(known->ranges);
                any_outside |= known->outside;
                CharSet& into = known->outside ? not_outside : inside;
                into.insert(into.end(), set.begin(), set.end());
                i += known->name.size();
                continue;
            }
        }
        escaped = false;
        const char32_t c = next_character(text, i);
        if (c == no_character) continue;
        if (in_range) {
            if (c >= range_first) inside.push_back({range_first, c});
            in_range = false;
        } else if (text.substr(i).starts_with("-]")) {
            inside.push_back({c, c});
            inside.push_back({'-', '-'});
            ++i;
        } else if (text.substr(i).starts_with("-")) {
            range_first = c;
            in_range = true;
            ++i;
        } else {
            inside.push_back({c, c});
        }
    }
    return false;
}

NameNode bytes_node(std::string text) { return {NameNode::Kind::bytes, std::move(text), {}, 0, {}, false}; }

// Text without groups: wildcards, classes, escapes.
void read_text(std::string_view text, NameSequence& out) {
    std::string bytes;
    const auto flush = [&] {
        if (!bytes.empty()) out.push_back(bytes_node(std::exchange(bytes, {})));
    };
    for (size_t i = 0; i < text.size();) {
        if (text[i] == '\\') {
            // A last one stands for itself.
            if (i + 1 < text.size()) ++i;
            bytes += text[i++];
            continue;
        }
        if (text[i] == '*') {
            flush();
            while (i < text.size() && text[i] == '*') ++i;
            out.push_back({NameNode::Kind::any_string, {}, {}, 0, {}, false});
            continue;
        }
        if (text[i] == '?') {
            ++i;
            flush();
            out.push_back({NameNode::Kind::characters, {}, complement({}), 0, {}, false});
            continue;
        }
        CharSet set;
        if (text[i] == '[' && read_class(text, i, set)) {
            // [*] is a way to write a plain *.
            if (set.size() == 1 && set[0].first == set[0].last) {
                unsigned char encoded[4];
                const size_t length = encode_utf8(set[0].first, encoded);
                bytes.append(reinterpret_cast<const char*>(encoded), length);
                continue;
            }
            flush();
            out.push_back({NameNode::Kind::characters, {}, std::move(set), 0, {}, false});
            continue;
        }
        bytes += text[i++];
    }
    flush();
}

class Parser {
public:
    explicit Parser(std::string_view text) : text_(text) {}

    Result<NameSequence> run() {
        NameSequence sequence;
        Brackets brackets;
        size_t from = 0, at = 0;
        while (at < text_.size()) {
            if (brackets.takes(text_, at) || !begins_group(text_, at)) {
                ++at;
                continue;
            }
            read_text(text_.substr(from, at - from), sequence);
            group(at, 1, sequence);
            from = at;
        }
        read_text(text_.substr(from), sequence);
        if (too_deep_)
            return Error{E2BIG,
                         "its groups are nested more than " + std::to_string(deepest_groups) + " deep"};
        return sequence;
    }

private:
    // Follows escapes and classes, inside of which nothing begins a group.
    class Brackets {
    public:
        // Whether the character at `at` belongs to one.
        bool takes(std::string_view text, size_t at) {
            const char c = text[at];
            if (escaped_ || c == '\\') {
                escaped_ = !escaped_;
                return true;
            }
            if (inside_) {
                if (at == start_) {
                    negated_ = c == '^' || c == '!';
                } else if (c == ']' && !(at == start_ + 1 && negated_)) {
                    inside_ = false;
                }
                return true;
            }
            if (c != '[') return false;
            inside_ = true;
            negated_ = false;
            start_ = at + 1;
            return true;
        }

    private:
        bool escaped_ = false, inside_ = false, negated_ = false;
        size_t start_ = 0;
    };

    // The group at `at`, whose type is there and whose `(` is next. One that does not end is text, up to the
    // end, and so are those around it.
    void group(size_t& at, int level, NameSequence& into) {
        const size_t begin = at;
        if (++nesting_ > deepest_groups) {
            too_deep_ = true;
            at = text_.size();
            return;
        }
        NameNode node{NameNode::Kind::group, {}, {}, text_[at], {}, false};
        at += 2;
        Brackets brackets;
        NameSequence choice;
        size_t from = at;
        while (at < text_.size()) {
            const char c = text_[at];
            if (brackets.takes(text_, at)) {
                ++at;
            } else if (begins_group(text_, at) && (level <= most_group_levels || merges(node.type, c))) {
                read_text(text_.substr(from, at - from), choice);
                group(at, merges(node.type, c) ? level : level + 1, choice);
                from = at;
            } else if (c == '|' || c == ')') {
                node.anything = node.type == '!' && from == at && c == ')';
                read_text(text_.substr(from, at - from), choice);
                node.choices.push_back(std::exchange(choice, {}));
                from = ++at;
                if (c == ')') {
                    --nesting_;
                    into.push_back(simplified(std::move(node)));
                    return;
                }
            } else {
                ++at;
            }
        }
        --nesting_;
        read_text(text_.substr(begin), into);
    }

    // A group of one group. What minimatch merges as well, where it makes a difference.
    static NameNode simplified(NameNode node) {
        if (node.choices.size() != 1 || node.choices[0].size() != 1 ||
            node.choices[0][0].kind != NameNode::Kind::group)
            return node;
        NameNode inner = node.choices[0][0];
        if (node.type == '@') {
            inner.anything = false;
            return inner;
        }
        if (node.type == '!' && inner.type == '!') {
            inner.type = '@';
            inner.anything = false;
            return inner;
        }
        return node;
    }

    std::string_view text_;
    int nesting_ = 0;
    bool too_deep_ = false;
};

}  // namespace

size_t encode_utf8(char32_t c, unsigned char (&out)[4]) {
    if (c < 0x80) {
        out[0] = static_cast<unsigned char>(c);
        return 1;
    }
    const size_t length = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = length; i-- > 1; c >>= 6) out[i] = static_cast<unsigned char>(0x80 | (c & 0x3F));
    out[0] = static_cast<unsigned char>((0xF00 >> length) | c);
    return length;
}

char32_t next_character(std::string_view text, size_t& at) {
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char lead = byte(at++);
    if (lead < 0x80) return lead;
    const size_t more = lead < 0xC2 ? 0 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : lead < 0xF5 ? 3 : 0;
    if (more == 0 || at + more > text.size()) return no_character;
    char32_t value = lead & (0x3F >> more);
    for (size_t i = at; i < at + more; ++i) {
        if ((byte(i) & 0xC0) != 0x80) return no_character;
        value = value << 6 | (byte(i) & 0x3F);
    }
    at += more;
    return value;
}

Result<NameSequence> parse_name_glob(std::string_view text) {
    auto sequence = Parser(text).run();
    if (!sequence) return sequence;
    // A group of nothing that is all there is: no group to minimatch.
    if (sequence->size() == 1 && sequence->front().kind == NameNode::Kind::group &&
        sequence->front().type != '!') {
        const auto& choices = sequence->front().choices;
        if (std::all_of(choices.begin(), choices.end(), [](const auto& choice) { return choice.empty(); }))
            return NameSequence{bytes_node(std::string(text))};
    }
    return sequence;
}

bool literal_name(const NameSequence& name, std::string& bytes) {
    bytes.clear();
    for (const NameNode& node : name) {
        if (node.kind != NameNode::Kind::bytes) return false;
        bytes += node.text;
    }
    return true;
}

}  // namespace spoor
