#include "base/url.h"

#include <algorithm>
#include <optional>

#include "base/number.h"

namespace spoor {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lowered(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), lower);
    return out;
}

bool is_host_name(std::string_view name) {
    constexpr size_t longest = 253;
    if (name.empty() || name.size() > longest || name.front() == '.' || name.front() == '-') return false;
    if (name.find("..") != std::string_view::npos) return false;
    return std::all_of(name.begin(), name.end(), [](char c) {
        return is_digit(c) || c == '-' || c == '_' || c == '.' || (lower(c) >= 'a' && lower(c) <= 'z');
    });
}

bool is_bracketed_address(std::string_view text) {
    if (text.size() < 4 || text.front() != '[' || text.back() != ']') return false;
    text = text.substr(1, text.size() - 2);
    return text.find(':') != std::string_view::npos && std::all_of(text.begin(), text.end(), [](char c) {
               return is_digit(c) || c == ':' || c == '.' || (lower(c) >= 'a' && lower(c) <= 'f');
           });
}

// A name whose last label is a number is an IPv4 address to some and a name to others, unless it is one in
// plain dotted decimal: "127.1", "0x7f.1" and "2130706433" are refused.
bool is_odd_address(std::string_view host) {
    const std::string_view last = host.substr(host.rfind('.') + 1);
    const bool number = !last.empty() && (std::all_of(last.begin(), last.end(), is_digit) ||
                                          last.starts_with("0x") || last.starts_with("0X"));
    if (!number) return false;
    int parts = 0;
    for (size_t at = 0;; ++parts) {
        const size_t dot = std::min(host.find('.', at), host.size());
        const std::string_view part = host.substr(at, dot - at);
        if (part.empty() || part.size() > 3 || (part.size() > 1 && part[0] == '0') ||
            !std::all_of(part.begin(), part.end(), is_digit))
            return true;
        if (dot == host.size()) break;
        at = dot + 1;
    }
    return parts != 3;
}

std::optional<uint16_t> port_of(std::string_view text) {
    if (text.size() > 5) return std::nullopt;
    const auto port = number_in<uint16_t>(text);
    return port == 0 ? std::nullopt : port;
}

struct Authority {
    std::string host;
    std::optional<uint16_t> port;
};

std::optional<Authority> authority_of(std::string_view text) {
    Authority authority;
    std::string_view host = text;
    const size_t colon = text.rfind(':');
    const size_t bracket = text.rfind(']');
    if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
        host = text.substr(0, colon);
        authority.port = port_of(text.substr(colon + 1));
        if (!authority.port) return std::nullopt;
    }
    if (host.ends_with('.')) host.remove_suffix(1);
    if (!is_bracketed_address(host) && (!is_host_name(host) || is_odd_address(host))) return std::nullopt;
    authority.host = lowered(host);
    return authority;
}

}  // namespace

std::string HttpUrl::origin() const {
    std::string text = (tls ? "https://" : "http://") + host;
    if (port != default_port()) text += ":" + std::to_string(port);
    return text;
}

bool HttpUrl::is_loopback() const {
    return host == "localhost" || host == "[::1]" ||
           (host.starts_with("127.") && !is_odd_address(host) && is_digit(host.back()));
}

Result<HttpUrl> parse_http_url(std::string_view text) {
    if (text.size() > url_bytes_max)
        return Error{EINVAL, "the URL is longer than " + std::to_string(url_bytes_max) + " bytes"};
    const bool plain = std::all_of(text.begin(), text.end(),
                                   [](char c) { return c > ' ' && c < 0x7f && c != '\\' && c != '#'; });
    if (!plain) return Error{EINVAL, "the URL has characters that none may have"};
    HttpUrl url;
    const size_t scheme_end = text.find("://");
    if (scheme_end == std::string_view::npos) return Error{EINVAL, "the URL is none of http or https"};
    const std::string scheme = lowered(text.substr(0, scheme_end));
    if (scheme == "https")
        url.tls = true;
    else if (scheme != "http")
        return Error{EINVAL, "the URL is none of http or https"};
    text.remove_prefix(scheme_end + 3);
    const size_t end = std::min(text.find_first_of("/?"), text.size());
    const std::string_view authority = text.substr(0, end);
    if (authority.find('@') != std::string_view::npos)
        return Error{EINVAL, "the URL has a user or a password"};
    const auto parts = authority_of(authority);
    if (!parts) return Error{EINVAL, "the URL's host or port is none"};
    url.host = parts->host;
    url.port = parts->port.value_or(url.default_port());
    url.target = text.substr(end);
    return url;
}

std::string shown_url(std::string_view text) {
    const auto url = parse_http_url(text);
    return url ? url->origin() : "(no URL)";
}

bool is_host_pattern(std::string_view pattern) {
    if (pattern.starts_with("*.")) pattern.remove_prefix(2);
    return authority_of(pattern).has_value();
}

bool host_matches(const HttpUrl& url, std::string_view pattern) {
    const bool below = pattern.starts_with("*.");
    if (below) pattern.remove_prefix(2);
    const auto wanted = authority_of(pattern);
    if (!wanted || url.port != wanted->port.value_or(url.default_port())) return false;
    if (!below) return url.host == wanted->host;
    return url.host.size() > wanted->host.size() + 1 && url.host.ends_with(wanted->host) &&
           url.host[url.host.size() - wanted->host.size() - 1] == '.';
}

}  // namespace spoor
