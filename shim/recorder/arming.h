// Has spoord trace the container's cgroup: when the createRuntime hook asks, or, so that the hook waits less,
// before that.
//
// The hook comes some milliseconds after the container's first process is in its cgroup. Where the job says
// which cgroup that will be, spoord is asked as soon as the process is there. The hook's request is what
// counts all the same: it gets what was asked for before if it is about that very process in that very
// cgroup, spoord's refusal too, and waits with its own deadline for an answer that is not there yet. Else the
// session that was begun is ended by hanging up, and spoord asked anew. Nothing is written before the hook
// asks: there may never be a container.
//
// A process is recorded from its first execve after that on, and the container's first one executes nothing
// before it goes on after the hook. So nothing is recorded that was not.
//
// Threads: the loop's. Blocks in arm() only.
#pragma once

#include <sys/types.h>

#include <optional>

#include "base/result.h"
#include "base/unique_fd.h"
#include "shim/ipc/broker_client.h"
#include "shim/ipc/job.h"
#include "shim/recorder/cgroup_watch.h"
#include "shim/recorder/ring.h"
#include "shim/recorder/session_environment.h"

namespace spoor {

class Arming {
public:
    // All stay the caller's, and outlive this.
    Arming(const Job& job, const SessionEnvironment& environment, std::optional<broker::Client>& broker);

    // Begins to wait for the cgroup, if there is a broker and it is known where the cgroup will be.
    void begin();
    // Readable: step() has something to do. The same for ever.
    [[nodiscard]] int fd() const { return epoll_.get(); }
    void step();

    // What the hook asks for. `pidfd`: of `pid`, and the caller's. `cgroup` becomes the cgroup's directory,
    // also if spoord does not trace it.
    Result<Ring> arm(pid_t pid, int pidfd, UniqueFd& cgroup);
    // The hook found it done.
    [[nodiscard]] bool was_early() const { return was_early_; }

    // An inotify descriptor of no more use here, or none.
    [[nodiscard]] UniqueFd take_inotify();
    // The hook will not ask, or not again: ends what was begun. May take ten milliseconds.
    void give_up();

private:
    // What was asked for before the hook.
    struct Early {
        pid_t pid = 0;
        UniqueFd pidfd;
        UniqueFd cgroup;
        std::optional<Result<Ring>> answer;
    };

    void stop_watching();
    void ask_early(pid_t pid);
    void take_answer(broker::Deadline deadline);
    void hang_up();
    std::optional<Result<Ring>> take_early(pid_t pid, UniqueFd& cgroup, broker::Deadline deadline);
    Result<broker::GrantedRing> ask(int cgroup, int pidfd, broker::Deadline deadline);
    Result<Ring> map(Result<broker::GrantedRing> granted);

    const Job& job_;
    const SessionEnvironment& environment_;
    std::optional<broker::Client>& broker_;
    UniqueFd epoll_;
    std::optional<CgroupWatch> watch_;
    bool watching_ = false;
    bool was_early_ = false;
    std::optional<Early> early_;
};

}  // namespace spoor
