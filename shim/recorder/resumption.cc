#include "shim/recorder/resumption.h"

#include <poll.h>

#include <algorithm>
#include <utility>

namespace spoor {
namespace {

constexpr auto longest_pause = std::chrono::milliseconds(500);

// The session is not there, or not for us. Anything else may pass: a spoord that has no room for another
// connection just now, or ends again.
bool is_final(const Error& error) { return error.code == ESTALE || error.code == EPROTONOSUPPORT; }

bool is_readable(int fd) {
    pollfd item{fd, POLLIN, 0};
    return ::poll(&item, 1, 0) > 0;
}

}  // namespace

Resumption::Resumption(std::string socket_path, broker::Token token, Time give_up)
    : socket_path_(std::move(socket_path)), token_(token), give_up_(give_up) {}

std::optional<Result<Resumption::Resumed>> Resumption::step(Time now) {
    if (!asked_ && now >= next_) {
        ++attempts_;
        auto client = broker::Client::begin_resume(socket_path_, token_);
        if (client)
            asked_.emplace(std::move(*client));
        else
            again(now, std::move(client).error());
    }
    if (asked_ && is_readable(asked_->fd())) {
        auto ring = asked_->finish_resume();
        if (ring) return Resumed{std::move(*std::exchange(asked_, std::nullopt)), std::move(*ring)};
        asked_.reset();
        if (is_final(ring.error())) return std::move(ring).error();
        again(now, std::move(ring).error());
    }
    if (now < give_up_) return std::nullopt;
    if (last_.message.empty()) last_ = Error{ETIMEDOUT, "spoord did not answer in time"};
    return std::exchange(last_, {});
}

void Resumption::again(Time now, Error error) {
    last_ = std::move(error);
    next_ = now + pause_;
    pause_ = std::min(2 * pause_, longest_pause);
}

}  // namespace spoor
