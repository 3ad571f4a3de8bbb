// spoord's side of the gatekeepers (gatekeeper.h): through it come all descriptors that peers pass, and to it
// goes every socket of a peer's that is to be closed. Nothing here waits.
//
// A tenant whose descriptors keep gatekeepers busy has a few of them, and after that has to wait for them.
// One that has taken too long is killed: then sockets linger no more. One that waits for a FUSE daemon stays
// until that answers or ends, and the tenant has one less meanwhile.
//
// Threads: one.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace spoor::broker {

// One packet of a peer's. Its descriptors close at once.
struct PeerPacket {
    std::string bytes;
    bool cut = false;
    std::vector<UniqueFd> descriptors;
};

class Gate {
public:
    using Time = std::chrono::steady_clock::time_point;
    enum class Outcome { packet, nothing, stuck, no_room };
    // What receive() has come to. `stuck`: this tenant's descriptors take too long, these or ones before.
    // `no_room`: spoord itself may have no more of them now.
    using Deliver = std::function<void(int socket, Outcome, PeerPacket)>;

    // `maker`: of start_gatekeepers(). `epoll` outlives this object, which adds its own descriptors there.
    Gate(UniqueFd maker, int epoll, Deliver deliver);
    // What is still to be closed is left to the end of the process, which waits for nobody.
    ~Gate();
    Gate(const Gate&) = delete;
    Gate& operator=(const Gate&) = delete;

    // Has the next packet at `socket`, which stays the caller's, received; delivered later, once.
    void receive(int socket, uid_t tenant);
    // Whether receive() was asked for it and nothing is delivered yet. It must not be closed then.
    [[nodiscard]] bool has(int socket) const;
    void close(UniqueFd socket);
    // More sockets wait to be closed than is good: no new ones should be taken meanwhile.
    [[nodiscard]] bool crowded() const;

    // Whether `fd` is one that this object watches; then something has come there. An error: no gatekeeper
    // can be made any more.
    [[nodiscard]] bool owns(int fd) const;
    Status serve(int fd);
    // What has a deadline, and when the next is.
    void expire(Time now);
    [[nodiscard]] std::optional<Time> due() const;

private:
    struct Keeper {
        UniqueFd channel;
        UniqueFd process;  // pidfd
        bool busy = false;
        uid_t tenant = 0;
        int socket = -1;  // whose packet is awaited; -1: none is, or it has come
        Time since{};     // busy: of the job, or of the packet's coming

        [[nodiscard]] Time due() const;  // busy: when it has taken too long
    };
    struct Dying {
        UniqueFd process;
        std::optional<uid_t> tenant;  // whom it is held against
    };
    struct Waiting {
        int socket;
        uid_t tenant;
        Time since;
    };

    Status take_new_one();
    void answered(Keeper& keeper);
    void closed_some();
    void kill(Keeper keeper, std::optional<uid_t> tenant);
    void assign();
    void send_sockets();
    void ask_for(size_t wanted);
    [[nodiscard]] size_t held_by(uid_t tenant) const;
    Keeper* idle();
    void drop(const Keeper* keeper);

    UniqueFd maker_;
    int epoll_;
    Deliver deliver_;
    size_t asked_for_ = 0;       // of the maker, not here yet
    std::optional<Time> retry_;  // the maker had none
    std::vector<std::unique_ptr<Keeper>> keepers_;
    std::vector<Dying> dying_;
    std::deque<Waiting> waiting_;
    // The one that closes sockets, any number.
    std::optional<Keeper> closer_;
    size_t closing_ = 0;
    std::deque<UniqueFd> to_close_;  // for which there is no room, or no closer
};

}  // namespace spoor::broker
