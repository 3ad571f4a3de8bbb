// The way back to a session whose spoord is gone, or did not answer in time: asks the next one, or the same,
// for it, again and again until there is one or time is up. Never blocks; driven by the session loop.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>

#include "base/result.h"
#include "shim/ipc/broker_client.h"

namespace spoor {

class Resumption {
public:
    using Time = std::chrono::steady_clock::time_point;

    struct Resumed {
        broker::Client client;
        broker::GrantedRing ring;
    };

    Resumption(std::string socket_path, broker::Token token, Time give_up);

    // Asks if it is time to, and looks at the answer if there is one. Nothing: not yet. An error: never.
    std::optional<Result<Resumed>> step(Time now);
    // An asked spoord's answer comes here; -1 between two attempts. Another one after every step that
    // attempts() has counted.
    [[nodiscard]] int fd() const { return asked_ ? asked_->fd() : -1; }
    [[nodiscard]] unsigned attempts() const { return attempts_; }
    // When the next step is due, whether something came or not.
    [[nodiscard]] Time due() const { return asked_ ? give_up_ : std::min(next_, give_up_); }
    // Somebody waits for the session's end.
    void hurry(Time give_up) { give_up_ = std::min(give_up_, give_up); }

private:
    void again(Time now, Error error);

    std::string socket_path_;
    broker::Token token_;
    Time give_up_;
    Time next_{};
    std::chrono::milliseconds pause_{10};
    std::optional<broker::Client> asked_;
    unsigned attempts_ = 0;
    Error last_{};
};

}  // namespace spoor
