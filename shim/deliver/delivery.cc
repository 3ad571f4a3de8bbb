#include "shim/deliver/delivery.h"

#include <strings.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/url.h"
#include "shim/deliver/answers.h"
#include "shim/deliver/gzip.h"

namespace spoor {
namespace {

constexpr size_t token_bytes_max = 16 * 1024;
constexpr int redirects_max = 3;

using Headers = std::vector<std::pair<std::string, std::string>>;

Outcome later(std::string reason) { return {Outcome::Kind::later, std::move(reason)}; }
Outcome never(std::string reason) { return {Outcome::Kind::never, std::move(reason)}; }

bool comes_back(int status) { return status == 408 || status == 425 || status == 429 || status >= 500; }

Status add_token(const std::string& file, Headers& headers) {
    if (file.empty()) return {};
    auto text = read_file(file, token_bytes_max);
    if (!text) return std::move(text).error().context("the token");
    auto token = parse_token(*text);
    if (!token) return std::move(token).error().context("the token in " + file);
    headers.emplace_back("Authorization", "Bearer " + *token);
    return {};
}

// Within a server: what would send the token, or the report, anywhere else is not followed.
Result<HttpAnswer> send_following(HttpRequest& request, Http& http) {
    for (int redirects = 0;; ++redirects) {
        auto answer = http.send(request);
        if (!answer || (answer->status != 307 && answer->status != 308) || redirects == redirects_max)
            return answer;
        const auto from = parse_http_url(request.url), to = parse_http_url(answer->redirect);
        if (!from || !to || from->origin() != to->origin()) return answer;
        request.url = answer->redirect;
    }
}

Outcome judge(const Result<HttpAnswer>& answer, const std::string& url) {
    const std::string where = shown_url(url);
    if (!answer) return later(where + ": " + answer.error().message);
    const std::string what = where + " answered " + std::to_string(answer->status);
    if (answer->status >= 200 && answer->status < 300) return {Outcome::Kind::delivered, ""};
    if (comes_back(answer->status)) {
        Outcome outcome = later(what);
        outcome.retry_after_ms = answer->retry_after_ms.value_or(0);
        return outcome;
    }
    if (answer->status >= 300 && answer->status < 400)
        return never(what + ": a redirect to another place is not followed");
    if (answer->status >= 400) return never(what);
    return later(what + ", which is no answer");
}

struct Post {
    const std::string& url;
    const std::string& token_file;
    const std::string& key;
    std::string_view body;
    bool gzip = false;
};

Outcome post(const Post& what, const DeliverySettings& settings, Http& http, std::string* body = nullptr) {
    HttpRequest request;
    request.url = what.url;
    request.headers = {{"Content-Type", "application/json"}, {"Idempotency-Key", what.key}};
    if (what.gzip) request.headers.emplace_back("Content-Encoding", "gzip");
    if (auto added = add_token(what.token_file, request.headers); !added) return later(added.error().message);
    request.body = what.body;
    request.timeout_ms = settings.timeout_ms;
    request.ca_file = settings.ca_file;
    auto answer = send_following(request, http);
    Outcome outcome = judge(answer, what.url);
    if (answer && body != nullptr) *body = std::move(answer->body);
    return outcome;
}

Outcome post_item(const Spool::Opened& opened, const std::string& url, const std::string& token_file,
                  const DeliverySettings& settings, Http& http, std::string* body = nullptr) {
    auto packed = gzip_file(opened.fd.get(), opened.payload_at, opened.item.payload_bytes);
    if (!packed) return later(packed.error().message);
    return post({url, token_file, opened.item.key, *packed, true}, settings, http, body);
}

Outcome put_item(const Spool::Opened& opened, const Minted& to, const DeliverySettings& settings,
                 Http& http) {
    HttpRequest request;
    request.method = HttpRequest::Method::put;
    request.url = to.url;
    request.headers = to.headers;
    const auto is_type = [](const auto& header) {
        return header.first.size() == 12 && ::strcasecmp(header.first.c_str(), "content-type") == 0;
    };
    if (std::none_of(request.headers.begin(), request.headers.end(), is_type))
        request.headers.emplace_back("Content-Type", "application/json");
    request.headers.emplace_back("Idempotency-Key", opened.item.key);
    request.body_fd = opened.fd.get();
    request.body_at = opened.payload_at;
    request.body_bytes = opened.item.payload_bytes;
    request.timeout_ms = settings.timeout_ms;
    request.ca_file = settings.ca_file;
    return judge(http.send(request), to.url);
}

// A task signal's URL is a tenant's: it says to where on the node's network something is sent.
Status check_tenants_url(const std::string& text, const DeliverySettings& settings) {
    const auto url = parse_http_url(text);
    if (!url) return url.error();
    const bool allowed = std::any_of(settings.put_hosts.begin(), settings.put_hosts.end(),
                                     [&](const std::string& host) { return host_matches(*url, host); });
    if (!allowed) return Error{EPERM, url->origin() + " is not one of delivery.put.hosts"};
    if (!url->tls && !url->is_loopback()) return Error{EPERM, url->origin() + " is not https"};
    return {};
}

Outcome deliver_raw(const Spool::Opened& opened, const DeliverySettings& settings, Http& http) {
    const SpoolItem& item = opened.item;
    if (!item.url.empty()) {
        if (auto allowed = check_tenants_url(item.url, settings); !allowed)
            return never(allowed.error().message);
        return put_item(opened, {item.url, {}}, settings, http);
    }
    if (settings.mint.empty()) return later("there is no delivery.put.mint any more");
    const std::string question =
        nlohmann::json{{"taskId", item.task_id},     {"containerId", item.container_id},
                       {"session", item.session},    {"bytes", item.payload_bytes},
                       {"idempotencyKey", item.key}, {"contentType", "application/json"}}
            .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    std::string body;
    Outcome asked = post({settings.mint, settings.token_file, item.key, question}, settings, http, &body);
    if (asked.kind != Outcome::Kind::delivered) {
        asked.reason = "no URL: " + asked.reason;
        return asked;
    }
    const auto minted = parse_minted(body);
    if (!minted) return later("no URL: " + shown_url(settings.mint) + ": " + minted.error().message);
    return put_item(opened, *minted, settings, http);
}

Outcome deliver_logs(const Spool::Opened& opened, const DeliverySettings& settings, Http& http) {
    if (settings.otlp_endpoint.empty()) return later("there is no delivery.otlp.endpoint any more");
    std::string url = settings.otlp_endpoint;
    while (url.ends_with('/')) url.pop_back();
    constexpr std::string_view path = "/v1/logs";
    if (!url.ends_with(path)) url += path;
    std::string body;
    Outcome outcome = post_item(opened, url, settings.otlp_token_file, settings, http, &body);
    if (outcome.kind != Outcome::Kind::delivered) return outcome;
    if (const uint64_t rejected = rejected_log_records(body); rejected > 0)
        outcome.reason =
            shown_url(url) + " has not taken " + std::to_string(rejected) + " of the log records";
    return outcome;
}

}  // namespace

Outcome try_to_deliver(const Spool::Opened& opened, const DeliverySettings& settings, Http& http) {
    switch (opened.item.kind) {
        case DeliveryKind::report:
            if (settings.endpoint.empty()) return later("there is no delivery.endpoint any more");
            return post_item(opened, settings.endpoint, settings.token_file, settings, http);
        case DeliveryKind::raw:
            return deliver_raw(opened, settings, http);
        case DeliveryKind::logs:
            return deliver_logs(opened, settings, http);
    }
    return never("of a kind that is not known");
}

std::string destination_of(const SpoolItem& item) {
    if (item.kind == DeliveryKind::raw && !item.url.empty()) return shown_url(item.url);
    return std::string(name_of(item.kind));
}

std::string describe(const SpoolItem& item) {
    if (item.kind == DeliveryKind::logs) return "log records of container " + item.container_id;
    return std::string(item.kind == DeliveryKind::raw ? "the raw report" : "the report") + " of task " +
           item.task_id + " of container " + item.container_id;
}

}  // namespace spoor
