#include "signal/json_text.h"

#include <array>

namespace spoor {
namespace {

// Length of the valid UTF-8 sequence at the front of `bytes`, 0 if there is none.
size_t sequence_length(std::string_view bytes) {
    auto at = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
    auto continues = [&](size_t i) { return i < bytes.size() && (at(i) & 0xc0) == 0x80; };
    unsigned char lead = at(0);
    if (lead < 0x80) return 1;
    if (lead >= 0xc2 && lead <= 0xdf) return continues(1) ? 2 : 0;
    if (lead >= 0xe0 && lead <= 0xef) {
        if (!continues(1) || !continues(2)) return 0;
        if (lead == 0xe0 && at(1) < 0xa0) return 0;  // overlong
        if (lead == 0xed && at(1) > 0x9f) return 0;  // surrogate
        return 3;
    }
    if (lead >= 0xf0 && lead <= 0xf4) {
        if (!continues(1) || !continues(2) || !continues(3)) return 0;
        if (lead == 0xf0 && at(1) < 0x90) return 0;  // overlong
        if (lead == 0xf4 && at(1) > 0x8f) return 0;  // past U+10FFFF
        return 4;
    }
    return 0;
}

bool is_plain(char c) {
    auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

void append_escaped(std::string& out, char c) {
    constexpr char hex[] = "0123456789abcdef";
    switch (c) {
        case '"':
            out += "\\\"";
            return;
        case '\\':
            out += "\\\\";
            return;
        case '\n':
            out += "\\n";
            return;
        case '\r':
            out += "\\r";
            return;
        case '\t':
            out += "\\t";
            return;
        default:
            break;
    }
    auto byte = static_cast<unsigned char>(c);
    out += "\\u00";
    out += hex[byte >> 4];
    out += hex[byte & 15];
}

constexpr char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<int8_t, 256> make_values() {
    std::array<int8_t, 256> values{};
    for (auto& value : values) value = -1;
    for (int i = 0; i < 64; ++i) values[static_cast<unsigned char>(alphabet[i])] = static_cast<int8_t>(i);
    return values;
}
constexpr auto base64_values = make_values();

}  // namespace

size_t valid_utf8_prefix(std::string_view bytes) {
    size_t at = 0;
    while (at < bytes.size()) {
        size_t length = sequence_length(bytes.substr(at));
        if (length == 0) break;
        at += length;
    }
    return at;
}

bool append_json_string(std::string& out, std::string_view bytes) {
    bool valid = true;
    out += '"';
    size_t at = 0;
    while (at < bytes.size()) {
        size_t run = at;
        while (run < bytes.size() && is_plain(bytes[run])) ++run;
        out.append(bytes, at, run - at);
        at = run;
        if (at == bytes.size()) break;
        if (size_t length = sequence_length(bytes.substr(at)); length > 1) {
            out.append(bytes, at, length);
            at += length;
        } else if (length == 1) {
            append_escaped(out, bytes[at++]);
        } else {
            out += "\xef\xbf\xbd";
            valid = false;
            ++at;
        }
    }
    out += '"';
    return valid;
}

void append_base64(std::string& out, std::string_view bytes) {
    auto at = [&](size_t i) { return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0u; };
    for (size_t i = 0; i < bytes.size(); i += 3) {
        unsigned group = at(i) << 16 | at(i + 1) << 8 | at(i + 2);
        out += alphabet[group >> 18];
        out += alphabet[group >> 12 & 63];
        out += i + 1 < bytes.size() ? alphabet[group >> 6 & 63] : '=';
        out += i + 2 < bytes.size() ? alphabet[group & 63] : '=';
    }
}

Result<std::string> decode_base64(std::string_view text) {
    const Error bad{EINVAL, "not base64"};
    if (text.size() % 4 != 0) return bad;
    size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
    std::string bytes;
    bytes.reserve(text.size() / 4 * 3);
    for (size_t i = 0; i < text.size(); i += 4) {
        size_t digits = i + 4 == text.size() ? 4 - padding : 4;
        unsigned group = 0;
        for (size_t k = 0; k < 4; ++k) {
            int value = k < digits ? base64_values[static_cast<unsigned char>(text[i + k])] : 0;
            if (value < 0) return bad;
            group = group << 6 | static_cast<unsigned>(value);
        }
        // Left-over bits are zero in the one canonical form.
        if ((digits == 2 && (group & 0xffff)) || (digits == 3 && (group & 0xff))) return bad;
        for (size_t k = 0; k + 1 < digits; ++k) bytes += static_cast<char>(group >> (16 - 8 * k) & 0xff);
    }
    return bytes;
}

std::string& JsonObject::key(std::string_view key, std::string_view suffix) {
    if (!first_) out_ += ',';
    first_ = false;
    out_ += '"';
    out_ += key;
    out_ += suffix;
    out_ += "\":";
    return out_;
}

void JsonObject::text(std::string_view key, std::string_view value) {
    append_json_string(this->key(key), value);
}

void JsonObject::name(std::string_view key, std::string_view bytes) {
    if (append_json_string(this->key(key), bytes)) return;
    this->key(key, "Bytes") += '"';
    append_base64(out_, bytes);
    out_ += '"';
}

}  // namespace spoor
