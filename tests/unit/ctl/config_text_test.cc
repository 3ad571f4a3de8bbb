#include "shim/ctl/config_text.h"

#include <gtest/gtest.h>

#include "shim/ctl/config_tenants.h"

namespace spoor::ctl {
namespace {

Config read_back(const Config& config) {
    auto loaded = parse_config(config_text(config), "shown");
    for (const auto& error : loaded.errors) ADD_FAILURE() << error.message;
    return loaded.config;
}

TEST(ConfigText, TheDefaultsReadBack) {
    Config config;
    EXPECT_EQ(config_text(read_back(config)), config_text(config));
}

TEST(ConfigText, EveryValueReadsBack) {
    Config config;
    config.runtime = "/opt/a b/\"crun\"";
    config.trace = false;
    config.mode = Mode::off;
    config.on_unavailable = OnUnavailable::refuse;
    config.setup_deadline = std::chrono::milliseconds(1500);
    config.state_root = "/var/lib/spoor state";
    config.mount = "/trail";
    config.recorder = "/r";
    config.broker = {.socket = "/s", .program = "/p", .start_private = false};
    config.volumes = {.keep = 3, .roots = {}};
    config.ring = {.initial = 1u << 20, .max = 4u << 20};
    config.accesses = {.write = false, .rotate = 1000};
    config.log = {.file = "/l", .level = "off"};
    config.delivery.endpoint = "https://a/x";
    config.delivery.put.hosts = {"*.b"};
    config.delivery.otlp.token_file = "/o";
    config.delivery.max_age = std::chrono::hours(30);
    config.delivery.retry_min = std::chrono::milliseconds(7);
    Config back = read_back(config);
    EXPECT_EQ(back.runtime, config.runtime);
    EXPECT_EQ(back.trace, false);
    EXPECT_EQ(back.mode, Mode::off);
    EXPECT_EQ(back.on_unavailable, OnUnavailable::refuse);
    EXPECT_EQ(back.setup_deadline, config.setup_deadline);
    EXPECT_EQ(back.state_root, config.state_root);
    EXPECT_EQ(back.mount, config.mount);
    EXPECT_EQ(back.recorder, config.recorder);
    EXPECT_EQ(back.broker.socket, "/s");
    EXPECT_EQ(back.broker.program, "/p");
    EXPECT_FALSE(back.broker.start_private);
    EXPECT_EQ(back.volumes.keep, 3u);
    EXPECT_TRUE(back.volumes.roots.empty());
    EXPECT_EQ(back.ring.initial, 1u << 20);
    EXPECT_EQ(back.ring.max, 4u << 20);
    EXPECT_FALSE(back.accesses.write);
    EXPECT_EQ(back.accesses.rotate, 1000u);
    EXPECT_EQ(back.log.file, "/l");
    EXPECT_EQ(back.log.level, "off");
    EXPECT_EQ(back.delivery.endpoint, "https://a/x");
    EXPECT_EQ(back.delivery.put.hosts, config.delivery.put.hosts);
    EXPECT_EQ(back.delivery.otlp.token_file, "/o");
    EXPECT_EQ(back.delivery.max_age, config.delivery.max_age);
    EXPECT_EQ(back.delivery.retry_min, config.delivery.retry_min);
    EXPECT_EQ(back.delivery.spool_max, config.delivery.spool_max);
}

TEST(ConfigText, HasNoQueryOfAUrl) {
    Config config;
    config.delivery.endpoint = "https://a/x?key=signature";
    EXPECT_EQ(config_text(config).find("signature"), std::string::npos);
}

constexpr const char* rules = R"(tenants:
  - name: ci
    uid: [1000, 2000-2999]
    gid: 5
    cgroup: ["/a/*", "*\"b"]
    account: together
    containers: 3
    modes: [warn, strict]
    on_unavailable: refuse
    annotations: {io.spoor.mode: strict, io.spoor.volume: "/v \"x"}
  - name: default
    requests: 0
audit: {file: stderr, rotate: 0, keep: 9}
metrics: {socket: /m, group: prometheus, listen: "127.0.0.1:9", textfile: /t, interval: 1m}
)";

TEST(ConfigText, TheOperatorsPartReadsBack) {
    auto loaded = parse_config(rules, "rules");
    for (const auto& error : loaded.errors) ADD_FAILURE() << error.message;
    const std::string text = config_text(loaded.config);
    EXPECT_EQ(config_text(read_back(loaded.config)), text);
    const Config back = read_back(loaded.config);
    ASSERT_EQ(back.tenants.size(), 2u);
    const TenantRule& rule = back.tenants[0];
    EXPECT_EQ(rule.uids[1].last, 2999u);
    EXPECT_EQ(rule.cgroups[1], "*\"b");
    EXPECT_EQ(rule.account.value, AccountOf::together);
    EXPECT_EQ(rule.modes.value, 0b110);
    EXPECT_EQ(rule.on_unavailable.value, OnUnavailable::refuse);
    EXPECT_EQ(rule.annotations.value.at("io.spoor.volume"), "/v \"x");
    EXPECT_EQ(back.tenants[1].requests.value, 0u);
    EXPECT_EQ(back.audit.file, "stderr");
    EXPECT_EQ(back.audit.rotate, 0u);
    EXPECT_EQ(back.metrics.listen, "127.0.0.1:9");
    EXPECT_EQ(back.metrics.interval, std::chrono::minutes(1));
}

TEST(ConfigText, AnExplanationNamesRuleAndLines) {
    const auto loaded = parse_config(rules, "rules");
    const std::string text = explanation(loaded.config, "/etc/s.yaml", {2500, {5}, "/a/b"});
    EXPECT_EQ(text.substr(0, text.find('\n')),
              "rule ci, for uid 1000, 2000-2999, gid 5, cgroup /a/*, *\"b (/etc/s.yaml:2)");
    EXPECT_NE(text.find("  containers        3                     /etc/s.yaml:7\n"), std::string::npos)
        << text;
    EXPECT_NE(text.find("  connections       1024                  default\n"), std::string::npos) << text;
    EXPECT_NE(text.find("  modes             [warn, strict]        /etc/s.yaml:8\n"), std::string::npos)
        << text;
    const std::string other = explanation(loaded.config, "/etc/s.yaml", {2500, {5}, ""});
    EXPECT_EQ(other.substr(0, other.find('\n')), "rule default, for everybody else (/etc/s.yaml:11)");
    const std::string none = explanation(Config(), "/etc/s.yaml", {1, {}, ""});
    EXPECT_EQ(none.substr(0, none.find('\n')),
              "rule default, for everybody else (built in: no rule matches)");
}

TEST(ConfigText, AForcedAnnotationThatNoContainerCouldHaveIsFound) {
    const auto checked = [](const char* rule) {
        auto loaded = parse_config(std::string("tenants:\n- ") + rule + "\n", "f");
        EXPECT_TRUE(loaded.errors.empty());
        const Status status = check_forced_annotations(loaded.config, "f");
        return status ? std::string() : status.error().message;
    };
    EXPECT_EQ(checked("{name: a, annotations: {io.spoor.mode: warn}}"), "");
    EXPECT_EQ(checked("{name: a, annotations: {io.spoor.mode: loud}}").find("f:2: rule a: "), 0u);
    EXPECT_EQ(checked("{name: a, annotations: {io.spoor.colour: red}}").find("f:2: rule a: "), 0u);
    EXPECT_EQ(checked("{name: a, modes: strict, annotations: {io.spoor.mode: warn}}"),
              "f:2: rule a: forces mode warn, which it does not allow");
}

}  // namespace
}  // namespace spoor::ctl
