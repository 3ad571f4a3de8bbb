#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/config.h"

namespace spoor {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

std::string first_error(const std::string& yaml) {
    const auto loaded = parse_config(yaml, "f.yaml");
    return loaded.errors.empty() ? "" : loaded.errors.front().message;
}

TEST(DeliveryConfig, IsOffUnlessSomethingIsNamed) {
    EXPECT_FALSE(Config().delivery.on());
    EXPECT_FALSE(parse_config("delivery: {token_file: /t, spool: /s}", "f").config.delivery.on());
    for (const char* text : {"endpoint: 'https://a/'", "put: {mint: 'https://a/'}", "put: {hosts: [a]}",
                             "otlp: {endpoint: 'http://localhost:4318'}"})
        EXPECT_TRUE(parse_config("delivery: {" + std::string(text) + "}", "f").config.delivery.on()) << text;
}

TEST(DeliveryConfig, IsRead) {
    const auto loaded = parse_config(
        "delivery:\n  endpoint: https://a.example/reports\n  token_file: /t\n  ca_file: /ca\n"
        "  put: {mint: 'https://m.example/', hosts: ['*.store.example', 'localhost:9000']}\n"
        "  otlp: {endpoint: 'http://127.0.0.1:4318', token_file: /o}\n"
        "  spool: /s\n  spool_max: 2MiB\n  max_age: 2d\n  timeout: 5s\n  retry_min: 10ms\n  retry_max: 1h\n"
        "  program: /p\n",
        "f");
    ASSERT_THAT(loaded.errors, IsEmpty());
    const auto& delivery = loaded.config.delivery;
    EXPECT_EQ(delivery.endpoint, "https://a.example/reports");
    EXPECT_EQ(delivery.token_file, "/t");
    EXPECT_EQ(delivery.ca_file, "/ca");
    EXPECT_EQ(delivery.put.mint, "https://m.example/");
    EXPECT_THAT(delivery.put.hosts, ElementsAre("*.store.example", "localhost:9000"));
    EXPECT_EQ(delivery.otlp.endpoint, "http://127.0.0.1:4318");
    EXPECT_EQ(delivery.otlp.token_file, "/o");
    EXPECT_EQ(delivery.spool, "/s");
    EXPECT_EQ(delivery.spool_max, 2u << 20);
    EXPECT_EQ(delivery.max_age, 48h);
    EXPECT_EQ(delivery.timeout, 5s);
    EXPECT_EQ(delivery.retry_min, 10ms);
    EXPECT_EQ(delivery.retry_max, 1h);
    EXPECT_EQ(delivery.program, "/p");
}

TEST(DeliveryConfig, FaultsAreToldWithoutTheUrl) {
    for (const char* text :
         {"endpoint: ftp://a/secret", "endpoint: 'https://u:secret@a/'", "endpoint: secret",
          "put: {mint: 'file:///secret'}", "put: {hosts: a}", "put: {hosts: ['https://a']}",
          "put: {hosts: ['*']}", "otlp: {endpoint: 'http://a/?secret'}", "token_file: relative",
          "spool_max: 5KiB", "retry_min: 2s\n  retry_max: 1s", "max_age: 1ms", "tokens: x", "headers: {}"}) {
        const std::string error = first_error("delivery:\n  " + std::string(text) + "\n");
        EXPECT_THAT(error, HasSubstr("delivery")) << text;
        EXPECT_THAT(error, Not(HasSubstr("secret"))) << text;
    }
}

TEST(DeliveryConfig, PlainHttpIsWarnedOfUnlessItStaysOnTheMachine) {
    const auto warnings = [](const std::string& text) {
        return config_warnings(parse_config("delivery: {" + text + "}", "f").config);
    };
    EXPECT_THAT(warnings("endpoint: 'https://a/', otlp: {endpoint: 'http://localhost:4318'}"), IsEmpty());
    EXPECT_THAT(warnings("endpoint: 'http://127.0.0.1:1/', put: {mint: 'http://[::1]:2/'}"), IsEmpty());
    EXPECT_THAT(warnings("endpoint: 'http://a/', token_file: /t"), ElementsAre(HasSubstr("the token too")));
    EXPECT_THAT(warnings("put: {mint: 'http://a/'}, otlp: {endpoint: 'http://a/'}"), SizeIs(2));
}

}  // namespace
}  // namespace spoor
