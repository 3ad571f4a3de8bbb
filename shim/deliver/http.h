// The seam to the network: one request, one answer. CurlHttp is the real one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace spoor {

struct HttpRequest {
    enum class Method { post, put };
    Method method = Method::post;
    std::string url;
    std::vector<std::pair<std::string, std::string>> headers;  // no control characters in them
    std::string_view body;                                     // of a POST
    int body_fd = -1;                                          // of a PUT: a regular file,
    uint64_t body_at = 0, body_bytes = 0;                      // from this offset on, so long
    uint64_t timeout_ms = 60'000;                              // from connecting to the answer's end
    std::string ca_file;                                       // empty: the system's authorities
};

struct HttpAnswer {
    int status = 0;
    std::optional<uint64_t> retry_after_ms;
    std::string redirect;  // where a 3xx points to, absolute; empty: nowhere
    std::string body;      // of at most answer_bytes_max; the rest is thrown away
};
inline constexpr size_t answer_bytes_max = 64 * 1024;

class Http {
public:
    Http() = default;
    Http(const Http&) = delete;
    Http& operator=(const Http&) = delete;
    virtual ~Http() = default;
    // Follows no redirect. The error says what went wrong with the connection and quotes neither URL nor
    // headers. Blocks for at most the request's timeout.
    virtual Result<HttpAnswer> send(const HttpRequest& request) = 0;
};

}  // namespace spoor
