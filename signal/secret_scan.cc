#include "signal/secret_scan.h"

#include <algorithm>
#include <utility>

#include "signal/redact.h"

namespace spoor {
namespace {

using Next = CommandContext::Next;

bool is_upper_alnum(char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'); }
bool is_ascii_alnum(char c) { return is_upper_alnum(c) || (c >= 'a' && c <= 'z'); }
bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_quote(char c) { return c == '"' || c == '\'' || c == '`'; }
// What ends a command of a script.
bool is_operator(char c) { return c == ';' || c == '|' || c == '&' || c == '(' || c == ')' || c == '\n'; }
bool is_name_char(char c) { return is_ascii_alnum(c) || c == '_' || c == '-' || c == '.'; }
// The characters that tokens are made of.
bool is_token_char(char c) { return is_name_char(c) || c == '+' || c == '/' || c == '=' || c == '~'; }

bool starts_with_nocase(std::string_view text, std::string_view lower_prefix) {
    return text.size() >= lower_prefix.size() &&
           std::equal(lower_prefix.begin(), lower_prefix.end(), text.begin(), [](char a, char b) {
               return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b + 32) : b);
           });
}

size_t run_end(std::string_view text, size_t from, bool (*member)(char)) {
    while (from < text.size() && member(text[from])) ++from;
    return from;
}

// Is this option one whose next argument is a script: -c, -lc, -ec?
bool takes_script(std::string_view option) {
    return option.size() >= 2 && option.size() <= 6 && option[0] == '-' && option[1] != '-' &&
           option.back() == 'c';
}

// -x or --xyz, where a value could stand as well.
bool is_option(std::string_view word) {
    return (word.size() == 2 && word[0] == '-') ||
           (word.size() > 2 && word.starts_with("--") && is_ascii_alnum(word[2]));
}

}  // namespace

std::string SecretScan::redacted(CommandContext& context) {
    std::string out;
    size_t copied = 0;
    Range ahead;  // found already, but what is before it is still to be looked through
    for (size_t at = 0; at < text_.size();) {
        Range found;
        if (ahead.length > 0 && at >= ahead.start) {
            const size_t end = ahead.start + ahead.length;
            ahead = {};
            if (end > at) found = {at, end - at};
        } else {
            found = find(at, context);
            if (found.length > 0 && found.start > at) {
                if (ahead.length > 0) {
                    const size_t end = std::max(found.start + found.length, ahead.start + ahead.length);
                    found.start = std::min(found.start, ahead.start);
                    found.length = end - found.start;
                }
                ahead = found;
                found = {};
            }
        }
        if (found.length == 0) {
            ++at;
            continue;
        }
        const bool joins = copied > 0 && copied == found.start;
        out.append(text_, copied, found.start - copied);
        if (!joins) out += spoor::redacted;
        at = copied = found.start + found.length;
    }
    if (argument_ && text_.empty()) context.next = Next::anything;
    out.append(text_, copied);
    return out;
}

SecretScan::Range SecretScan::find(size_t at, CommandContext& context) {
    // The name of a variable is no secret, where a shell would expand it.
    const auto shown = [&](Range range) { return !(argument_ && at == 0) && is_reference(range); };
    if (word_begins(at)) {
        Range found = word_rules(at, argument_ && at > 0 ? inner_ : context);
        if (found.length > 0 && !shown(found)) return found;
    }
    Range found = place_rules(at);
    return found.length > 0 && !shown(found) ? found : Range{};
}

bool SecretScan::word_begins(size_t at) const {
    if (is_space(text_[at])) return false;
    if (at == 0) return true;
    const char before = text_[at - 1];
    return is_space(before) || is_quote(before) || is_operator(before);
}

SecretScan::Range SecretScan::value_from(size_t start, bool whole) {
    const size_t end = whole ? text_.size() : value_end(start, Place::word);
    return {start, end - start};
}

SecretScan::Range SecretScan::behind(size_t start, bool whole, char separator) {
    // A name is not longer. Without a separator so near, the value is not looked for: its later words
    // would look for theirs again.
    constexpr size_t name_max = 1024;
    const size_t found = text_.substr(std::min(start, text_.size()), name_max).find(separator);
    if (found == std::string_view::npos) return {};
    const Range value = value_from(start, whole);
    if (value.length <= found + 1) return {};
    return {start + found + 1, value.length - found - 1};
}

