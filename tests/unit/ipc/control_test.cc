#include "shim/ipc/control.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <filesystem>
#include <thread>

#include "tests/support/temp_dir.h"

namespace spoor {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using Op = ControlRequest::Op;

class Control : public testing::Test {
protected:
    // Serves one connection: gives what was asked, and sends `answer` (nothing if empty).
    std::thread serve(const UniqueFd& listener, std::string answer, std::string& asked) {
        return std::thread([&listener, answer = std::move(answer), &asked] {
            const UniqueFd peer(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
            char buffer[4096];
            const ssize_t size = ::recv(peer.get(), buffer, sizeof buffer, 0);
            if (size > 0) asked.assign(buffer, static_cast<size_t>(size));
            if (!answer.empty()) ::send(peer.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
        });
    }

    Status ask(const std::string& answer, std::string* asked = nullptr) {
        const auto listener = listen_control(dir_);
        EXPECT_TRUE(listener);
        std::string request;
        std::thread server = serve(*listener, answer, request);
        auto status = call_control(dir_, {Op::arm, 42}, 10s);
        server.join();
        if (asked != nullptr) *asked = request;
        return status;
    }

private:
    test::TempDir directory_;

protected:
    std::string dir_ = directory_.path();
};

TEST_F(Control, CarriesTheRequestAndTheAnswer) {
    std::string asked;
    EXPECT_TRUE(ask(R"({"ok":true})", &asked));
    const auto request = parse_control_request(asked);
    ASSERT_TRUE(request);
    EXPECT_EQ(request->op, Op::arm);
    EXPECT_EQ(request->pid, 42);
}

TEST_F(Control, ARefusalIsItsText) {
    const auto status = ask(control_answer(Error{EPERM, "not yours"}));
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().message, "not yours");
    EXPECT_EQ(status.error().code, 0);
}

TEST_F(Control, GarbageIsAProtocolError) {
    for (const char* answer :
         {"x", "[]", "{}", R"({"ok":1})", R"({"ok":false})", R"({"ok":false,"error":3})"})
        EXPECT_EQ(ask(answer).error().code, EPROTO) << answer;
    EXPECT_EQ(ask(std::string(20'000, ' ')).error().code, EPROTO);
}

TEST_F(Control, APeerThatHangsUpIsNoSuccess) { EXPECT_EQ(ask("").error().code, ECONNRESET); }

TEST_F(Control, NobodyThere) {
    EXPECT_EQ(call_control(dir_, {Op::finish, 0}, 1s).error().code, ENOENT);
    EXPECT_EQ(call_control(dir_ + "/none", {Op::finish, 0}, 1s).error().code, ENOENT);
    { EXPECT_TRUE(listen_control(dir_)); }
    EXPECT_EQ(call_control(dir_, {Op::finish, 0}, 1s).error().code, ECONNREFUSED);
}

TEST_F(Control, SilenceEndsAtTheDeadline) {
    const auto listener = listen_control(dir_);
    ASSERT_TRUE(listener);
    EXPECT_EQ(call_control(dir_, {Op::finish, 0}, 20ms).error().code, ETIMEDOUT);
    // Also when the listener's queue is full, so that not even connect gets through.
    std::vector<UniqueFd> waiting;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (dir_ + "/control").copy(address.sun_path, sizeof(address.sun_path) - 1);
    for (;;) {
        waiting.emplace_back(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        if (::connect(waiting.back().get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
            break;
    }
    ASSERT_EQ(errno, EAGAIN);
    EXPECT_EQ(call_control(dir_, {Op::finish, 0}, 20ms).error().code, ETIMEDOUT);
}

TEST_F(Control, TheSocketIsItsOwnersAndMayLieDeep) {
    for (int i = 0; i < 5; ++i) dir_ += "/" + std::string(100, 'd');
    std::filesystem::create_directories(dir_);
    const mode_t before = ::umask(0);
    const auto listener = listen_control(dir_);
    ::umask(before);
    ASSERT_TRUE(listener);
    struct stat st {};
    ASSERT_EQ(::stat((dir_ + "/control").c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 07777, 0600u);
    std::string asked;
    std::thread server = serve(*listener, control_answer({}), asked);
    EXPECT_TRUE(call_control(dir_, {Op::finish, 0}, 10s));
    server.join();
}

TEST_F(Control, ReplacesASocketThatWasLeft) {
    { EXPECT_TRUE(listen_control(dir_)); }
    EXPECT_TRUE(listen_control(dir_));
}

TEST_F(Control, DoesNotFollowALinkInTheDirectorysPlace) {
    std::filesystem::create_symlink(dir_, dir_ + "/link");
    EXPECT_FALSE(listen_control(dir_ + "/link"));
}

TEST(ControlRequests, GoBothWays) {
    for (const ControlRequest& request : {ControlRequest{Op::arm, 7}, ControlRequest{Op::finish, 0}}) {
        const auto read = parse_control_request(to_json(request));
        ASSERT_TRUE(read);
        EXPECT_EQ(read->op, request.op);
        EXPECT_EQ(read->pid, request.pid);
    }
}

TEST(ControlRequests, GarbageIsAnError) {
    for (const char* text :
         {"", "[]", "{}", R"({"op":1})", R"({"op":"dance"})", R"({"op":"arm"})", R"({"op":"arm","pid":0})",
          R"({"op":"arm","pid":-1})", R"({"op":"arm","pid":"1"})", R"({"op":"arm","pid":4294967297})",
          R"({"op":"arm","pid":1.5})"})
        EXPECT_EQ(parse_control_request(text).error().code, EPROTO) << text;
}

TEST(ControlAnswers, KeepLongAndOddReasonsSendable) {
    const auto status = parse_control_answer(control_answer(Error{0, std::string(100'000, 'x')}));
    EXPECT_THAT(status.error().message, HasSubstr("xxxx"));
    EXPECT_LT(control_answer(Error{0, std::string(100'000, '\x01')}).size(), 16384u);
    EXPECT_FALSE(parse_control_answer(control_answer(Error{0, "\xff\xfe"})));
}

}  // namespace
}  // namespace spoor
