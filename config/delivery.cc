#include "config/delivery.h"

#include "base/url.h"

namespace spoor {
namespace {

using namespace std::chrono_literals;

constexpr uint64_t smallest_spool = 1024 * 1024;

// A token or a report that travels in the clear.
void warn_of_plain_http(const char* key, const std::string& text, bool token,
                        std::vector<std::string>& warnings) {
    if (text.empty()) return;
    const auto url = parse_http_url(text);
    if (!url || url->tls || url->is_loopback()) return;
    warnings.push_back("'" + std::string(key) + "' is http: what is sent there" +
                       (token ? ", the token too," : "") + " can be read and changed on the way");
}

}  // namespace

void read_delivery(Section& section, Config::Delivery& delivery) {
    section.http_url("endpoint", delivery.endpoint);
    section.absolute_path("token_file", delivery.token_file);
    section.section("put", [&](Section& put) {
        put.http_url("mint", delivery.put.mint);
        put.hosts("hosts", delivery.put.hosts);
    });
    section.section("otlp", [&](Section& otlp) {
        otlp.http_url("endpoint", delivery.otlp.endpoint);
        otlp.absolute_path("token_file", delivery.otlp.token_file);
    });
    section.absolute_path("ca_file", delivery.ca_file);
    section.absolute_path("spool", delivery.spool);
    section.size("spool_max", delivery.spool_max);
    section.duration("max_age", delivery.max_age, 1s, 24h * 365);
    section.duration("timeout", delivery.timeout, 10ms, 1h);
    section.duration("retry_min", delivery.retry_min, 1ms, 1h);
    section.duration("retry_max", delivery.retry_max, 1ms, 24h);
    section.absolute_path("program", delivery.program);
}

Status check_delivery(const Config::Delivery& delivery) {
    if (delivery.retry_min > delivery.retry_max)
        return Error{EINVAL, "'delivery.retry_min' is longer than 'delivery.retry_max'"};
    if (delivery.otlp.endpoint.find('?') != std::string::npos)
        return Error{EINVAL, "'delivery.otlp.endpoint' has a query: /v1/logs is put behind it"};
    if (delivery.spool_max < smallest_spool)
        return Error{EINVAL, "'delivery.spool_max' is smaller than 1MiB"};
    return {};
}

std::vector<std::string> config_warnings(const Config& config) {
    const Config::Delivery& delivery = config.delivery;
    std::vector<std::string> warnings;
    const bool token = !delivery.token_file.empty();
    warn_of_plain_http("delivery.endpoint", delivery.endpoint, token, warnings);
    warn_of_plain_http("delivery.put.mint", delivery.put.mint, token, warnings);
    warn_of_plain_http("delivery.otlp.endpoint", delivery.otlp.endpoint, !delivery.otlp.token_file.empty(),
                       warnings);
    return warnings;
}

}  // namespace spoor
