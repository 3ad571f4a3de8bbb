// One peer of spoord and its session. Peers are trusted with nothing: each message has one fixed
// size, each descriptor is checked, each refusal names its reason and is logged.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "bpf/tracer.h"
#include "shim/broker/desk.h"
#include "shim/broker/gate.h"
#include "shim/broker/orphans.h"
#include "shim/broker/request.h"
#include "shim/ipc/broker_protocol.h"

namespace spoor::broker {

// What bounds every tenant, whatever the operator's rules say.
struct Quota {
    uint32_t ring_bytes_min = tenant_ring_bytes_least;
    uint32_t ring_bytes_max = 1u << 30;
};

class Connection {
public:
    using Token = decltype(bpf::SessionOwner::token);

    // Takes the socket; `peer` and `tenant` are what the kernel says of it, `seat` is its place among
    // its uid's connections. `tracer`, `orphans` and `desk` outlive this object.
    Connection(UniqueFd socket, ucred peer, Tenant tenant, Ledger::Seat seat, bpf::Tracer& tracer,
               Orphans& orphans, Desk& desk, const Quota& quota);
    // Ends the session, if there still is one.
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    [[nodiscard]] int fd() const { return socket_.get(); }
    [[nodiscard]] bool armed() const { return armed_; }

    // Leaves the session, if there is one, to the next spoord.
    void leave() { armed_ = stopped_ = false; }
    // Leaves it to the orphans if the peer has hung up and could come back: it has a token, and lives.
    void hand_over();

    // A session's peer over its rate of requests is not refused but left waiting: a trail must not
    // be less complete because counters were asked for too often.
    [[nodiscard]] bool must_wait() const {
        return (armed_ || stopped_) && !desk_.ledger().has_request(subject_.tenant);
    }
    // Whether the next packet brings descriptors along. Then it is not for serve() but for the gate, which
    // has it received, and for answer_packet().
    [[nodiscard]] bool brings_descriptors();
    // Reads one request and answers it. False: the peer has gone or broke the protocol; drop it.
    bool serve();
    bool answer_packet(const PeerPacket& packet);
    // Answers a request whose descriptors could not be received. The connection is to be dropped then.
    void refuse_descriptors(const std::string& why);
    // The socket, to be closed by the gate. Nothing else is done with this connection any more.
    [[nodiscard]] UniqueFd surrender_socket();
    [[nodiscard]] uid_t tenant() const { return subject_.tenant.uid; }
    // Tells the desk what the session has counted since the last time.
    void count();

    // The only packet for a peer that gets no connection. The socket stays the caller's.
    static void turn_away(int socket, const std::string& text);

private:
    ReplyMessage answer(const ParsedRequest& request, const std::vector<UniqueFd>& fds, UniqueFd& ring);
    [[nodiscard]] ReplyMessage hello() const;
    ReplyMessage arm(const ArmRequest& request, const std::string& container,
                     const std::vector<UniqueFd>& fds, UniqueFd& ring);
    ReplyMessage renew(const RenewRequest& process);
    ReplyMessage assign(const AssignRequest& process);
    ReplyMessage open_window(UniqueFd& window);
    ReplyMessage grow(const GrowRequest& request, UniqueFd& ring);
    ReplyMessage resume(const ResumeRequest& request, UniqueFd& ring);
    [[nodiscard]] ReplyMessage list(const ListRequest& request) const;
    ReplyMessage counters(bool last);
    // The audit log's subject becomes this container; for a connection without a session.
    void ask_for(const std::string& container);
    void release_stopped();
    void end(const char* why, const Result<spoor_counters>& last);
    void count(const spoor_counters& now);
    [[nodiscard]] ReplyMessage refusal(Code code, const std::string& text) const;
    [[nodiscard]] ReplyMessage refusal(const Overrun& overrun) const;

    UniqueFd socket_;
    Ledger::Seat seat_;
    bpf::Tracer& tracer_;
    Orphans& orphans_;
    Desk& desk_;
    Quota quota_;
    uint32_t abi_version_ = SPOOR_ABI_VERSION;  // of the session's records
    Subject subject_;
    const char* asked_ = "invalid";  // the request being answered
    bool armed_ = false;
    bool has_window_ = false;  // asked for on this connection
    // The final counters have been asked for. What they are remains to be had until the peer hangs up:
    // it may have to ask the next spoord.
    bool stopped_ = false;
    uint64_t stopped_session_ = 0;
    bool hung_up_ = false;
    bool answer_lost_ = false;                // when it did, the last one could not be read any more
    Token token_{};                           // of the session that is armed or stopped; zero: it has none
    std::optional<Ledger::Holding> holding_;  // while armed or stopped
    std::chrono::steady_clock::time_point since_{};  // while armed
    spoor_counters counted_{};                       // as the desk knows them
};

}  // namespace spoor::broker
