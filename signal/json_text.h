// JSON written by appending to a string: no tree in memory, no allocation per value. For the hot
// lines (accesses.jsonl) and for reports that are streamed.
//
// Names are bytes and JSON is UTF-8. The one scheme that keeps both, for every key that holds a
// name: valid UTF-8 stands as it is under `key`. Otherwise `key` holds a form to read, each
// offending byte replaced by U+FFFD, and `keyBytes` beside it holds the bytes in base64 (RFC 4648,
// padded). Whoever needs the truth takes `keyBytes` if it is there, else `key`.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace spoor {

// Appends `bytes` as a JSON string with its quotes. False: they were not valid UTF-8, and the
// offending ones became U+FFFD.
bool append_json_string(std::string& out, std::string_view bytes);
// Appends in base64, without quotes.
void append_base64(std::string& out, std::string_view bytes);
Result<std::string> decode_base64(std::string_view text);
// The longest valid UTF-8 at the front of `bytes` (overlong forms, surrogates and anything past
// U+10FFFF are invalid).
[[nodiscard]] size_t valid_utf8_prefix(std::string_view bytes);
[[nodiscard]] inline bool is_utf8(std::string_view bytes) { return valid_utf8_prefix(bytes) == bytes.size(); }

// Appends one object, key by key; keeps no state but the comma. Keys are written as they are: plain
// words of ours. Nested values are appended to `out` after key().
class JsonObject {
public:
    explicit JsonObject(std::string& out) : out_(out) { out_ += '{'; }

    // `"key":`, with a comma if one is due; what follows is the caller's.
    std::string& key(std::string_view key, std::string_view suffix = {});

    // A text of ours, or one where losing invalid bytes is no matter.
    void text(std::string_view key, std::string_view value);
    // A name: `key`, and `keyBytes` if it is not UTF-8.
    void name(std::string_view key, std::string_view bytes);
    void number(std::string_view key, std::integral auto value) { this->key(key) += std::to_string(value); }
    void boolean(std::string_view key, bool value) { this->key(key) += value ? "true" : "false"; }
    void null(std::string_view key) { this->key(key) += "null"; }

    void close() { out_ += '}'; }

private:
    std::string& out_;
    bool first_ = true;
};

}  // namespace spoor
