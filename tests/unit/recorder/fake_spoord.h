// spoord in a thread of the test: speaks broker_protocol.h with a fake ring in place of the
// kernel's. The test plays the kernel by emit().
#pragma once

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/descriptor_passing.h"
#include "base/unique_fd.h"
#include "shim/ipc/broker_protocol.h"
#include "tests/unit/recorder/fake_ring.h"

namespace spoor::test {

inline UniqueFd listen_seqpacket(const std::string& path) {
    UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0 ||
        ::listen(fd.get(), 16) < 0)
        return {};
    return fd;
}

inline void send_packet(int socket, const void* bytes, size_t size, const std::vector<int>& fds = {}) {
    send_with_descriptors(socket, bytes, size, fds, MSG_NOSIGNAL);
}

class FakeSpoord {
public:
    // Called before an answer goes out; may change anything in it.
    using Mend = std::function<void(broker::Request, broker::ReplyMessage&)>;

    explicit FakeSpoord(const std::string& path, Mend mend = {})
        : mend_(std::move(mend)),
          path_(path),
          listener_(listen_seqpacket(path)),
          stop_(::eventfd(0, EFD_CLOEXEC)) {
        thread_ = std::thread([this] { serve(); });
    }
    FakeSpoord(const FakeSpoord&) = delete;
    FakeSpoord& operator=(const FakeSpoord&) = delete;
    ~FakeSpoord() { die(); }

    // Ends as a killed process does: all its sockets close.
    void die() {
        if (!thread_.joinable()) return;
        wake(stop_.get());
        thread_.join();
        listener_.reset();
    }
    // Its successor, which has adopted its session.
    void revive() {
        eventfd_t taken = 0;
        ::eventfd_read(stop_.get(), &taken);
        ::unlink(path_.c_str());
        listener_ = listen_seqpacket(path_);
        thread_ = std::thread([this] { serve(); });
    }
    // Carries the next request of this kind out, but hangs up instead of answering.
    void hang_up_at(broker::Request request) {
        std::lock_guard lock(mutex_);
        hang_up_at_ = request;
    }

    // Called when a request has come, before anything is done about it; may emit.
    void when_asked(std::function<void(broker::Request)> act) {
        std::lock_guard lock(mutex_);
        act_ = std::move(act);
    }

    // A record of the kernel side. False: no room, counted as lost.
    bool emit(const std::string& record) {
        std::lock_guard lock(mutex_);
        if (!rings_.back()->put(record)) {
            ++counters_.lost_ring_full;
            return false;
        }
        ++counters_.emitted;
        wake(wait_fds_.back().get());
        return true;
    }
    // What the kernel would count besides.
    void change_counters(const std::function<void(spoor_counters&)>& change) {
        std::lock_guard lock(mutex_);
        change(counters_);
    }
    // Puts records without waking anybody, as the kernel does when the consumer is behind.
    void set_silent(bool silent) {
        std::lock_guard lock(mutex_);
        silent_ = silent;
        if (!silent) ::eventfd_write(wait_fds_.back().get(), 1);
    }
    // What a consumer of the newest ring waits on; a memfd cannot be waited on.
    UniqueFd wait_fd() {
        std::lock_guard lock(mutex_);
        return UniqueFd(::dup(wait_fds_.back().get()));
    }
    // The newest; it stays valid when another one comes.
    FakeRing& ring() {
        std::lock_guard lock(mutex_);
        return *rings_.back();
    }

    std::vector<broker::Request> requests() {
        std::lock_guard lock(mutex_);
        return requests_;
    }
    [[nodiscard]] size_t rings_handed_out() {
        std::lock_guard lock(mutex_);
        return rings_.size();
    }
    [[nodiscard]] size_t connections() const { return connections_; }

private:
    void wake(int fd) const {
        if (!silent_ || fd == stop_.get()) ::eventfd_write(fd, 1);
    }