SecretScan::Range SecretScan::word_rules(size_t at, CommandContext& context) {
    const bool whole = argument_ && at == 0;
    if (at > 0 && is_operator(text_[at - 1])) context = {};
    size_t end = at;
    while (end < text_.size() && !is_space(text_[end]) && !is_quote(text_[end]) && !is_operator(text_[end]))
        ++end;
    const std::string_view word = text_.substr(at, end - at);

    const Next next = std::exchange(context.next, Next::anything);
    if (next == Next::secret && !is_option(word)) return value_from(at, whole);
    if (next == Next::behind_colon || next == Next::behind_percent)
        if (Range found = behind(at, whole, next == Next::behind_colon ? ':' : '%'); found.length > 0)
            return found;
    if (word.empty()) return {};  // a quote: its content is a word
    if (word[0] == '-' && word.size() > 1) return option_rules(at, end, context);

    if (whole) {
        // NAME=value, where the value may hold spaces.
        size_t equals = run_end(text_, 0, is_name_char);
        if (equals < text_.size() && text_[equals] == '=' && book_.is_secret_name(text_.substr(0, equals)))
            return {equals + 1, text_.size() - equals - 1};
    }
    if (context.setting && book_.is_secret_name(word)) context.next = Next::secret;
    if (word == "set" || word == "config") context.setting = true;
    // An argument of several words is a command of its own.
    if (auto options = SecretBook::options_of(word); !options.empty())
        (whole && end < text_.size() ? inner_ : context).options = options;
    return {};
}

SecretScan::Range SecretScan::option_rules(size_t at, size_t end, CommandContext& context) {
    const bool whole = argument_ && at == 0;
    const std::string_view word = text_.substr(at, end - at);
    const size_t equals = word.find('=');
    for (const SecretOption& option : context.options) {
        const char separator = option.value == SecretOption::Value::behind_colon     ? ':'
                               : option.value == SecretOption::Value::behind_percent ? '%'
                                                                                     : '\0';
        const size_t size = option.option.size();
        if (option.separate && word == option.option) {
            context.next = separator == ':'   ? Next::behind_colon
                           : separator == '%' ? Next::behind_percent
                                              : Next::secret;
            // -p'quoted value'
            if (!(option.attached && end < text_.size() && is_quote(text_[end]))) return {};
            context.next = Next::anything;
        } else if (!(option.attached && word.starts_with(option.option)) &&
                   !(option.separate && equals == size && word.starts_with(option.option))) {
            continue;
        }
        const size_t start = at + size + (equals == size ? 1 : 0);
        const Range found = separator == '\0' ? value_from(start, whole) : behind(start, whole, separator);
        if (found.length > 0) return found;
    }
    if (equals == std::string_view::npos) {
        // In an argument, a name goes to its end: "--token x" as one argument is none.
        const bool name = std::all_of(word.begin(), word.end(), is_name_char) ||
                          word.starts_with("--//");  // an npm setting: --//registry.example/:_authToken
        if (name && (!whole || end == text_.size())) {
            if (book_.is_secret_name(word))
                context.next = Next::secret;
            else if (whole && takes_script(word))
                context.next = Next::script;
        }
    } else if (whole && book_.is_secret_name(word.substr(0, equals))) {
        return {equals + 1, text_.size() - equals - 1};
    }
    return {};
}

SecretScan::Range SecretScan::place_rules(size_t at) {
    const char c = text_[at];
    if (c == '=') return assignment(at);
    if (c == ':') return colon(at);
    if (c == '-')
        if (Range found = private_key(at); found.length > 0) return found;
    if (c == 'B' || c == 'b')
        if (Range found = credentials(at); found.length > 0) return found;
    return shape(at);
}

