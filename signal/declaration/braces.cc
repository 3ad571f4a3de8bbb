#include "signal/declaration/braces.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <span>
#include <unordered_set>

#include "base/number.h"

namespace spoor {
namespace {

constexpr int deepest_braces = 64;
constexpr size_t most_rewrites = 100;

// Escaped characters are kept apart from those with a meaning while groups are sought.
struct Token {
    char value;
    bool plain;  // without a meaning here
};
using Text = std::vector<Token>;
using View = std::span<const Token>;

bool is(const Token& token, char value) { return !token.plain && token.value == value; }

Text tokens_of(std::string_view pattern) {
    Text text;
    for (size_t i = 0; i < pattern.size(); ++i) {
        const bool escape = pattern[i] == '\\' && i + 1 < pattern.size() &&
                            std::string_view("\\{},.").find(pattern[i + 1]) != std::string_view::npos;
        if (escape) ++i;
        text.push_back({pattern[i], escape});
    }
    // A leading {} stands for itself, so that `{},a}b` is not a group.
    if (text.size() >= 2 && is(text[0], '{') && is(text[1], '}')) text[0].plain = text[1].plain = true;
    return text;
}

struct BraceGroup {
    size_t open, close;
};

// The first group that is balanced: the match of the first `{` that has one. Unmatched `{` before it are
// text.
std::optional<BraceGroup> first_group(View text) {
    std::vector<size_t> open;
    std::optional<BraceGroup> best;
    for (size_t i = 0; i < text.size(); ++i) {
        if (is(text[i], '{')) {
            open.push_back(i);
        } else if (is(text[i], '}') && !open.empty()) {
            const size_t from = open.back();
            open.pop_back();
            if (open.empty()) return BraceGroup{from, i};
            if (!best || from < best->open) best = BraceGroup{from, i};
        }
    }
    return best;
}

class Expander {
public:
    Expander(const BraceLimits& limits, size_t& work_left)
        : limits_(limits), work_left_(work_left), patience_(std::min(limits.most_work, work_left)) {}

    Result<std::vector<std::string>> run(View text) {
        auto all = expand(Text(text.begin(), text.end()), 0, true);
        if (failed_) return *failed_;
        return all;
    }

private:
    using Strings = std::vector<std::string>;

    void fail(Error error) {
        if (!failed_) failed_ = std::move(error);
    }

    // Charges for work; false when there was too much of it.
    bool spend(size_t work) {
        if (work > patience_) fail(Error{E2BIG, "its braces take too long to expand"});
        patience_ -= std::min(work, patience_);
        work_left_ -= std::min(work, work_left_);
        return !failed_;
    }

    bool within(size_t count, size_t bytes) {
        if (count > limits_.most)
            fail(
                Error{E2BIG, "its braces stand for more than " + std::to_string(limits_.most) + " patterns"});
        else if (bytes > limits_.most_bytes)
            fail(Error{E2BIG,
                       "its braces stand for more than " + std::to_string(limits_.most_bytes) + " bytes"});
        return !failed_;
    }

    // Every prefix with every value.
    Strings combine(const Strings& prefixes, View between, const Strings& values) {
        Strings out;
        const std::string middle = written(between);
        size_t bytes = 0;
        for (const std::string& prefix : prefixes) {
            for (const std::string& value : values) {
                bytes += prefix.size() + middle.size() + value.size();
                const size_t size = prefix.size() + middle.size() + value.size();
                if (!within(out.size() + 1, bytes) || !spend(size + 8)) return {};
                out.push_back(prefix + middle + value);
            }
        }
        return out;
    }

    static std::string written(View text) {
        std::string out;
        for (const Token& token : text) out += token.value;
        return out;
    }

    Strings expand(Text text, int depth, bool top) {
        if (depth > deepest_braces) {
            fail(Error{E2BIG, "its braces are nested more than " + std::to_string(deepest_braces) + " deep"});
            return {};
        }
        // Each call looks at its whole text: what bounds the work of groups that are nested and repeated.
        if (!spend(text.size() + 16)) return {};
        Strings done{""};
        size_t from = 0, rewrites = 0;
        bool first = true, drop_empty = false;
        while (!failed_) {
            const View rest = View(text).subspan(from);
            if (!spend(rest.size())) break;
            const auto group = first_group(rest);
            if (!group) {
                done = combine(done, rest, {""});
                break;
            }
            const View before = rest.first(group->open);
            const View body = rest.subspan(group->open + 1, group->close - group->open - 1);
            const View after = rest.subspan(group->close + 1);
            if (!before.empty() && before.back().value == '$') {  // ${…}
                done = combine(done, rest.first(group->close + 1), {""});
                first = false;
                from += group->close + 1;
                continue;
            }
            auto values = sequence(body);
            const bool is_sequence = values.has_value();
            const bool is_list = std::any_of(body.begin(), body.end(), [](auto t) { return is(t, ','); });
            if (!is_sequence && !is_list) {
                // {a},b}: the brace belongs to a list that ends later.
                if (rewrites < most_rewrites && list_follows(after)) {
                    ++rewrites;
                    text[from + group->close].plain = true;
                    top = true;
                    continue;
                }
                done = combine(done, rest, {""});
                break;
            }
            if (first) drop_empty = top && !is_sequence;
            first = false;
            if (!values) values = members(body, depth);
            done = combine(done, before, *values);
            from += group->close + 1;
        }
        if (drop_empty) std::erase(done, "");
        return done;
    }

