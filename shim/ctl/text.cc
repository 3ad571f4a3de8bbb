#include "shim/ctl/text.h"

#include <cstdint>
#include <cstdio>

namespace spoor::ctl {
namespace {

struct CodePoint {
    uint32_t value = 0;
    size_t bytes = 0;  // 0: not UTF-8
};

CodePoint decode(std::string_view text) {
    auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
    uint8_t lead = byte(0);
    if (lead < 0x80) return {lead, 1};
    size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return {};
    uint32_t value = lead & (0x7fu >> length);
    for (size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return {};
        value = value << 6 | (byte(i) & 0x3fu);
    }
    static constexpr uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (value < smallest[length] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) return {};
    return {value, length};
}

// Control characters of C0 and C1, and the invisible ones that hide or reorder what stands around them.
bool is_unsafe(uint32_t c) {
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || (c >= 0x200b && c <= 0x200f) ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
           (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe0fff);
}

// Two columns for the East Asian wide blocks and emoji, none for combining marks. The C library's
// wcwidth would need the user's locale to be a UTF-8 one.
size_t width(uint32_t c) {
    if ((c >= 0x300 && c <= 0x36f) || (c >= 0x1ab0 && c <= 0x1aff) || (c >= 0x20d0 && c <= 0x20ff) ||
        (c >= 0xfe00 && c <= 0xfe0f) || (c >= 0xfe20 && c <= 0xfe2f))
        return 0;
    if ((c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0xa4cf) || (c >= 0xac00 && c <= 0xd7a3) ||
        (c >= 0xf900 && c <= 0xfaff) || (c >= 0xfe30 && c <= 0xfe6f) || (c >= 0xff00 && c <= 0xff60) ||
        (c >= 0xffe0 && c <= 0xffe6) || (c >= 0x1f300 && c <= 0x1faff) || (c >= 0x20000 && c <= 0x3fffd))
        return 2;
    return 1;
}

void append_escaped(std::string& out, std::string_view bytes) {
    for (char c : bytes) {
        if (c == '\n' || c == '\t') {
            out += c == '\n' ? "\\n" : "\\t";
            continue;
        }
        char hex[5];
        std::snprintf(hex, sizeof hex, "\\x%02x", static_cast<unsigned>(static_cast<uint8_t>(c)));
        out += hex;
    }
}

// The longest head of `text` that fits into `columns`.
size_t head_bytes(std::string_view text, size_t columns) {
    size_t at = 0;
    size_t used = 0;
    while (at < text.size()) {
        CodePoint c = decode(text.substr(at));
        size_t step = c.bytes ? c.bytes : 1;
        size_t wide = c.bytes ? width(c.value) : 1;
        if (used + wide > columns) break;
        used += wide;
        at += step;
    }
    return at;
}

}  // namespace

std::string printable(std::string_view bytes) {
    std::string out;
    out.reserve(bytes.size());
    while (!bytes.empty()) {
        CodePoint c = decode(bytes);
        size_t step = c.bytes ? c.bytes : 1;
        if (c.bytes && !is_unsafe(c.value))
            out.append(bytes.substr(0, step));
        else
            append_escaped(out, bytes.substr(0, step));
        bytes.remove_prefix(step);
    }
    return out;
}

size_t display_width(std::string_view text) {
    size_t columns = 0;
    while (!text.empty()) {
        CodePoint c = decode(text);
        columns += c.bytes ? width(c.value) : 1;
        text.remove_prefix(c.bytes ? c.bytes : 1);
    }
    return columns;
}

std::string cut_end(std::string_view text, size_t columns) {
    if (display_width(text) <= columns) return std::string(text);
    if (columns == 0) return {};
    return std::string(text.substr(0, head_bytes(text, columns - 1))) + "…";
}

std::string cut_middle(std::string_view text, size_t columns) {
    size_t all = display_width(text);
    if (all <= columns) return std::string(text);
    if (columns == 0) return {};
    size_t head = (columns - 1) / 3;
    size_t tail = columns - 1 - head;
    size_t from = head_bytes(text, all - tail);
    // A wide character may straddle the cut: then the tail starts behind it.
    if (display_width(text.substr(from)) > tail) from = head_bytes(text, all - tail + 1);
    return std::string(text.substr(0, head_bytes(text, head))) + "…" + std::string(text.substr(from));
}

std::string counted(size_t number, std::string_view one, std::string_view many) {
    return std::to_string(number) + " " + std::string(number == 1 ? one : many);
}

}  // namespace spoor::ctl
