// What spoor-deliver reads that others wrote: URLs, answers of servers, the spool's lines.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/url.h"
#include "shim/deliver/answers.h"
#include "shim/ipc/spool.h"

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

bool one_line(std::string_view text) {
    for (char c : text)
        if (static_cast<unsigned char>(c) < 0x20) return false;
    return true;
}

void check_url(std::string_view text) {
    const auto url = spoor::parse_http_url(text);
    require(one_line(spoor::shown_url(text)));
    if (!url) return;
    require(url->port != 0 && !url->host.empty() && text.size() <= spoor::url_bytes_max);
    require(url->host.find_first_of("@/\\?# ") == std::string::npos);
    require(url->target.empty() || url->target[0] == '/' || url->target[0] == '?');
    // What is shown is a URL of the same place, and nothing of the rest.
    const auto again = spoor::parse_http_url(url->origin() + url->target);
    require(again && again->origin() == url->origin() && again->target == url->target);
    require(spoor::host_matches(*url, url->host + ":" + std::to_string(url->port)));
    require(!spoor::host_matches(*url, "*." + url->host + ":" + std::to_string(url->port)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    check_url(text);
    static_cast<void>(spoor::is_host_pattern(text));
    if (const auto minted = spoor::parse_minted(text)) {
        require(spoor::parse_http_url(minted->url).has_value());
        for (const auto& [name, value] : minted->headers) require(!name.empty() && one_line(name + value));
    }
    if (const auto token = spoor::parse_token(text)) require(!token->empty() && one_line(*token));
    static_cast<void>(spoor::rejected_log_records(text));
    if (const auto item = spoor::parse_spool_item(text)) {
        const std::string line = spoor::to_json(*item);
        require(one_line(line));
        const auto again = spoor::parse_spool_item(line);
        require(again && spoor::to_json(*again) == line);
    }
    if (const auto failure = spoor::parse_spool_failure(text)) require(one_line(spoor::to_json(*failure)));
    if (const auto status = spoor::parse_spool_status(text)) require(one_line(spoor::to_json(*status)));
    if (const auto settings = spoor::parse_delivery_settings(text))
        require(*spoor::parse_delivery_settings(spoor::to_json(*settings)) == *settings);
    return 0;
}
