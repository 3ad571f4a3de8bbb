#include "shim/broker/system_calls.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <seccomp.h>
#include <sys/mman.h>

#include <memory>
#include <span>

namespace spoor::broker {
namespace {

// What all of spoord's processes do, and a gatekeeper nothing else: it opens nothing, and no path leads
// anywhere.
constexpr int allowed_everywhere[] = {
    SCMP_SYS(recvmsg),
    SCMP_SYS(recvfrom),
    SCMP_SYS(sendmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(fstat),
    SCMP_SYS(fstatfs),
    SCMP_SYS(close),
    // memory, the end, and a sanitizer's threads, which may be about to begin when the filter comes
    SCMP_SYS(mmap),
    SCMP_SYS(mprotect),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(rseq),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(futex),
    SCMP_SYS(sched_yield),
    SCMP_SYS(nanosleep),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(exit_group),
};

// What spoord does besides, each with who does it. Threads are all running by now, so none is made.
constexpr int allowed[] = {
    // the event loop
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(accept),
    SCMP_SYS(accept4),
    SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt),
    SCMP_SYS(shutdown),
    SCMP_SYS(signalfd4),
    SCMP_SYS(epoll_create1),
    SCMP_SYS(eventfd2),
    // looking at what a peer passed: fstat, fstatfs, /proc/self/fdinfo, /proc/cgroups
    SCMP_SYS(openat),
    SCMP_SYS(read),
    SCMP_SYS(pread64),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(lseek),
    SCMP_SYS(fcntl),
    SCMP_SYS(newfstatat),
    SCMP_SYS(stat),
    SCMP_SYS(lstat),
    SCMP_SYS(statx),
    SCMP_SYS(statfs),
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(name_to_handle_at),
    // pins, the audit log and its rotation, the metrics' textfile, the log
    SCMP_SYS(getdents64),
    SCMP_SYS(mkdirat),
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
    SCMP_SYS(rename),
    SCMP_SYS(renameat),
    SCMP_SYS(renameat2),
    SCMP_SYS(fchmod),
    SCMP_SYS(fsync),
    SCMP_SYS(fdatasync),
    SCMP_SYS(ftruncate),
    SCMP_SYS(memfd_create),  // of a large entry for the journal
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(ioctl),
    // gatekeepers that wait for a peer
    SCMP_SYS(pidfd_send_signal),
    // a recorder that has hung up, on kernels without SO_PEERPIDFD
    SCMP_SYS(pidfd_open),
    // memory, threads, time, randomness, the end
    SCMP_SYS(gettimeofday),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(getrandom),
    SCMP_SYS(geteuid),
    SCMP_SYS(getuid),
    SCMP_SYS(tgkill),
    SCMP_SYS(exit),
    SCMP_SYS(membarrier),
};

// Of bpf(2): maps are made and used, programs that were loaded are attached, both are pinned.
constexpr int allowed_bpf[] = {
    BPF_MAP_CREATE,       BPF_MAP_LOOKUP_ELEM,     BPF_MAP_UPDATE_ELEM,
    BPF_MAP_DELETE_ELEM,  BPF_MAP_GET_NEXT_KEY,    BPF_OBJ_PIN,
    BPF_OBJ_GET,          BPF_OBJ_GET_INFO_BY_FD,  BPF_LINK_CREATE,
    BPF_LINK_DETACH,      BPF_RAW_TRACEPOINT_OPEN, BPF_MAP_UPDATE_BATCH,
    BPF_MAP_DELETE_BATCH, BPF_MAP_LOOKUP_BATCH,
};

constexpr int deadly[] = {
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(fork),
    SCMP_SYS(vfork),
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(setns),
    SCMP_SYS(unshare),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(pidfd_getfd),
};

// Besides, what making gatekeepers takes.
constexpr int allowed_maker[] = {
    SCMP_SYS(clone),   SCMP_SYS(fork),      SCMP_SYS(socketpair), SCMP_SYS(pidfd_open),   SCMP_SYS(prctl),
    SCMP_SYS(seccomp), SCMP_SYS(eventfd2),  SCMP_SYS(getppid),    SCMP_SYS(getrandom),    SCMP_SYS(kill),
    SCMP_SYS(alarm),   SCMP_SYS(setitimer), SCMP_SYS(wait4),      SCMP_SYS(rt_sigaction),
};

// Memory that is written and then executed is for whoever brings code along.
constexpr scmp_arg_cmp without_exec{2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0};

constexpr scmp_arg_cmp command_is(int command) {
    return {0, SCMP_CMP_EQ, static_cast<scmp_datum_t>(command), 0};
}

// What is not allowed fails with EPERM, unless told otherwise.
class Filter {
public:
    Filter() : filter_(::seccomp_init(SCMP_ACT_ERRNO(EPERM)), ::seccomp_release) {
        if (!filter_) error_ = -ENOMEM;
        allow(allowed_everywhere);
    }

    template <class... Conditions>
    void add(uint32_t action, int call, Conditions... conditions) {
        if (error_ == 0)
            error_ = ::seccomp_rule_add(filter_.get(), action, call, sizeof...(conditions), conditions...);
    }
    void allow(std::span<const int> calls) {
        for (int call : calls) {
            if (call == SCMP_SYS(mmap) || call == SCMP_SYS(mprotect))
                add(SCMP_ACT_ALLOW, call, without_exec);
            else
                add(SCMP_ACT_ALLOW, call);
        }
    }
    // For all threads.
    Status install() {
        if (error_ == 0) error_ = ::seccomp_attr_set(filter_.get(), SCMP_FLTATR_CTL_TSYNC, 1);
        if (error_ == 0) error_ = ::seccomp_load(filter_.get());
        if (error_ != 0) return errno_error("install the filter of system calls", -error_);
        return {};
    }

private:
    std::unique_ptr<void, void (*)(void*)> filter_;
    int error_ = 0;
};

// Looking at what a peer has passed: fstat(2) of glibc, and the signal that is none.
void allow_judging(Filter& filter) {
    filter.add(SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), scmp_arg_cmp{3, SCMP_CMP_EQ, AT_EMPTY_PATH, 0});
    filter.add(SCMP_ACT_ALLOW, SCMP_SYS(pidfd_send_signal), scmp_arg_cmp{1, SCMP_CMP_EQ, 0, 0});
}

}  // namespace

Status keep_needed_system_calls_only() {
    Filter filter;
    filter.allow(allowed);
    for (int command : allowed_bpf) filter.add(SCMP_ACT_ALLOW, SCMP_SYS(bpf), command_is(command));
    filter.add(SCMP_ACT_KILL_PROCESS, SCMP_SYS(bpf), command_is(BPF_PROG_LOAD));
    for (int call : deadly) filter.add(SCMP_ACT_KILL_PROCESS, call);
    return filter.install();
}

Status keep_makers_system_calls_only() {
    Filter filter;
    filter.allow(allowed_maker);
    allow_judging(filter);
    return filter.install();
}

Status keep_gatekeepers_system_calls_only() {
    Filter filter;
    allow_judging(filter);
    return filter.install();
}

}  // namespace spoor::broker
