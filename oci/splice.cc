#include "oci/splice.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace spoor::splice {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

Error broken() { return Error{EINVAL, "the spec is no valid JSON"}; }

// From the opening quote to behind the closing one.
size_t skip_string(std::string_view text, size_t at) {
    for (++at; at < text.size(); ++at) {
        if (text[at] == '\\')
            ++at;
        else if (text[at] == '"')
            return at + 1;
    }
    return text.size();
}

size_t skip_comment(std::string_view text, size_t at) {
    const bool block = text.substr(at, 2) == "/*";
    const size_t end = text.find(block ? "*/" : "\n", at + 2);
    return end == std::string_view::npos ? text.size() : end + (block ? 2 : 1);
}

size_t skip_value(std::string_view text, size_t at) {
    if (at >= text.size()) return text.size();
    if (text[at] == '"') return skip_string(text, at);
    if (text[at] == '{' || text[at] == '[') return std::min(closing_bracket(text, at) + 1, text.size());
    while (at < text.size() && !is_space(text[at]) &&
           std::string_view(",]}/").find(text[at]) == std::string_view::npos)
        ++at;
    return at;
}

Result<std::string> unescape(std::string_view quoted) {
    const auto value = nlohmann::json::parse(quoted, nullptr, false);
    if (!value.is_string()) return broken();
    return value.get<std::string>();
}

}  // namespace

Result<const Member*> Object::find(std::string_view key) const {
    const Member* found = nullptr;
    for (const auto& member : members) {
        if (member.key != key) continue;
        if (found != nullptr)
            return Error{EINVAL, "the spec has the key '" + std::string(key) + "' twice in one object"};
        found = &member;
    }
    return found;
}

size_t skip_blank(std::string_view text, size_t at) {
    while (at < text.size()) {
        if (is_space(text[at]))
            ++at;
        else if (text[at] == '/')
            at = skip_comment(text, at);
        else
            break;
    }
    return at;
}

size_t closing_bracket(std::string_view text, size_t at) {
    size_t depth = 0;
    while (at < text.size()) {
        const char c = text[at];
        if (c == '"') {
            at = skip_string(text, at);
            continue;
        }
        if (c == '/') {
            at = skip_comment(text, at);
            continue;
        }
        if (c == '{' || c == '[') ++depth;
        if ((c == '}' || c == ']') && --depth == 0) return at;
        ++at;
    }
    return text.size();
}

Result<Object> read_object(std::string_view text, size_t at) {
    Object object;
    if (at >= text.size() || text[at] != '{') return broken();
    at = skip_blank(text, at + 1);
    while (at < text.size() && text[at] != '}') {
        if (text[at] != '"') return broken();
        const size_t key_end = skip_string(text, at);
        auto key = unescape(text.substr(at, key_end - at));
        if (!key) return std::move(key).error();

        const size_t colon = skip_blank(text, key_end);
        if (colon >= text.size() || text[colon] != ':') return broken();
        const size_t begin = skip_blank(text, colon + 1);
        const size_t end = skip_value(text, begin);
        if (end <= begin) return broken();
        object.members.push_back({std::move(*key), {begin, end}});

        at = skip_blank(text, end);
        if (at < text.size() && text[at] == ',') at = skip_blank(text, at + 1);
    }
    if (at >= text.size()) return broken();
    object.close = at;
    return object;
}

Result<std::vector<Range>> read_array(std::string_view text, size_t at) {
    std::vector<Range> elements;
    if (at >= text.size() || text[at] != '[') return broken();
    at = skip_blank(text, at + 1);
    while (at < text.size() && text[at] != ']') {
        const size_t end = skip_value(text, at);
        if (end <= at) return broken();
        elements.push_back({at, end});
        at = skip_blank(text, end);
        if (at < text.size() && text[at] == ',') at = skip_blank(text, at + 1);
    }
    if (at >= text.size()) return broken();
    return elements;
}

void Edits::replace(Range range, std::string text) { edits_.push_back({range, std::move(text)}); }

void Edits::append_to_array(std::string_view text, size_t open, const std::string& elements) {
    const size_t close = closing_bracket(text, open);
    const bool empty = skip_blank(text, open + 1) == close;
    insert(close, empty ? elements : "," + elements);
}

void Edits::prepend_to_array(std::string_view text, size_t open, const std::string& elements) {
    const bool empty = skip_blank(text, open + 1) == closing_bracket(text, open);
    insert(open + 1, empty ? elements : elements + ",");
}

void Edits::append_to_object(const Object& object, const std::string& members) {
    insert(object.close, object.members.empty() ? members : "," + members);
}

std::string Edits::apply(std::string_view text) const {
    auto ordered = edits_;
    std::stable_sort(ordered.begin(), ordered.end(),
                     [](const Edit& a, const Edit& b) { return a.range.begin < b.range.begin; });
    std::string out;
    size_t at = 0;
    for (const auto& edit : ordered) {
        out.append(text, at, edit.range.begin - at).append(edit.text);
        at = edit.range.end;
    }
    return out.append(text.substr(at));
}

}  // namespace spoor::splice
