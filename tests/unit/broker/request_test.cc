#include "shim/broker/request.h"

#include <gmock/gmock.h>

#include <cstring>
#include <span>
#include <string>

namespace spoor::broker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

RequestMessage message(Request request) {
    RequestMessage made{};
    made.magic = magic;
    made.version = version;
    made.request = static_cast<uint16_t>(request);
    return made;
}

ParsedRequest parse(const RequestMessage& sent, size_t descriptors = 0, bool cut = false) {
    return parse_request(std::as_bytes(std::span(&sent, 1)), descriptors, cut);
}

// The request that it is; fails the test, and has no value, if it is another or refused.
template <class T>
T parsed_as(const ParsedRequest& parsed) {
    const T* is = std::get_if<T>(&parsed.what);
    const auto* refused = std::get_if<RefusedRequest>(&parsed.what);
    EXPECT_NE(is, nullptr) << (refused != nullptr ? refused->text : "another request");
    return is != nullptr ? *is : T{};
}

std::string refusal(const ParsedRequest& parsed, Code code = Code::bad_request) {
    const auto* refused = std::get_if<RefusedRequest>(&parsed.what);
    if (refused == nullptr) return "not refused";
    EXPECT_EQ(refused->code, code);
    return refused->text;
}

TEST(BrokerRequest, EachHasItsFields) {
    RequestMessage sent = message(Request::hello);
    sent.ring_bytes = 7;
    sent.pid = 8;
    sent.start_ns = 9;
    sent.token[0] = 10;
    sent.token[1] = 11;
    const auto as = [&sent](Request request) {
        sent.request = static_cast<uint16_t>(request);
        return parse(sent);
    };
    parsed_as<HelloRequest>(as(Request::hello));
    parsed_as<StatsRequest>(as(Request::stats));
    parsed_as<DisarmRequest>(as(Request::disarm));
    parsed_as<WindowRequest>(as(Request::window));
    EXPECT_EQ(parsed_as<GrowRequest>(as(Request::grow)).ring_bytes, 7u);
    EXPECT_EQ(parsed_as<ListRequest>(as(Request::list)).after, 9u);
    EXPECT_THAT(parsed_as<ResumeRequest>(as(Request::resume)).token, ElementsAre(10u, 11u));
    const auto renew = parsed_as<RenewRequest>(as(Request::renew));
    EXPECT_EQ(renew.pid, 8u);
    EXPECT_EQ(renew.start_ns, 9u);
    const auto assign = parsed_as<AssignRequest>(as(Request::assign));
    EXPECT_EQ(assign.pid, 8u);
    EXPECT_EQ(assign.start_ns, 9u);
    EXPECT_EQ(assign.refusal, 7u);
    const ParsedRequest parsed = as(Request::renew);
    EXPECT_EQ(parsed.kind(), Request::renew);
    EXPECT_EQ(parsed.version, version);
    EXPECT_FALSE(parsed.malformed);
}

TEST(BrokerRequest, Arm) {
    RequestMessage sent = message(Request::arm);
    sent.ring_bytes = 65536;
    sent.start_ns = UINT32_MAX;
    sent.pid = modes_word(static_cast<uint32_t>(Mode::warn), 0b110);
    std::strcpy(sent.container_id, "c1");
    std::memcpy(sent.task_keys, "TASK=\0OTHER", 12);
    const ParsedRequest parsed = parse(sent, arm_descriptors);
    EXPECT_EQ(parsed.container, "c1");
    const auto arm = parsed_as<ArmRequest>(parsed);
    EXPECT_EQ(arm.ring_bytes, 65536u);
    EXPECT_EQ(arm.pid_namespace, UINT32_MAX);
    EXPECT_THAT(arm.task_keys, ElementsAre("TASK=", "OTHER"));
    ASSERT_TRUE(arm.modes.has_value());
    EXPECT_EQ(arm.modes->container, Mode::warn);
    EXPECT_EQ(arm.modes->tasks, 0b110);
}

TEST(BrokerRequest, ArmThatSaysTheLeast) {
    RequestMessage sent = message(Request::arm);
    const auto arm = parsed_as<ArmRequest>(parse(sent, arm_descriptors));
    EXPECT_FALSE(arm.modes.has_value());
    EXPECT_EQ(arm.pid_namespace, 0u);
    EXPECT_THAT(arm.task_keys, IsEmpty());
    // A name without an end takes all of the field, and nothing behind it.
    std::memset(sent.container_id, 'c', sizeof sent.container_id);
    EXPECT_EQ(parse(sent, arm_descriptors).container, std::string(sizeof sent.container_id, 'c'));
}

