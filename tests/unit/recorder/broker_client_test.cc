#include "shim/ipc/broker_client.h"

#include <dirent.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <future>

#include "base/files.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/recorder/fake_spoord.h"

namespace spoor::broker {
namespace {

using std::chrono::milliseconds;
using test::FakeSpoord;
using test::TempDir;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Deadline in(int ms) { return std::chrono::steady_clock::now() + milliseconds(ms); }

size_t count_open_fds() {
    size_t count = 0;
    DIR* stream = ::opendir("/proc/self/fd");
    while (::readdir(stream)) ++count;
    ::closedir(stream);
    return count;
}

struct BrokerClientTest : ::testing::Test {
    // What the fake changes in its answers to `request`.
    void mend(Request request, std::function<void(ReplyMessage&)> change) {
        spoord = std::make_unique<FakeSpoord>(path, [=](Request asked, ReplyMessage& reply) {
            if (asked == request) change(reply);
        });
    }
    Result<GrantedRing> arm(Client& client) {
        auto asked = client.begin_arm("c1", 0, 0, 4096, {}, 0);
        if (!asked) return std::move(asked).error();
        return client.finish_arm(in(60'000));
    }

    TempDir dir;
    std::string path = dir / "spoord.sock";
    std::unique_ptr<FakeSpoord> spoord;
};

TEST_F(BrokerClientTest, AWholeSession) {
    mend(Request::arm, [](ReplyMessage& reply) { reply.ring_bytes = 8192; });
    auto client = Client::connect(path, in(60'000));
    ASSERT_TRUE(client) << client.error().message;
    EXPECT_EQ(client->coverage().family, Family::syscall_exit);
    EXPECT_EQ(client->coverage().exact_ops, 1u << SPOOR_OP_READ);
    EXPECT_EQ(client->coverage().lexical_ops, 1u << SPOOR_OP_RENAME);
    auto ring = arm(*client);
    ASSERT_TRUE(ring) << ring.error().message;
    EXPECT_EQ(ring->bytes, 8192u) << "spoord decides";
    EXPECT_TRUE(::fcntl(ring->fd.get(), F_GETFD) & FD_CLOEXEC);
    ASSERT_TRUE(spoord->emit("x"));
    auto counters = client->stats(in(60'000));
    ASSERT_TRUE(counters);
    EXPECT_EQ(counters->emitted, 1u);
    auto grown = client->grow(16384, in(60'000));
    ASSERT_TRUE(grown);
    EXPECT_EQ(grown->bytes, 16384u);
    ASSERT_TRUE(client->disarm(in(60'000)));
    EXPECT_THAT(spoord->requests(),
                ElementsAre(Request::hello, Request::arm, Request::stats, Request::grow, Request::disarm));
    EXPECT_TRUE(client->connected());
}

TEST_F(BrokerClientTest, NobodyThere) {
    EXPECT_EQ(Client::connect(path, in(60'000)).error().code, ENOENT);
    test::listen_seqpacket(path).reset();  // leaves the file
    auto refused = Client::connect(path, in(60'000));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ECONNREFUSED);
    EXPECT_THAT(refused.error().message, HasSubstr(path));
}

TEST_F(BrokerClientTest, SilenceEndsAtTheDeadline) {
    auto listener = test::listen_seqpacket(path);
    auto client = Client::connect(path, in(50));
    ASSERT_FALSE(client);
    EXPECT_EQ(client.error().code, ETIMEDOUT);
}

TEST_F(BrokerClientTest, EndWithoutAnAnswerIsAReset) {
    auto listener = test::listen_seqpacket(path);
    auto accepting = std::async(std::launch::async, [&] {
        UniqueFd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)).reset();
    });
    auto client = Client::connect(path, in(60'000));
    ASSERT_FALSE(client);
    EXPECT_EQ(client.error().code, ECONNRESET);
}

TEST_F(BrokerClientTest, WhoIsTurnedAwayLearnsWhy) {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    UniqueFd ours(ends[0]), theirs(ends[1]);
    ReplyMessage reply{};
    reply.magic = magic;
    reply.version = version;
    reply.request = static_cast<uint16_t>(Request::hello);
    reply.code = static_cast<int32_t>(Code::quota);
    reply.abi_version = SPOOR_ABI_VERSION;
    std::strcpy(reply.text, "2 of 2 connections");
    ASSERT_EQ(::send(theirs.get(), &reply, sizeof reply, 0), static_cast<ssize_t>(sizeof reply));
    theirs.reset();
    auto client = Client::greet(std::move(ours), in(60'000));
    ASSERT_FALSE(client);
    EXPECT_EQ(client.error().code, EDQUOT);
    EXPECT_THAT(client.error().message, HasSubstr("2 of 2 connections"));
}

TEST_F(BrokerClientTest, PathsLongerThanASunPath) {
    std::string deep = dir.path();
    while (deep.size() < 300) deep += "/" + std::string(60, 'd');
    ASSERT_TRUE(make_directories(deep, 0755));
    spoord = std::make_unique<FakeSpoord>(path);
    // The socket itself, by a longer name.
    ASSERT_EQ(::link(path.c_str(), (deep + "/spoord.sock").c_str()), 0);
    auto client = Client::connect(deep + "/spoord.sock", in(60'000));
    EXPECT_TRUE(client) << client.error().message;
    EXPECT_EQ(Client::connect(deep + "/no.sock", in(60'000)).error().code, ENOENT);
}

TEST_F(BrokerClientTest, RefusalsKeepTheConnectionAndTheText) {
    mend(Request::arm, [](ReplyMessage& reply) {
        reply.code = static_cast<int32_t>(Code::not_owner);
        std::strcpy(reply.text, "not\nyours");
    });
    auto client = Client::connect(path, in(60'000));
    ASSERT_TRUE(client);
    auto ring = arm(*client);
    ASSERT_FALSE(ring);
    EXPECT_EQ(ring.error().code, EACCES);
    EXPECT_THAT(ring.error().message, HasSubstr("not yours"));
    EXPECT_TRUE(client->connected());
    EXPECT_TRUE(client->stats(in(60'000)));
}

TEST_F(BrokerClientTest, TextWithoutAnEndIsCut) {
    mend(Request::arm, [](ReplyMessage& reply) {
        reply.code = 77;
        std::memset(reply.text, 'x', sizeof reply.text);
    });
    auto client = Client::connect(path, in(60'000));
    auto ring = arm(*client);
    ASSERT_FALSE(ring);
    EXPECT_THAT(ring.error().message, HasSubstr(std::string(256, 'x')));
    EXPECT_LT(ring.error().message.size(), 320u);
}

TEST_F(BrokerClientTest, QuotaIsToldFromOtherRefusals) {
    mend(Request::grow, [](ReplyMessage& reply) { reply.code = static_cast<int32_t>(Code::quota); });
    auto client = Client::connect(path, in(60'000));
    ASSERT_TRUE(arm(*client));
    EXPECT_EQ(client->grow(8192, in(60'000)).error().code, EDQUOT);
}

struct WrongAnswer {
    const char* name;
    std::function<void(ReplyMessage&)> change;
};

TEST_F(BrokerClientTest, AnswersOfAnotherProtocolCloseTheConnection) {
    const WrongAnswer wrong[] = {
        {"magic", [](ReplyMessage& reply) { reply.magic = 1; }},
        {"version", [](ReplyMessage& reply) { reply.version = 1; }},
        {"request", [](ReplyMessage& reply) { reply.request = 99; }},
        {"size", [](ReplyMessage& reply) { reply.ring_bytes = 5000; }},
        {"zero", [](ReplyMessage& reply) { reply.ring_bytes = 0; }},
    };
    for (const auto& answer : wrong) {
        TempDir own;
        FakeSpoord fake(own / "s", [&](Request request, ReplyMessage& reply) {
            if (request != Request::arm) return;
            // Not the size for the ring that the fake makes, only the one it tells.
            answer.change(reply);
            if (reply.ring_bytes != 4096) reply.code = 0;
        });
        auto client = Client::connect(own / "s", in(60'000));
        ASSERT_TRUE(client) << answer.name;
        EXPECT_FALSE(arm(*client)) << answer.name;
        EXPECT_FALSE(client->connected()) << answer.name;
        EXPECT_EQ(client->stats(in(60'000)).error().code, ENOTCONN) << answer.name;
    }
}

TEST_F(BrokerClientTest, OtherRecordLayoutIsRefusedAtHello) {
    mend(Request::hello, [](ReplyMessage& reply) { reply.abi_version = SPOOR_ABI_VERSION + 1; });
    auto client = Client::connect(path, in(60'000));
    ASSERT_FALSE(client);
    EXPECT_EQ(client.error().code, EPROTONOSUPPORT);
    EXPECT_THAT(client.error().message, HasSubstr("one release"));
}

// Answers `replies` one after the other, whatever is asked.
struct Scripted {
    struct Packet {
        std::string bytes;
        std::vector<int> fds;
    };
    Scripted(const std::string& path, std::vector<Packet> packets) : listener(test::listen_seqpacket(path)) {
        thread = std::thread([this, packets = std::move(packets)] {
            UniqueFd peer(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
            char request[1024];
            for (const auto& packet : packets) {
                if (::recv(peer.get(), request, sizeof request, 0) <= 0) return;
                test::send_packet(peer.get(), packet.bytes.data(), packet.bytes.size(), packet.fds);
            }
            [[maybe_unused]] auto got = ::recv(peer.get(), request, sizeof request, 0);
        });
    }
    ~Scripted() { thread.join(); }
    UniqueFd listener;
    std::thread thread;
};

std::string reply_bytes(Request request, uint32_t ring_bytes = 0) {
    ReplyMessage reply{};
    reply.magic = magic;
    reply.version = version;
    reply.request = static_cast<uint16_t>(request);
    reply.abi_version = SPOOR_ABI_VERSION;
    reply.ring_bytes = ring_bytes;
    return {reinterpret_cast<const char*>(&reply), sizeof reply};
}

TEST_F(BrokerClientTest, ShortAndLongAnswers) {
    const std::string good = reply_bytes(Request::hello);
    for (const std::string& bytes : {good.substr(0, 1), good.substr(0, good.size() - 1), good + "x"}) {
        TempDir own;
        Scripted fake(own / "s", {{bytes, {}}});
        auto client = Client::connect(own / "s", in(60'000));
        ASSERT_FALSE(client);
        EXPECT_EQ(client.error().code, EPROTO);
    }
}

TEST_F(BrokerClientTest, GrantWithoutARingIsNone) {
    Scripted fake(path, {{reply_bytes(Request::hello), {}}, {reply_bytes(Request::arm, 4096), {}}});
    auto client = Client::connect(path, in(60'000));
    ASSERT_TRUE(client);
    EXPECT_EQ(arm(*client).error().code, EPROTO);
    EXPECT_FALSE(client->connected());
}

TEST_F(BrokerClientTest, SurplusDescriptorsDoNotLeak) {
    const size_t before = count_open_fds();
    {
        TempDir own;
        Scripted fake(own / "s",
                      {{reply_bytes(Request::hello), {0}}, {reply_bytes(Request::arm, 4096), {0, 0}}});
        auto client = Client::connect(own / "s", in(60'000));
        ASSERT_TRUE(client);
        [[maybe_unused]] auto ring = arm(*client);
    }
    EXPECT_EQ(count_open_fds(), before);
}

TEST(Family, Names) {
    EXPECT_EQ(name_of(Family::syscall_exit), "syscall-exit");
    EXPECT_EQ(name_of(Family::fentry), "fentry");
    EXPECT_EQ(name_of(Family::lsm), "lsm");
    EXPECT_EQ(name_of(Family::none), "none");
    EXPECT_EQ(name_of(static_cast<Family>(77)), "none");
}

}  // namespace
}  // namespace spoor::broker