    static bool list_follows(View after) {
        bool close = false;
        for (size_t i = after.size(); i-- > 0;) {
            if (is(after[i], '}')) close = true;
            if (after[i].value == '\n' || after[i].value == '\r') close = false;
            const bool comma_next = i + 1 < after.size() && is(after[i + 1], ',');
            if (is(after[i], ',') && close && !comma_next) return true;
        }
        return false;
    }

    Strings members(View body, int depth) {
        std::vector<View> parts;
        size_t from = 0;
        int nesting = 0;
        for (size_t i = 0; i < body.size(); ++i) {
            if (is(body[i], '{')) ++nesting;
            if (is(body[i], '}')) --nesting;
            if (nesting == 0 && is(body[i], ',')) {
                parts.push_back(body.subspan(from, i - from));
                from = i + 1;
            }
        }
        parts.push_back(body.subspan(from));

        Strings values;
        if (parts.size() == 1) {
            // x{{a,b}}y is x{a}y x{b}y, whose braces are text.
            for (const std::string& inner : expand(Text(body.begin(), body.end()), depth + 1, false))
                values.push_back("{" + inner + "}");
            return values;
        }
        size_t bytes = 0;
        for (const View part : parts) {
            for (std::string& value : expand(Text(part.begin(), part.end()), depth + 1, false)) {
                bytes += value.size();
                if (!within(values.size() + 1, bytes)) return {};
                values.push_back(std::move(value));
            }
        }
        return values;
    }

    // 1..9, 01..10..3, a..e..2; nothing if it is no range.
    std::optional<Strings> sequence(View body) {
        if (body.size() > 64 || std::any_of(body.begin(), body.end(), [](const Token& t) { return t.plain; }))
            return std::nullopt;
        const std::string text = written(body);
        std::vector<std::string> ends;
        for (size_t from = 0;;) {
            const size_t dots = text.find("..", from);
            ends.push_back(text.substr(from, dots == std::string::npos ? dots : dots - from));
            if (dots == std::string::npos) break;
            from = dots + 2;
        }
        if (ends.size() < 2 || ends.size() > 3) return std::nullopt;
        int64_t step = 1;
        if (ends.size() == 3) {
            const auto given = number(ends[2]);
            if (!given) return std::nullopt;
            step = std::max<int64_t>(std::abs(*given), 1);
        }
        const auto letter = [](const std::string& end) {
            return end.size() == 1 && ((end[0] | 0x20) >= 'a' && (end[0] | 0x20) <= 'z');
        };
        if (letter(ends[0]) && letter(ends[1])) return letters(ends[0][0], ends[1][0], step);
        const auto first = number(ends[0]), last = number(ends[1]);
        if (!first || !last) return std::nullopt;
        const bool pad = std::any_of(ends.begin(), ends.end(), [](const std::string& end) {
            const size_t digits = end.starts_with('-') ? 1 : 0;
            return end.size() > digits + 1 && end[digits] == '0';
        });
        const size_t width = pad ? std::max(ends[0].size(), ends[1].size()) : 0;
        Strings values;
        size_t bytes = 0;
        const int64_t sign = *last < *first ? -1 : 1;
        for (int64_t i = *first; sign > 0 ? i <= *last : i >= *last; i += sign * step) {
            std::string digits = std::to_string(i < 0 ? -i : i);
            const size_t minus = i < 0 ? 1 : 0;
            if (digits.size() + minus < width) digits.insert(0, width - minus - digits.size(), '0');
            values.push_back((i < 0 ? "-" : "") + digits);
            bytes += values.back().size();
            if (!within(values.size(), bytes)) break;
        }
        return values;
    }

    Strings letters(char first, char last, int64_t step) {
        Strings values;
        const int64_t sign = last < first ? -1 : 1;
        for (int64_t c = first; sign > 0 ? c <= last : c >= last; c += sign * step)
            values.push_back(c == '\\' ? std::string() : std::string(1, static_cast<char>(c)));
        return values;
    }

    // At most 15 digits, which all arithmetic here can take.
    static std::optional<int64_t> number(const std::string& text) {
        const size_t digits = text.size() - (text.starts_with('-') ? 1 : 0);
        if (digits > 15) return std::nullopt;
        return number_in<int64_t>(text);
    }

    const BraceLimits& limits_;
    size_t& work_left_;
    size_t patience_;
    std::optional<Error> failed_;
};

}  // namespace

bool has_braces(std::string_view pattern) {
    bool open = false;
    for (const char c : pattern) {
        if (c == '{') open = true;
        if (c == '\n' || c == '\r') open = false;
        if (c == '}' && open) return true;
    }
    return false;
}

Result<std::vector<std::string>> expand_braces(std::string_view pattern, const BraceLimits& limits,
                                               size_t& work_left) {
    if (!has_braces(pattern)) return std::vector<std::string>{std::string(pattern)};
    auto all = Expander(limits, work_left).run(tokens_of(pattern));
    if (!all) return all;
    std::unordered_set<std::string> seen;
    std::erase_if(*all, [&](const std::string& one) { return !seen.insert(one).second; });
    return all;
}

}  // namespace spoor
