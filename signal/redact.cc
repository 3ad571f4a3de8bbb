#include "signal/redact.h"

#include <algorithm>
#include <utility>

namespace spoor {
namespace {

bool is_alnum(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_quote(char c) { return c == '"' || c == '\'' || c == '`'; }
bool is_name_char(char c) { return is_alnum(c) || c == '_' || c == '-' || c == '.'; }
// The characters that tokens are made of.
bool is_token_char(char c) {
    return is_alnum(c) || c == '_' || c == '-' || c == '.' || c == '+' || c == '/' || c == '=';
}

bool starts_with_nocase(std::string_view text, std::string_view lower_prefix) {
    return text.size() >= lower_prefix.size() &&
           std::equal(lower_prefix.begin(), lower_prefix.end(), text.begin(),
                      [](char a, char b) { return a == lower(b); });
}

size_t run_length(std::string_view text, size_t from, bool (*member)(char)) {
    size_t at = from;
    while (at < text.size() && member(text[at])) ++at;
    return at - from;
}

// Keys known by their shape: prefix, then at least `tail` token characters.
struct Shape {
    std::string_view prefix;
    size_t tail;
};
constexpr Shape shapes[] = {
    {"AKIA", 16},  {"ASIA", 16},        {"ghp_", 20},   {"gho_", 20}, {"ghu_", 20},  {"ghs_", 20},
    {"ghr_", 20},  {"github_pat_", 20}, {"glpat-", 16}, {"npm_", 30}, {"xoxa-", 10}, {"xoxb-", 10},
    {"xoxp-", 10}, {"xoxr-", 10},       {"xoxs-", 10},  {"AIza", 30}, {"eyJ", 30},
};

// Length of a key at `at`, 0 if there is none. A JSON web token has two dots in it, which tells it
// from any base64 of an object.
size_t shape_length(std::string_view text, size_t at) {
    if (at > 0 && (is_alnum(text[at - 1]) || text[at - 1] == '_')) return 0;
    for (const Shape& shape : shapes) {
        if (!text.substr(at).starts_with(shape.prefix)) continue;
        size_t run = run_length(text, at, shape.prefix == "eyJ" ? is_token_char : is_name_char);
        if (run < shape.prefix.size() + shape.tail) continue;
        if (shape.prefix == "eyJ") {
            auto token = text.substr(at, run);
            if (std::count(token.begin(), token.end(), '.') != 2) continue;
        }
        return run;
    }
    return 0;
}

// Length of userinfo's secret part, behind scheme:// at `at`; sets where it starts.
size_t userinfo_secret(std::string_view text, size_t authority, bool http, size_t& start) {
    size_t end = authority;
    size_t last_at = std::string_view::npos;
    while (end < text.size() && !is_space(text[end]) && !is_quote(text[end]) && text[end] != '/' &&
           text[end] != '?' && text[end] != '#') {
        if (text[end] == '@') last_at = end;
        ++end;
    }
    if (last_at == std::string_view::npos) return 0;
    size_t colon = text.substr(0, last_at).find(':', authority);
    if (colon == std::string_view::npos && !http) return 0;
    start = colon == std::string_view::npos ? authority : colon + 1;
    return last_at - start;
}

// A value behind NAME=: to white space, honouring quotes; in a URL's query to '&' or '#' as well.
size_t value_length(std::string_view text, size_t from, bool query) {
    size_t at = from;
    char quote = 0;
    if (from > 0 && at < text.size() && is_quote(text[at])) quote = text[at++];
    while (at < text.size()) {
        char c = text[at];
        if (quote ? c == quote : is_space(c) || is_quote(c) || (query && (c == '&' || c == '#'))) break;
        ++at;
    }
    if (quote && at < text.size()) ++at;
    return at - from;
}

bool at_word_start(std::string_view text, size_t at) { return at == 0 || !is_alnum(text[at - 1]); }

// Behind "Bearer", "Basic": the credentials. "basic" is also an everyday word, so what follows must
// look like credentials.
size_t scheme_credentials(std::string_view text, size_t at, size_t& start) {
    if (!at_word_start(text, at)) return 0;
    auto behind = [&](std::string_view word, size_t least) -> size_t {
        if (!starts_with_nocase(text.substr(at), word)) return 0;
        size_t blanks = run_length(text, at + word.size(), is_space);
        if (blanks == 0) return 0;
        start = at + word.size() + blanks;
        size_t run = run_length(text, start, is_token_char);
        return run >= least ? run : 0;
    };
    if (size_t length = behind("bearer", 6)) return length;
    if (size_t length = behind("basic", 16)) return length;
    return 0;
}

// "Authorization: anything" up to the end of the line or the quote around it.
size_t header_value(std::string_view text, size_t at, size_t& start) {
    constexpr std::string_view word = "authorization:";
    if (!at_word_start(text, at) || !starts_with_nocase(text.substr(at), word)) return 0;
    start = at + word.size();
    start += run_length(text, start, [](char c) { return c == ' ' || c == '\t'; });
    size_t end = start;
    while (end < text.size() && text[end] != '\n' && text[end] != '\r' && !is_quote(text[end])) ++end;
    return end - start;
}

size_t private_key_length(std::string_view text, size_t at) {
    if (!text.substr(at).starts_with("-----BEGIN ")) return 0;
    size_t line = text.find("PRIVATE KEY-----", at);
    if (line == std::string_view::npos || line - at > 40) return 0;
    size_t end = text.find("-----END ", line);
    size_t close = end == std::string_view::npos ? end : text.find("-----", end + 9);
    return close == std::string_view::npos ? text.size() - at : close + 5 - at;
}

std::string_view basename_of(std::string_view path) {
    size_t slash = path.rfind('/');
    return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

// Is this option one whose next argument is a script: -c, -lc, -ec?
bool takes_script(std::string_view option) {
    return option.size() >= 2 && option.size() <= 6 && option[0] == '-' && option[1] != '-' &&
           option.back() == 'c';
}

// NAME=value as a whole argument (an option or a variable): where the value begins, or npos.
size_t assignment_value(std::string_view argument) {
    size_t equals = argument.find('=');
    if (equals == std::string_view::npos) return equals;
    std::string_view name = argument.substr(0, equals);
    // An npm setting may carry a registry in front: --//registry.example/:_authToken=…
    if (argument[0] != '-' && !std::all_of(name.begin(), name.end(), is_name_char))
        return std::string_view::npos;
    return is_secret_name(name) ? equals + 1 : std::string_view::npos;
}

// What stands at `at` and is secret: its start and length.
size_t secret_at(std::string_view text, size_t at, size_t& start) {
    start = at;
    switch (text[at]) {
        case '=': {
            size_t begin = at;
            while (begin > 0 && is_name_char(text[begin - 1])) --begin;
            if (!is_secret_name(text.substr(begin, at - begin))) return 0;
            start = at + 1;
            bool query = begin > 0 && (text[begin - 1] == '?' || text[begin - 1] == '&');
            return value_length(text, start, query);
        }
        case ':': {
            if (!text.substr(at).starts_with("://")) return 0;
            bool http = at >= 4 && (starts_with_nocase(text.substr(at - 4), "http") ||
                                    (at >= 5 && starts_with_nocase(text.substr(at - 5), "https")));
            return userinfo_secret(text, at + 3, http, start);
        }
        case '-': {
            if (size_t length = private_key_length(text, at)) return length;
            // --NAME value inside a script
            if (!(at == 0 || is_space(text[at - 1])) || !text.substr(at).starts_with("--")) return 0;
            size_t name = run_length(text, at, is_name_char);
            size_t blanks = run_length(text, at + name, is_space);
            if (blanks == 0 || !is_secret_name(text.substr(at, name))) return 0;
            start = at + name + blanks;
            return start < text.size() && text[start] != '-' ? value_length(text, start, false) : 0;
        }
        case 'A':
        case 'a':
            if (size_t length = header_value(text, at, start)) return length;
            start = at;
            return shape_length(text, at);
        case 'B':
        case 'b':
            return scheme_credentials(text, at, start);
        case 'g':
        case 'n':
        case 'x':
        case 'e':
            return shape_length(text, at);
        default:
            return 0;
    }
}

}  // namespace

bool is_secret_name(std::string_view name) {
    // Compared backwards, separators skipped.
    constexpr std::string_view endings[] = {
        "password",    "passwd",    "passphrase", "secret",  "token",      "apikey",      "accesskey",
        "accesskeyid", "secretkey", "privatekey", "authkey", "credential", "credentials", "signature",
    };
    std::string bare;
    for (char c : name)
        if (is_alnum(c)) bare += lower(c);
    if (bare == "sig") return true;
    return std::any_of(std::begin(endings), std::end(endings),
                       [&](std::string_view ending) { return bare.ends_with(ending); });
}

std::string redact_text(std::string_view text) {
    std::string out;
    size_t copied = 0;
    for (size_t at = 0; at < text.size();) {
        size_t start = at;
        size_t length = secret_at(text, at, start);
        if (length == 0) {
            ++at;
            continue;
        }
        out.append(text, copied, start - copied);
        // A value that is redacted already, or a variable's name, is no secret.
        std::string_view secret = text.substr(start, length);
        if (secret.starts_with('$') || secret.starts_with("\"$"))
            out += secret;
        else
            out += redacted;
        at = copied = start + length;
    }
    out.append(text, copied);
    return out;
}

std::vector<std::string> redact_argv(std::vector<std::string> argv) {
    bool curl = !argv.empty() && (basename_of(argv[0]) == "curl" || basename_of(argv[0]) == "wget");
    bool script_next = false, secret_next = false, user_next = false;
    for (std::string& argument : argv) {
        bool script = std::exchange(script_next, false);
        bool secret = std::exchange(secret_next, false) && !argument.starts_with('-');
        bool user = std::exchange(user_next, false);
        if (secret) {
            argument = redacted;
            continue;
        }
        if (user || (curl && argument.starts_with("--user="))) {
            if (size_t colon = argument.find(':'); colon != std::string::npos)
                argument.replace(colon + 1, std::string::npos, redacted);
            continue;
        }
        if (size_t value = script ? std::string::npos : assignment_value(argument);
            value != std::string::npos) {
            argument.replace(value, std::string::npos, redacted);
            continue;
        }
        bool option = argument.starts_with('-');
        script_next = option && takes_script(argument);
        secret_next = option && argument.starts_with("--") &&
                      argument.find_first_of("= \n") == std::string::npos && is_secret_name(argument);
        user_next = curl && (argument == "-u" || argument == "--user");
        argument = redact_text(argument);
    }
    return argv;
}

std::map<std::string, std::string> redact_annotations(const std::map<std::string, std::string>& annotations) {
    std::map<std::string, std::string> shown;
    for (const auto& [key, value] : annotations)
        shown[key] = is_secret_name(key) ? std::string(redacted) : redact_text(value);
    return shown;
}

}  // namespace spoor
