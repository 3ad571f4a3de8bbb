#include "shim/ipc/delivery_settings.h"

#include <nlohmann/json.hpp>

#include "shim/ipc/json_dump.h"

namespace spoor {
namespace {

using nlohmann::json;

// One list of the fields for both ways: `each(key, member)`.
template <class Settings, class Each>
void for_each_field(Settings& settings, Each each) {
    each("endpoint", settings.endpoint);
    each("mint", settings.mint);
    each("otlpEndpoint", settings.otlp_endpoint);
    each("tokenFile", settings.token_file);
    each("otlpTokenFile", settings.otlp_token_file);
    each("caFile", settings.ca_file);
    each("putHosts", settings.put_hosts);
    each("spool", settings.spool);
    each("program", settings.program);
    each("spoolBytesMax", settings.spool_bytes_max);
    each("maxAgeMs", settings.max_age_ms);
    each("timeoutMs", settings.timeout_ms);
    each("retryMinMs", settings.retry_min_ms);
    each("retryMaxMs", settings.retry_max_ms);
    each("logFile", settings.log_file);
    each("logLevel", settings.log_level);
}

bool take(const json& value, std::string& out) {
    if (!value.is_string()) return false;
    out = value.get<std::string>();
    return true;
}

bool take(const json& value, uint64_t& out) {
    if (!value.is_number_unsigned()) return false;
    out = value.get<uint64_t>();
    return true;
}

bool take(const json& value, std::vector<std::string>& out) {
    if (!value.is_array()) return false;
    out.clear();
    for (const json& item : value) {
        if (!item.is_string()) return false;
        out.push_back(item.get<std::string>());
    }
    return true;
}

}  // namespace

std::string to_json(const DeliverySettings& settings) {
    json object = json::object();
    for_each_field(settings, [&](const char* key, const auto& member) { object[key] = member; });
    return dump_json(object);
}

Result<DeliverySettings> parse_delivery_settings(std::string_view text) {
    const json object = json::parse(text, nullptr, false);
    if (!object.is_object()) return Error{EINVAL, "the settings of the delivery are no JSON object"};
    DeliverySettings settings;
    std::string wrong;
    for_each_field(settings, [&](const char* key, auto& member) {
        const auto found = object.find(key);
        if (found != object.end() && !take(*found, member) && wrong.empty()) wrong = key;
    });
    if (!wrong.empty()) return Error{EINVAL, "the delivery's setting '" + wrong + "' is of another type"};
    return settings;
}

}  // namespace spoor