    void serve() {
        std::vector<UniqueFd> connections;
        for (;;) {
            std::vector<pollfd> items{{stop_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
            for (const auto& connection : connections) items.push_back({connection.get(), POLLIN, 0});
            ::poll(items.data(), items.size(), -1);
            if (items[0].revents) return;
            for (size_t i = 2; i < items.size(); ++i)
                if (items[i].revents && !answer(items[i].fd)) connections[i - 2].reset();
            std::erase_if(connections, [](const UniqueFd& fd) { return !fd; });
            if (items[1].revents)
                connections.emplace_back(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
            connections_ = connections.size();
        }
    }

    bool answer(int connection) {
        broker::RequestMessage request{};
        iovec part{&request, sizeof request};
        alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))];
        msghdr header{};
        header.msg_iov = &part;
        header.msg_iovlen = 1;
        header.msg_control = control;
        header.msg_controllen = sizeof control;
        if (::recvmsg(connection, &header, MSG_CMSG_CLOEXEC) != static_cast<ssize_t>(sizeof request))
            return false;
        size_t fds = 0;
        if (cmsghdr* rights = CMSG_FIRSTHDR(&header)) {
            fds = (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            for (size_t i = 0; i < fds; ++i) {
                int fd = -1;
                std::memcpy(&fd, CMSG_DATA(rights) + i * sizeof fd, sizeof fd);
                ::close(fd);
            }
        }
        const auto what = static_cast<broker::Request>(request.request);
        std::unique_lock lock(mutex_);
        if (const auto act = act_) {
            lock.unlock();
            act(what);
            lock.lock();
        }
        requests_.push_back(what);
        broker::ReplyMessage reply{};
        reply.magic = broker::magic;
        reply.version = broker::version;
        reply.request = request.request;
        reply.abi_version = SPOOR_ABI_VERSION;
        reply.counters = counters_;
        reply.family = static_cast<uint32_t>(broker::Family::syscall_exit);
        reply.exact_ops = 1u << SPOOR_OP_READ;
        reply.lexical_ops = 1u << SPOOR_OP_RENAME;
        reply.ring_bytes = request.ring_bytes;
        if (what == broker::Request::arm && fds != 2)
            reply.code = static_cast<int32_t>(broker::Code::bad_request);
        if (mend_) mend_(what, reply);
        std::vector<int> passed;
        const bool resumes = what == broker::Request::resume;
        const bool grants = what == broker::Request::arm || what == broker::Request::grow;
        if (resumes && std::memcmp(request.token, token_, sizeof token_) != 0)
            reply.code = static_cast<int32_t>(broker::Code::no_session);
        if (what == broker::Request::arm && reply.code == 0) std::memcpy(token_, reply.token, sizeof token_);
        if (resumes && reply.code == 0) {
            reply.ring_bytes = static_cast<uint32_t>(rings_.back()->size());
            passed.push_back(rings_.back()->fd());
        } else if (grants && reply.code == 0) {
            rings_.push_back(std::make_unique<FakeRing>(reply.ring_bytes));
            wait_fds_.emplace_back(::eventfd(0, EFD_CLOEXEC));
            passed.push_back(rings_.back()->fd());
        }
        if (hang_up_at_ == what) {
            hang_up_at_ = broker::Request{};
            return false;
        }
        send_packet(connection, &reply, sizeof reply, passed);
        return true;
    }

    Mend mend_;
    std::function<void(broker::Request)> act_;
    std::string path_;
    UniqueFd listener_;
    UniqueFd stop_;
    std::thread thread_;
    std::atomic<size_t> connections_ = 0;
    std::mutex mutex_;
    bool silent_ = false;
    broker::Request hang_up_at_{};
    uint64_t token_[2] = {};
    spoor_counters counters_{};
    std::vector<std::unique_ptr<FakeRing>> rings_;
    std::vector<UniqueFd> wait_fds_;
    std::vector<broker::Request> requests_;
};

}  // namespace spoor::test