// NAME=value and, outside of a shell's syntax, NAME = value.
SecretScan::Range SecretScan::assignment(size_t at) {
    size_t end = at;
    for (int blanks = 0; blanks < 4 && end > 0 && is_blank(text_[end - 1]); ++blanks) --end;
    const bool spaced = end < at;
    if (end > 0 && is_quote(text_[end - 1])) --end;
    size_t begin = end;
    while (begin > 0 && is_name_char(text_[begin - 1])) --begin;
    if (begin == end || !book_.is_secret_name(text_.substr(begin, end - begin))) return {};
    size_t start = at + 1;
    if (spaced) start = run_end(text_, start, is_blank);
    const bool query = begin > 0 && (text_[begin - 1] == '?' || text_[begin - 1] == '&');
    return {start, value_end(start, query ? Place::query : Place::word) - start};
}

// scheme://user:password@host, NAME: value, "NAME": "value", NAME:value, header fields.
SecretScan::Range SecretScan::colon(size_t at) {
    if (text_.substr(at).starts_with("://")) {
        const bool http = (at >= 4 && starts_with_nocase(text_.substr(at - 4), "http")) ||
                          (at >= 5 && starts_with_nocase(text_.substr(at - 5), "https"));
        return userinfo(at + 3, http);
    }
    if ((at > 0 && text_[at - 1] == ':') || (at + 1 < text_.size() && text_[at + 1] == ':')) return {};
    size_t end = at;
    if (end > 0 && is_quote(text_[end - 1])) --end;
    if (end < at && end > 0 && text_[end - 1] == '\\') --end;
    size_t begin = end;
    while (begin > 0 && is_name_char(text_[begin - 1])) --begin;
    const std::string_view name = text_.substr(begin, end - begin);
    if (name.empty() || !book_.is_secret_name(name)) return {};
    const size_t start = run_end(text_, at + 1, is_blank);
    const bool quoted = start < text_.size() && (is_quote(text_[start]) || text_[start] == '\\');
    if (quoted || (start == at + 1 && !SecretBook::is_header(name)))
        return {start, value_end(start, Place::field) - start};
    size_t line_end = start;
    while (line_end < text_.size() && text_[line_end] != '\n' && text_[line_end] != '\r' &&
           !(is_quote(text_[line_end]) && quote_closes(line_end)))
        ++line_end;
    return {start, line_end - start};
}

// The secret of a URL's user part: the password, or over HTTP a user without one.
SecretScan::Range SecretScan::userinfo(size_t authority, bool http) {
    size_t end = authority;
    size_t last_at = std::string_view::npos;
    while (end < text_.size() && !is_space(text_[end]) && !is_quote(text_[end]) && text_[end] != '/' &&
           text_[end] != '?' && text_[end] != '#') {
        if (text_[end] == '@') last_at = end;
        ++end;
    }
    // A password that was cut has no '@' yet.
    if (last_at == std::string_view::npos) {
        if (!at_cut_end(end)) return {};
        last_at = end;
    }
    const size_t found = text_.substr(authority, last_at - authority).find(':');
    if (found == std::string_view::npos && !http) return {};
    const size_t start = found == std::string_view::npos ? authority : authority + found + 1;
    return {start, last_at - start};
}

SecretScan::Range SecretScan::private_key(size_t at) {
    constexpr size_t longest_line = 64;
    if (!text_.substr(at).starts_with("-----BEGIN ")) return {};
    if (text_.substr(at, longest_line).find("PRIVATE KEY") == std::string_view::npos) return {};
    const size_t end = text_.find("-----END ", at);
    const size_t close = end == std::string_view::npos ? end : text_.find("-----", end + 9);
    return {at, (close == std::string_view::npos ? text_.size() : close + 5) - at};
}

// Behind "Bearer", "Basic". "basic" is also an everyday word, so what follows must look like
// credentials.
SecretScan::Range SecretScan::credentials(size_t at) {
    if (at > 0 && is_ascii_alnum(text_[at - 1])) return {};
    const auto behind_word = [&](std::string_view word, size_t least) -> Range {
        if (!starts_with_nocase(text_.substr(at), word)) return {};
        const size_t start = run_end(text_, at + word.size(), is_blank);
        if (start == at + word.size()) return {};
        const size_t end = run_end(text_, start, is_token_char);
        if (end - start < least && !at_cut_end(end)) return {};
        // NAME='…' is made of such characters as well: all that hangs together goes.
        return {start, std::max(end, value_end(start, Place::word)) - start};
    };
    if (Range found = behind_word("bearer", 6); found.length > 0) return found;
    return behind_word("basic", 16);
}

