#include "shim/ctl/config_text.h"

#include <gtest/gtest.h>

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
    config.delivery.endpoint = "https://a/x?key=secret";
    EXPECT_EQ(config_text(config).find("secret"), std::string::npos);
}

}  // namespace
}  // namespace spoor::ctl
