#include "signal/declaration/pattern_set.h"

#include <algorithm>
#include <array>
#include <utility>

#include "signal/declaration/braces.h"
#include "signal/declaration/name_glob.h"
#include "signal/declaration/pattern_set_impl.h"

namespace spoor {
namespace {

using Part = PathTree::Part;

constexpr size_t longest_quote = 120;

// For messages of one line.
std::string quoted(std::string_view pattern) {
    std::string text(pattern.substr(0, longest_quote));
    std::replace_if(
        text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; },
        '?');
    return "'" + text + (pattern.size() > longest_quote ? "…'" : "'");
}

std::vector<std::string_view> names_of(std::string_view path) {
    std::vector<std::string_view> names;
    while (!path.empty()) {
        const size_t slash = path.find('/');
        if (slash != 0) names.push_back(path.substr(0, slash));
        if (slash == std::string_view::npos) break;
        path.remove_prefix(slash + 1);
    }
    return names;
}

// `{word}` at any place by `value`, which loses its special characters.
void replace_word(std::string& pattern, std::string_view word, std::string_view value) {
    const std::string escaped = escape_pattern(value);
    for (size_t at = pattern.find(word); at != std::string::npos;
         at = pattern.find(word, at + escaped.size()))
        pattern.replace(at, word.size(), escaped);
}

// Whether brace expansion leaves it alone, so that it can be parsed again as it is.
bool one_path(std::string_view text) { return text.find('{') == std::string_view::npos; }

// Lists of resolved files hold names such as `app/[id]/(main)/page.tsx`.
bool looks_like_a_name(std::string_view text) {
    return text.find_first_of("[(") != std::string_view::npos &&
           text.find_first_of("*?{\\") == std::string_view::npos;
}

Error leaves_workspace() { return Error{EINVAL, "it leads out of the workspace"}; }

}  // namespace

std::string escape_pattern(std::string_view text) {
    std::string out;
    // Brace expansion takes off one level of escapes from backslashes, if it has anything to do.
    const bool twice = has_braces(text);
    for (size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const bool special = std::string_view("*?[]{}\\").find(c) != std::string_view::npos;
        const bool group =
            c == '(' && i > 0 && std::string_view("@+!").find(text[i - 1]) != std::string_view::npos;
        if (special || group || (c == '!' && i == 0)) out += '\\';
        if (c == '\\' && twice) out += "\\\\";
        out += c;
    }
    return out;
}

PatternSet::Impl::Impl(PatternContext given)
    : context(std::move(given)), names(most_states), tree(names, patterns) {
    for (const std::string_view name : names_of(context.workspace_root)) root.emplace_back(name);
    while (context.project_root.starts_with("./")) context.project_root.erase(0, 2);
    if (context.project_root.empty()) context.project_root = ".";
}

Result<PatternSet::Impl::Expansion> PatternSet::Impl::parse(std::string_view text) {
    Expansion out;
    const bool absolute = text.starts_with('/');
    if (!absolute)
        for (const std::string& name : root) out.parts.push_back({Part::Kind::name, name, 0});
    const size_t above = out.parts.size();
    for (const std::string_view name : names_of(text)) {
        if (name == ".") continue;
        if (name == "..") {
            if (out.parts.size() <= above && !absolute) return leaves_workspace();
            if (out.parts.empty()) continue;
            if (out.parts.back().kind == Part::Kind::any_depth)
                return Error{EINVAL, "'..' after '**' has no meaning"};
            out.parts.pop_back();
            continue;
        }
        if (name == "**") {
            if (out.parts.empty() || out.parts.back().kind != Part::Kind::any_depth)
                out.parts.push_back({Part::Kind::any_depth, {}, 0});
            continue;
        }
        const bool floats =
            spell_by_automaton && !out.parts.empty() && out.parts.back().kind == Part::Kind::any_depth;
        if (!floats && name.find_first_of("*?[(\\") == std::string_view::npos) {
            out.parts.push_back({Part::Kind::name, std::string(name), 0});
            continue;
        }
        auto parsed = parse_name_glob(name);
        if (!parsed) return std::move(parsed).error();
        std::string literal;
        if (!floats && literal_name(*parsed, literal)) {
            out.parts.push_back({Part::Kind::name, std::move(literal), 0});
            continue;
        }
        const auto id = names.add(name, *parsed);
        if (!id) return id.error();
        out.parts.push_back({Part::Kind::glob, {}, *id});
    }
    out.plain = std::all_of(out.parts.begin(), out.parts.end(),
                            [](const Part& part) { return part.kind == Part::Kind::name; });
    out.beneath = out.plain || text.ends_with('/');
    return out;
}

