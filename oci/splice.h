// Edits JSON as text: everything that is not touched stays byte for byte as it was, comments,
// order, the way numbers are written and duplicate keys included. A model that is parsed and
// written again would lose some of that, and the runtime would start something else than was asked.
//
// Works on text that a JSON parser has accepted; on other text the results mean nothing, yet
// nothing outside the text is read. Private to this room.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace spoor::splice {

struct Range {
    size_t begin = 0;
    size_t end = 0;
};

struct Member {
    std::string key;  // unescaped
    Range value;
};

struct Object {
    std::vector<Member> members;
    size_t close = 0;  // of the '}'

    // Null if there is none; a key that stands there twice is an error, since runtimes differ in which
    // counts.
    [[nodiscard]] Result<const Member*> find(std::string_view key) const;
};

// The first byte that is neither white space nor comment, from `at` on.
size_t skip_blank(std::string_view text, size_t at);
// Reads the members of the object that begins at `at` (a '{'), not what is in them.
Result<Object> read_object(std::string_view text, size_t at);
// Reads where the elements of the array that begins at `at` (a '[') stand.
Result<std::vector<Range>> read_array(std::string_view text, size_t at);
// The closing bracket of the array or object that begins at `at`.
size_t closing_bracket(std::string_view text, size_t at);

// Insertions and replacements, collected and then done at once.
class Edits {
public:
    void insert(size_t at, std::string text) { replace({at, at}, std::move(text)); }
    void replace(Range range, std::string text);
    // Elements already separated by commas.
    void append_to_array(std::string_view text, size_t open, const std::string& elements);
    void prepend_to_array(std::string_view text, size_t open, const std::string& elements);
    // `members` as "\"key\":value" separated by commas.
    void append_to_object(const Object& object, const std::string& members);

    [[nodiscard]] std::string apply(std::string_view text) const;

private:
    struct Edit {
        Range range;
        std::string text;
    };
    std::vector<Edit> edits_;  // may not overlap
};

}  // namespace spoor::splice
