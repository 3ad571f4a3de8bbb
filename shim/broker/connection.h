// One peer of spoord and its session. Peers are trusted with nothing: each message has one fixed
// size, each descriptor is checked, each refusal names its reason and is logged.
#pragma once

#include <sys/socket.h>

#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "bpf/tracer.h"
#include "shim/broker/orphans.h"
#include "shim/ipc/broker_protocol.h"

namespace spoor::broker {

struct Quota {
    uint32_t ring_bytes_min = 64 * 1024;
    uint32_t ring_bytes_max = 16 * 1024 * 1024;
};

class Connection {
public:
    // Takes the socket; `peer` is what SO_PEERCRED says of it. `tracer` and `orphans` outlive
    // this object.
    Connection(UniqueFd socket, ucred peer, bpf::Tracer& tracer, Orphans& orphans, const Quota& quota);
    // Ends the session, if there is one.
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    [[nodiscard]] int fd() const { return socket_.get(); }
    [[nodiscard]] bool armed() const { return armed_; }

    // Leaves the session, if there is one, to the next spoord.
    void leave() { armed_ = stopped_ = false; }

    // Reads one request and answers it. False: the peer has gone or broke the protocol; drop it.
    bool serve();

private:
    ReplyMessage answer(const RequestMessage& request, const std::vector<UniqueFd>& fds, UniqueFd& ring);
    ReplyMessage arm(const RequestMessage& request, const std::vector<UniqueFd>& fds, UniqueFd& ring);
    ReplyMessage renew(const RequestMessage& request);
    ReplyMessage resume(const RequestMessage& request, UniqueFd& ring);
    ReplyMessage grow(const RequestMessage& request, UniqueFd& ring);
    void release_stopped();
    [[nodiscard]] ReplyMessage refusal(Code code, const std::string& text) const;

    UniqueFd socket_;
    ucred peer_;
    bpf::Tracer& tracer_;
    Orphans& orphans_;
    Quota quota_;
    bool armed_ = false;
    // The final counters have been asked for. What they are remains to be had until the peer hangs up:
    // it may have to ask the next spoord.
    bool stopped_ = false;
    uint64_t session_ = 0;  // while armed or stopped
    uint32_t ring_bytes_ = 0;
    std::string container_id_;
};

}  // namespace spoor::broker