std::string PatternSet::Impl::body_of(std::string_view pattern, bool& exception) const {
    exception = false;
    while (pattern.starts_with('!') && !pattern.starts_with("!(")) {
        exception = !exception;
        pattern.remove_prefix(1);
    }
    std::string text(pattern);
    if (text.find('{') == std::string::npos) return text;
    replace_word(text, "{workspaceRoot}", ".");
    replace_word(text, "{projectRoot}", context.project_root);
    if (!context.project_name.empty()) replace_word(text, "{projectName}", context.project_name);
    return text;
}

std::vector<Part> PatternSet::Impl::as_spelled(std::string_view text) const {
    std::vector<Part> parts;
    if (!text.starts_with('/'))
        for (const std::string& name : root) parts.push_back({Part::Kind::name, name, 0});
    for (const std::string_view name : names_of(text))
        if (name != ".") parts.push_back({Part::Kind::name, std::string(name), 0});
    return parts;
}

Status PatternSet::Impl::add(const std::string& pattern) {
    if (pattern.size() > longest_pattern)
        return Error{E2BIG, "it is longer than " + std::to_string(longest_pattern) + " bytes"};
    if (pattern.find('\0') != std::string::npos) return Error{EINVAL, "it holds a NUL"};
    bool exception = false;
    const std::string text = body_of(pattern, exception);
    if (text.empty()) return Error{EINVAL, "it is empty"};
    if (text.size() > 2 * longest_pattern) return Error{E2BIG, "it is too long"};

    auto expanded = expand_braces(text, {.most = most_expansions}, work_left);
    if (!expanded) return std::move(expanded).error();
    size_t size = 0;
    for (const std::string& one : *expanded) size += one.size();
    if (expansions + expanded->size() > most_in_set || bytes + size > most_bytes)
        return Error{E2BIG, "the set is full"};

    std::vector<Expansion> parsed;
    for (const std::string& one : *expanded) {
        // Of `{a,}/b` the second is no path in the workspace, and certainly not /b.
        if (one.empty() || (one.starts_with('/') && !text.starts_with('/'))) continue;
        auto expansion = parse(one);
        if (!expansion) return std::move(expansion).error();
        parsed.push_back(std::move(*expansion));
    }
    const auto id = static_cast<uint32_t>(patterns.size());
    patterns.push_back({exception, false});
    texts.push_back(pattern);
    literals.push_back(parsed.size() == 1 && parsed[0].plain && one_path(text));
    for (const Expansion& expansion : parsed) tree.insert(expansion.parts, expansion.beneath, id);
    if (looks_like_a_name(text)) tree.insert(as_spelled(text), false, id);
    expansions += parsed.size();
    bytes += size;
    return {};
}

PatternSet::PatternSet(PatternContext context) : impl_(std::make_unique<Impl>(std::move(context))) {}
PatternSet::PatternSet(PatternSet&&) noexcept = default;
PatternSet& PatternSet::operator=(PatternSet&&) noexcept = default;
PatternSet::~PatternSet() = default;

std::vector<PatternFault> PatternSet::add(std::span<const std::string> patterns) {
    std::vector<PatternFault> faults;
    for (size_t i = 0; i < patterns.size(); ++i)
        if (auto taken = impl_->add(patterns[i]); !taken)
            faults.push_back(
                {i, "the pattern " + quoted(patterns[i]) + " is left out: " + taken.error().message});
    return faults;
}

namespace {

PatternSet::Match verdict(const PathTree::Found& found) {
    if (found.pattern == PathTree::none) return {};
    if (found.exception != PathTree::none) return {false, found.exception};
    return {true, found.pattern};
}

}  // namespace

PatternSet::Match PatternSet::match(std::string_view path) { return verdict(impl_->tree.find(path, false)); }
PatternSet::Match PatternSet::mark(std::string_view path) { return verdict(impl_->tree.find(path, true)); }

size_t PatternSet::size() const { return impl_->patterns.size(); }
const std::string& PatternSet::text(size_t pattern) const { return impl_->texts[pattern]; }
bool PatternSet::is_exception(size_t pattern) const { return impl_->patterns[pattern].exception; }
bool PatternSet::marked(size_t pattern) const { return impl_->patterns[pattern].marked; }

std::optional<std::string> PatternSet::literal_path(size_t pattern) const {
    if (!impl_->literals[pattern]) return std::nullopt;
    bool exception = false;
    const auto parsed = impl_->parse(impl_->body_of(impl_->texts[pattern], exception));
    if (!parsed) return std::nullopt;
    std::string path;
    for (const Part& part : parsed->parts) path += "/" + part.name;
    return path.empty() ? "/" : path;
}

}  // namespace spoor
