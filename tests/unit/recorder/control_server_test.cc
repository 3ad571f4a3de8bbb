#include "shim/recorder/control_server.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/support/temp_dir.h"

namespace spoor {
namespace {

// A hook that has connected and says nothing yet must not be forgotten: it asks in a moment.
TEST(ControlServer, TellsOfConnectionsThatAreStillSilent) {
    const test::TempDir dir;
    auto server = ControlServer::listen(dir.path());
    ASSERT_TRUE(server);
    const auto connect = [&dir] {
        UniqueFd peer(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        (dir / control_socket_name).copy(address.sun_path, sizeof address.sun_path - 1);
        EXPECT_EQ(::connect(peer.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        return peer;
    };
    const auto ask = [](const UniqueFd& peer) {
        const std::string request = to_json({ControlRequest::Op::finish, 0});
        EXPECT_EQ(::send(peer.get(), request.data(), request.size(), 0),
                  static_cast<ssize_t>(request.size()));
    };
    const UniqueFd silent = connect(), asking = connect();
    const UniqueFd gone = connect();
    ask(asking);
    ::shutdown(gone.get(), SHUT_RDWR);
    int served = 0;
    const auto left = server->serve_waiting([&](int, const ControlRequest&) { ++served; });
    EXPECT_EQ(served, 1);
    ASSERT_EQ(left.size(), 1u);
    ask(silent);
    const auto request = server->read(left.front());
    ASSERT_TRUE(request);
    EXPECT_EQ(request->op, ControlRequest::Op::finish);
}

}  // namespace
}  // namespace spoor
