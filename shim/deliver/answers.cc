#include "shim/deliver/answers.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/number.h"
#include "base/url.h"

namespace spoor {
namespace {

using nlohmann::json;

constexpr size_t headers_max = 16;
constexpr size_t header_bytes_max = 4096;

bool is_header_name(std::string_view name) {
    constexpr std::string_view others = "!#$%&'*+-.^_`|~";
    return !name.empty() && name.size() <= 128 && std::all_of(name.begin(), name.end(), [&](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               others.find(c) != std::string_view::npos;
    });
}

bool is_visible(char c) { return c > 0x20 && c < 0x7f; }

bool is_header_value(std::string_view value) {
    return value.size() <= header_bytes_max &&
           std::all_of(value.begin(), value.end(), [](char c) { return is_visible(c) || c == ' '; });
}

// They belong to the connection or to us.
bool is_ours(std::string_view name) {
    constexpr std::array<std::string_view, 8> ours = {"host",       "content-length",  "transfer-encoding",
                                                      "connection", "upgrade",         "expect",
                                                      "te",         "content-encoding"};
    std::string lower(name);
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return std::find(ours.begin(), ours.end(), lower) != ours.end();
}

}  // namespace

Result<Minted> parse_minted(std::string_view text) {
    const json object = json::parse(text, nullptr, false);
    if (!object.is_object()) return Error{EPROTO, "the answer is no JSON object"};
    const auto url = object.find("url");
    if (url == object.end() || !url->is_string()) return Error{EPROTO, "the answer has no url"};
    Minted minted;
    minted.url = url->get<std::string>();
    if (auto parsed = parse_http_url(minted.url); !parsed)
        return Error{EPROTO, "the answer's url: " + parsed.error().message};
    const auto headers = object.find("headers");
    if (headers == object.end() || headers->is_null()) return minted;
    if (!headers->is_object() || headers->size() > headers_max)
        return Error{EPROTO, "the answer's headers are no object of a few strings"};
    for (const auto& [name, value] : headers->items()) {
        if (!is_header_name(name) || is_ours(name) || !value.is_string() ||
            !is_header_value(value.get_ref<const std::string&>()))
            return Error{EPROTO, "the answer has a header that none may have"};
        minted.headers.emplace_back(name, value.get<std::string>());
    }
    return minted;
}

uint64_t rejected_log_records(std::string_view text) {
    const json object = json::parse(text, nullptr, false);
    if (!object.is_object()) return 0;
    const auto partial = object.find("partialSuccess");
    if (partial == object.end() || !partial->is_object()) return 0;
    const auto count = partial->find("rejectedLogRecords");
    if (count == partial->end()) return 0;
    if (count->is_number_unsigned()) return count->get<uint64_t>();
    if (!count->is_string()) return 0;
    const auto& digits =
        count->get_ref<const std::string&>();  // protobuf's JSON has 64-bit numbers as strings
    return number_in<uint64_t>(digits).value_or(0);
}

Result<std::string> parse_token(std::string_view text) {
    constexpr std::string_view blanks = " \t\r\n";
    const size_t first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) return Error{EINVAL, "it is empty"};
    text = text.substr(first, text.find_last_not_of(blanks) - first + 1);
    if (!std::all_of(text.begin(), text.end(), is_visible))
        return Error{EINVAL, "it holds something else than one token"};
    return std::string(text);
}

}  // namespace spoor
