// URLs of http and https, read by a grammar that is narrower than RFC 3986's: whatever is accepted here
// every other parser splits at the same places, so that a check of the host cannot be talked out of it.
//
// Refused: user and password, backslashes, white space, control characters and bytes that are not
// ASCII anywhere; a host that is neither a name of letters, digits, '-', '_' and '.' nor a bracketed IPv6
// address; a port that is no number; a fragment.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace spoor {

inline constexpr size_t url_bytes_max = 8192;

struct HttpUrl {
    bool tls = false;
    std::string host;  // lower case, without a dot at the end; IPv6 with its brackets
    uint16_t port = 0;
    std::string target;  // path and query; empty, or begins with '/' or '?'

    [[nodiscard]] uint16_t default_port() const { return tls ? 443 : 80; }
    // "https://host" or "https://host:port": all of a URL that may be shown. Path and query may be secrets.
    [[nodiscard]] std::string origin() const;
    // 127.0.0.0/8, [::1] and localhost.
    [[nodiscard]] bool is_loopback() const;
};

// The error does not quote the text.
Result<HttpUrl> parse_http_url(std::string_view text);

// What may be said of a URL, whatever it is: its origin, or "(no URL)".
[[nodiscard]] std::string shown_url(std::string_view text);

// An entry of an allow-list: "host", "host:port", "*.domain" or "*.domain:port". Without a port the
// scheme's own is meant; "*.domain" is any name below the domain, but not the domain.
[[nodiscard]] bool is_host_pattern(std::string_view pattern);
[[nodiscard]] bool host_matches(const HttpUrl& url, std::string_view pattern);

}  // namespace spoor
