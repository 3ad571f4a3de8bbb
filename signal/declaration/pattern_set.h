// A set of file patterns, compiled once and asked about many paths: a task's declared inputs or
// outputs, or what is excluded from its report. docs/declarations.md tells the dialect to people.
//
// The dialect is minimatch's with `dot: true` and `nocomment: true`, which is what Nx's own matcher
// amounts to: `*` `?` `[…]` (with POSIX classes) within one name, `**` for any number of names,
// braces (nested, and ranges), the extglobs `@( +( *( ?( !(`, backslash escapes. On top of it:
//   - `{workspaceRoot}`, `{projectRoot}` and `{projectName}` are replaced by the context's values,
//     taken literally; a relative pattern begins at the workspace's root, an absolute one at `/`;
//   - what has no wildcard, once braces are expanded, or ends in `/`, also matches all beneath it;
//   - a leading `!` makes an exception. As in Nx exceptions hold for the whole set, wherever they
//     stand: a path matches if some pattern matches it and no exception does. `!(` is an extglob;
//   - what has brackets and no wildcard besides (`app/[id]/page.tsx`) matches the path spelled like it, too;
//   - `.` and `..` are resolved; a pattern that leaves the workspace that way is refused.
// Patterns and paths are bytes, case counts. `?` and `[…]` take one well-formed UTF-8 character; other
// bytes are matched by `*`, `**` and themselves. POSIX classes are ASCII.
//
// Hostile patterns: nothing here backtracks. Each name is read once, backwards, by an automaton whose
// states are made on demand (with a limit, past which they are made again); matching costs
// time in proportion to the path's length, not to the number of patterns. Patterns past the limits below
// are refused one by one.
//
// Not thread-safe: asking changes the automata.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace spoor {

// What relative patterns and the words in braces stand for.
struct PatternContext {
    std::string workspace_root = "/";  // absolute
    std::string project_root;          // relative to it; empty or ".": the workspace's root itself
    std::string project_name;          // empty: `{projectName}` is not replaced
};

// A pattern that was not taken, and why: one line for a person, which quotes the pattern.
struct PatternFault {
    size_t index;  // in the list that was given
    std::string message;
};

class PatternSet {
public:
    static constexpr size_t longest_pattern = 64 * 1024;    // bytes, as minimatch
    static constexpr size_t most_expansions = 10'000;       // of one pattern's braces
    static constexpr size_t most_in_set = 1'000'000;        // patterns after expansion
    static constexpr size_t most_bytes = 64 * 1024 * 1024;  // of those
    static constexpr size_t most_states = 256 * 1024;       // of all wildcard names together

    explicit PatternSet(PatternContext context);
    PatternSet(PatternSet&&) noexcept;
    PatternSet& operator=(PatternSet&&) noexcept;
    ~PatternSet();

    // Takes what is right of `patterns`; the others are the result. Those taken are numbered on from
    // size(), in order, and marks are kept.
    std::vector<PatternFault> add(std::span<const std::string> patterns);

    // `pattern`: the first one that matches, or the first exception that forbids the path.
    struct Match {
        bool matched = false;
        std::optional<size_t> pattern;
        explicit operator bool() const { return matched; }
    };
    // `path` is absolute and resolved; a relative one never matches.
    [[nodiscard]] Match match(std::string_view path);
    // The same, and all patterns that match it (exceptions too) are marked as used.
    Match mark(std::string_view path);

    [[nodiscard]] size_t size() const;  // patterns taken
    [[nodiscard]] bool empty() const { return size() == 0; }
    // The pattern as it was given.
    [[nodiscard]] const std::string& text(size_t pattern) const;
    [[nodiscard]] bool is_exception(size_t pattern) const;
    [[nodiscard]] bool marked(size_t pattern) const;
    // The absolute path that a pattern without wildcards and braces names.
    [[nodiscard]] std::optional<std::string> literal_path(size_t pattern) const;

private:
    friend class PathTableBuilder;
    class Impl;
    std::unique_ptr<Impl> impl_;
};

// `text` with a backslash before every character that patterns give a meaning.
[[nodiscard]] std::string escape_pattern(std::string_view text);

}  // namespace spoor
