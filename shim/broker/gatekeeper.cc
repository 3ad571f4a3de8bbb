#include "shim/broker/gatekeeper.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <cstring>

#include "base/descriptor_passing.h"
#include "shim/broker/privileges.h"
#include "shim/broker/system_calls.h"

namespace spoor::broker {
namespace {

constexpr int maker_fd = 3;
constexpr int last_wait_s = 1;  // for gatekeepers that the kernel does not let go
// A socket that is closed with something unread takes the last answer back (unix(7), ECONNRESET). Who sends
// more than that without reading has himself to blame.
constexpr int unread_max = 8;

bool make_pair(UniqueFd (&ends)[2]) {
    int raw[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, raw) < 0) return false;
    ends[0].reset(raw[0]);
    ends[1].reset(raw[1]);
    return true;
}

bool closes_at_once(int fd) {
    struct stat st {};
    struct statfs fs {};
    if (::fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) && ::fstatfs(fd, &fs) == 0 &&
        (fs.f_type == CGROUP2_SUPER_MAGIC || fs.f_type == CGROUP_SUPER_MAGIC))
        return true;
    // Whatever becomes of the signal that is none, a descriptor that is no pidfd is EBADF.
    return ::syscall(SYS_pidfd_send_signal, long{fd}, 0L, nullptr, 0L) == 0 || errno != EBADF;
}

class Gatekeeper {
public:
    Gatekeeper(UniqueFd spoord, UniqueFd stand_in)
        : spoord_(std::move(spoord)), stand_in_(std::move(stand_in)) {}

    // Until spoord wants no more of it.
    void run() const {
        const std::byte done[job_done] = {};
        while (do_job()) {
            if (::send(spoord_.get(), done, sizeof done, MSG_NOSIGNAL) < 0) return;
        }
    }

private:
    // Returns when everything that the job is about is closed. False: there was none.
    [[nodiscard]] bool do_job() const {
        Job job{};
        const auto packet = receive_with_descriptors(spoord_.get(), &job, sizeof job, 1, 0);
        if (packet.size != ssize_t{sizeof job} || packet.descriptors.empty()) return false;
        const int peer = packet.descriptors.front().get();
        if (job == Job::receive)
            hand_over(peer);
        else
            throw_away(peer);
        return true;
    }

    void hand_over(int peer) const {
        TakenPacket answer{};
        const auto packet =
            receive_with_descriptors(peer, answer.bytes, sizeof answer.bytes, arm_descriptors, MSG_DONTWAIT);
        answer.no_packet = packet.size < 0 ? 1 : 0;
        answer.cut = packet.cut ? 1 : 0;
        int passed[passed_descriptors_max];
        size_t count = 0;
        for (const UniqueFd& fd : packet.descriptors)
            passed[count++] = closes_at_once(fd.get()) ? fd.get() : stand_in_.get();
        (void)send_with_descriptors(spoord_.get(), &answer,
                                    taken_head + static_cast<size_t>(std::max<ssize_t>(packet.size, 0)),
                                    std::span<const int>(passed, count), MSG_NOSIGNAL);
    }

    static void throw_away(int peer) {
        char bytes[packet_room];
        int left = unread_max;
        while (left-- > 0 && ::recv(peer, bytes, sizeof bytes, MSG_DONTWAIT) > 0) {
        }
    }

    UniqueFd spoord_;
    UniqueFd stand_in_;
};

// In a child of the maker's.
[[noreturn]] void be_gatekeeper(UniqueFd spoord, pid_t maker) {
    ::close(maker_fd);
    ::signal(SIGTERM, SIG_DFL);
    UniqueFd stand_in(::eventfd(0, EFD_CLOEXEC));
    // One that waits for a peer does not see that spoord is gone.
    if (stand_in && ::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && ::getppid() == maker &&
        keep_gatekeepers_system_calls_only())
        Gatekeeper(std::move(spoord), std::move(stand_in)).run();
    ::_exit(0);
}

void make_one() {
    UniqueFd ends[2];
    UniqueFd process;
    if (make_pair(ends)) {
        const pid_t maker = ::getpid();
        const pid_t child = ::fork();
        if (child == 0) {
            ends[0].reset();
            be_gatekeeper(std::move(ends[1]), maker);
        }
        if (child > 0) process.reset(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
    }
    const std::byte answer{};
    const int passed[] = {ends[0].get(), process.get()};
    (void)send_with_descriptors(maker_fd, &answer, sizeof answer,
                                std::span<const int>(passed, process ? 2 : 0), MSG_NOSIGNAL);
}

[[noreturn]] void be_maker() {
    ::prctl(PR_SET_NAME, "spoord-gate");
    ::signal(SIGCHLD, SIG_IGN);  // nobody asks how one has ended
    ::signal(SIGTERM, SIG_IGN);
    if (::setpgid(0, 0) == 0 && give_up_capabilities() && keep_makers_system_calls_only()) {
        std::byte wish{};
        while (::recv(maker_fd, &wish, sizeof wish, 0) == ssize_t{sizeof wish}) make_one();
        // With spoord goes everybody, and before this process, so that whoever cleans up after it has no more
        // to do.
        ::kill(0, SIGTERM);
        ::alarm(last_wait_s);
        while (::wait(nullptr) > 0 || errno == EINTR) {
        }
    }
    ::_exit(0);
}

}  // namespace

Result<UniqueFd> start_gatekeepers() {
    UniqueFd ends[2];
    if (!make_pair(ends)) return errno_error("make a pair of sockets");
    ::signal(SIGCHLD, SIG_IGN);  // spoord has no other child
    const pid_t child = ::fork();
    if (child < 0) return errno_error("fork");
    if (child > 0) return std::move(ends[0]);
    // Nothing else of spoord's is to be had there.
    if (::dup2(ends[1].release(), maker_fd) < 0 || ::syscall(SYS_close_range, maker_fd + 1, ~0u, 0) < 0)
        ::_exit(1);
    be_maker();
}

}  // namespace spoor::broker
