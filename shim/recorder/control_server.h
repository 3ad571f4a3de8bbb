// The recorder's end of the control socket (shim/ipc/control.h): who connected, what was asked, and
// who still waits for an answer. Never blocks on a peer.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "shim/ipc/control.h"

namespace spoor {

class ControlServer {
public:
    // Binds the socket in `state_dir`.
    static Result<ControlServer> listen(const std::string& state_dir);

    [[nodiscard]] int fd() const { return listener_.get(); }

    // Takes what waits at the listener. Returns the new connections' descriptors, to be watched for
    // input and told to read(); they stay owned here.
    std::vector<int> accept();
    // Reads the request of one connection. Garbage is answered with an error and closed, and so is a
    // peer that hung up. The connection of a good request stays open until answer().
    Result<ControlRequest> read(int connection);
    // Returns false when the peer has not waited for it.
    bool answer(int connection, const Status& outcome);
    // What is still unread from connections and the listener, in turn: for the moment before the
    // recorder decides that nobody asks for anything any more. Returns new connections that have not said
    // anything yet: whoever goes on has to watch them.
    std::vector<int> serve_waiting(const std::function<void(int connection, const ControlRequest&)>& serve);

private:
    explicit ControlServer(UniqueFd listener) : listener_(std::move(listener)) {}
    void drop(int connection);

    UniqueFd listener_;
    std::vector<UniqueFd> connections_;  // oldest first
};

}  // namespace spoor