TEST(BrokerRequest, ArmInAPidNamespaceThatCannotBe) {
    RequestMessage sent = message(Request::arm);
    sent.start_ns = uint64_t{UINT32_MAX} + 1;
    EXPECT_EQ(refusal(parse(sent, arm_descriptors)), "the pid namespace is malformed");
}

TEST(BrokerRequest, ArmTakesExactlyTwoDescriptors) {
    RequestMessage sent = message(Request::arm);
    std::strcpy(sent.container_id, "c1");
    for (const size_t descriptors : {0u, 1u, 3u}) {
        const ParsedRequest parsed = parse(sent, descriptors);
        EXPECT_THAT(refusal(parsed), HasSubstr("directory and a pidfd")) << descriptors;
        EXPECT_FALSE(parsed.malformed) << descriptors;
        EXPECT_EQ(parsed.container, "c1") << "the audit log tells whose";
    }
    for (const Request other :
         {Request::hello, Request::stats, Request::grow, Request::disarm, Request::renew, Request::resume,
          Request::list, Request::window, Request::assign})
        EXPECT_THAT(refusal(parse(message(other), 1)), HasSubstr("only arm takes descriptors"));
}

TEST(BrokerRequest, MalformedModesAndKeys) {
    RequestMessage sent = message(Request::arm);
    sent.pid = 1;
    EXPECT_EQ(refusal(parse(sent, arm_descriptors)), "the modes are malformed");
    sent.pid = 0;
    const auto keys = [&sent](const std::string& bytes) {
        std::memset(sent.task_keys, 0, sizeof sent.task_keys);
        bytes.copy(sent.task_keys, sizeof sent.task_keys);
        return parse(sent, arm_descriptors);
    };
    const std::string longest = std::string(47, 'k') + '\0';
    EXPECT_THAT(parsed_as<ArmRequest>(keys(longest)).task_keys, ElementsAre(std::string(47, 'k')));
    EXPECT_EQ(refusal(keys("k" + longest)), "the task keys are malformed");
    std::string eight;
    for (int i = 0; i < 8; ++i) eight += std::string("a\0", 2);
    EXPECT_EQ(parsed_as<ArmRequest>(keys(eight)).task_keys.size(), 8u);
    EXPECT_EQ(refusal(keys(eight + "a")), "the task keys are malformed");
    EXPECT_EQ(refusal(keys(std::string("a\0\0b", 4))), "the task keys are malformed");
    EXPECT_EQ(refusal(keys(std::string(sizeof sent.task_keys, 'a'))), "the task keys are malformed");
}

TEST(BrokerRequest, WhatIsNoMessageClosesTheConnection) {
    const RequestMessage good = message(Request::hello);
    std::vector<std::byte> bytes(sizeof good + 1);
    std::memcpy(bytes.data(), &good, sizeof good);
    for (const size_t size : {size_t{0}, size_t{1}, sizeof good - 1, sizeof good + 1}) {
        const ParsedRequest parsed = parse_request(std::span(bytes).first(size), 0, false);
        EXPECT_TRUE(parsed.malformed) << size;
        EXPECT_EQ(refusal(parsed), "malformed request") << size;
    }
    EXPECT_TRUE(parse(good, 0, true).malformed) << "what was cut";
    RequestMessage other = good;
    other.magic ^= 1;
    EXPECT_TRUE(parse(other).malformed);
    EXPECT_EQ(parse(other).version, version);
}

TEST(BrokerRequest, UnknownRequestsAndVersions) {
    for (const uint16_t unknown : {uint16_t{0}, uint16_t{11}, uint16_t{65535}}) {
        const ParsedRequest parsed = parse(message(static_cast<Request>(unknown)));
        EXPECT_EQ(refusal(parsed), "unknown request " + std::to_string(unknown));
        EXPECT_FALSE(parsed.malformed);
        EXPECT_EQ(parsed.request, unknown) << "what is echoed";
    }
    for (const int other : {0, 1, version + 1, 65535}) {
        RequestMessage sent = message(Request::stats);
        sent.version = static_cast<uint16_t>(other);
        const ParsedRequest parsed = parse(sent);
        EXPECT_THAT(refusal(parsed, Code::bad_version), HasSubstr("install spoor and spoord")) << other;
        EXPECT_EQ(parsed.version, version) << "what it is answered in";
        EXPECT_FALSE(parsed.malformed);
    }
}

}  // namespace
}  // namespace spoor::broker