// Keys known by their shape. A JSON web token has two dots in it, which tells it from any base64 of
// an object.
SecretScan::Range SecretScan::shape(size_t at) {
    const auto& shapes = book_.shapes_from(text_[at]);
    if (shapes.empty() || (at > 0 && (is_ascii_alnum(text_[at - 1]) || text_[at - 1] == '_'))) return {};
    for (const SecretShape& shape : shapes) {
        if (!text_.substr(at).starts_with(shape.prefix)) continue;
        if (shape.kind == SecretShape::Kind::web_token) {
            if (at < no_web_token_before_) continue;
            size_t end = at;
            int dots = 0;
            while (end < text_.size() && (is_token_char(text_[end]))) dots += text_[end++] == '.';
            if (at_cut_end(end) || (dots >= 2 && end - at >= shape.prefix.size() + shape.tail))
                return {at, std::max(end, value_end(at, Place::word)) - at};
            no_web_token_before_ = end;
            continue;
        }
        const size_t end =
            run_end(text_, at, shape.kind == SecretShape::Kind::upper ? is_upper_alnum : is_name_char);
        if (end - at >= shape.prefix.size() + shape.tail || at_cut_end(end)) return {at, end - at};
    }
    return {};
}

// Does this quote end something, rather than begin it or stand within a word?
bool SecretScan::quote_closes(size_t at) const {
    if (at + 1 >= text_.size()) return true;
    const char next = text_[at + 1];
    return is_space(next) || is_quote(next) || is_operator(next) || next == ',' || next == ']' ||
           next == '}' || next == '>' || next == ':';
}

size_t SecretScan::closing_quote(size_t from, char quote) {
    size_t& none_from = no_quote_from_[static_cast<unsigned char>(quote)];
    if (none_from != 0 && from + 1 >= none_from) return std::string_view::npos;
    const size_t found = text_.find(quote, from);
    if (found == std::string_view::npos) none_from = from + 1;
    return found;
}

size_t SecretScan::value_end(size_t from, Place place) {
    size_t at = from;
    while (at < text_.size()) {
        const char c = text_[at];
        if (is_space(c) || (place == Place::query && (c == '&' || c == '#'))) break;
        // A quote begins the value or a part of it (to its closing one), or ends what is around the
        // value. \" is one of an inner level.
        const bool escaped = c == '\\' && at + 1 < text_.size() && is_quote(text_[at + 1]);
        if (escaped || is_quote(c)) {
            const size_t quote = escaped ? at + 1 : at;
            if (at > from && quote_closes(quote)) break;
            size_t close = closing_quote(quote + 1, text_[quote]);
            // \" inside of "…" does not end it.
            while (!escaped && text_[quote] == '"' && close != std::string_view::npos &&
                   text_[close - 1] == '\\')
                close = closing_quote(close + 1, text_[quote]);
            if (close == std::string_view::npos) {
                if (at == from && !cut_) break;  // the closing one of an empty value
                return text_.size();
            }
            at = close + 1;
            if (place == Place::field && quote_closes(close)) break;
            if (at < text_.size() && is_operator(text_[at])) break;
        } else {
            at += c == '\\' && at + 1 < text_.size() && text_[at + 1] != '\n' ? 2 : 1;
        }
    }
    return std::min(at, text_.size());
}

// $NAME, ${NAME}, "$NAME", $(command …).
bool SecretScan::is_reference(Range range) const {
    std::string_view value = text_.substr(range.start, range.length);
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
        value.remove_prefix(1);
        value.remove_suffix(1);
    }
    if (value.starts_with("$(")) return true;
    if (!value.starts_with('$') || value.size() < 2) return false;
    value.remove_prefix(1);
    if (value.front() == '{' && value.back() == '}') {
        value.remove_prefix(1);
        value.remove_suffix(1);
    }
    return !value.empty() && !(value[0] >= '0' && value[0] <= '9' && value.size() > 1) &&
           std::all_of(value.begin(), value.end(), [](char c) { return is_ascii_alnum(c) || c == '_'; });
}

}  // namespace spoor
