// One name of a pattern (what stands between two slashes) as a tree. Private to this folder.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace spoor {

// Code points, sorted and apart.
struct CharRange {
    char32_t first;
    char32_t last;
};
using CharSet = std::vector<CharRange>;
inline constexpr char32_t last_code_point = 0x10FFFF;
inline constexpr char32_t no_character = UINT32_MAX;

struct NameNode;
using NameSequence = std::vector<NameNode>;

struct NameNode {
    enum class Kind {
        bytes,       // `text`, as it is
        any_string,  // *
        characters,  // one of `set`: ? and […]
        group,       // an extglob of the kind `type` over `choices`
    };
    Kind kind = Kind::bytes;
    std::string text;
    CharSet set;
    char type = 0;  // @ ? + * !
    std::vector<NameSequence> choices;
    // `!(…)` whose last choice is empty or a group: minimatch takes it for `!()`, "anything".
    bool anything = false;
};

// The only error is nesting that is too deep.
Result<NameSequence> parse_name_glob(std::string_view text);

// The bytes that a name without wildcards stands for, or false.
bool literal_name(const NameSequence& name, std::string& bytes);

// Decodes the character at `at` and moves past it; a byte that is not part of UTF-8 is no_character.
char32_t next_character(std::string_view text, size_t& at);

// The other way; how many bytes it took.
size_t encode_utf8(char32_t c, unsigned char (&out)[4]);

}  // namespace spoor
