// spoor-deliver: drains one spool and ends when it is empty. Started by recorders when something is there and
// nobody delivers, and by `spoorctl deliver`. It may be killed at any moment: what was not delivered is
// still there, and what was sent and not crossed off is sent again under the same key.
#include <poll.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "shim/deliver/curl_http.h"
#include "shim/deliver/deliverer.h"

namespace {

using namespace spoor;

constexpr int exit_left = 1;
constexpr int exit_usage = 2;
constexpr int niceness = 10;
// How long before a spool that cannot be read is looked at again, if nothing happens in it.
constexpr uint64_t look_again_ms = 60'000;

int complain(const Error& error) {
    std::fprintf(stderr, "spoor-deliver: %s\n", error.message.c_str());
    return exit_left;
}

uint64_t now_ms() { return boot_time_ns() / 1'000'000; }

// What tells of new items, and of new settings.
class Watch {
public:
    static Result<Watch> open(const Spool& spool) {
        UniqueFd fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
        if (!fd) return errno_error("inotify");
        const std::string queue = spool.path() + "/queue";
        if (::inotify_add_watch(fd.get(), queue.c_str(), IN_MOVED_TO | IN_ONLYDIR) < 0)
            return errno_error(queue);
        const int root = ::inotify_add_watch(fd.get(), spool.path().c_str(), IN_MOVED_TO | IN_ONLYDIR);
        if (root < 0) return errno_error(spool.path());
        return Watch(std::move(fd), root);
    }

    enum class Event { due, item, settings };
    // Waits until something comes, or `until_ms`.
    Event wait(uint64_t until_ms) {
        for (;;) {
            const uint64_t now = now_ms();
            if (now >= until_ms) return Event::due;
            pollfd item{fd_.get(), POLLIN, 0};
            const int ready = ::poll(&item, 1, static_cast<int>(std::min<uint64_t>(until_ms - now, INT_MAX)));
            if (ready <= 0) continue;
            const Event event = read();
            if (event != Event::due) return event;
        }
    }

private:
    Watch(UniqueFd fd, int root) : fd_(std::move(fd)), root_(root) {}

    // `due`: nothing that matters; our own status file is renamed there, too.
    Event read() {
        alignas(inotify_event) std::array<char, 16 * 1024> buffer;
        const ssize_t got = ::read(fd_.get(), buffer.data(), buffer.size());
        Event found = Event::due;
        for (ssize_t at = 0; at + static_cast<ssize_t>(sizeof(inotify_event)) <= got;) {
            inotify_event event;
            std::memcpy(&event, buffer.data() + at, sizeof event);
            const char* name = buffer.data() + at + sizeof event;
            if (event.wd != root_) {
                if (found == Event::due) found = Event::item;
            } else if (event.len > 0 && std::strcmp(name, "settings.json") == 0) {
                found = Event::settings;
            }
            at += static_cast<ssize_t>(sizeof event + event.len);
        }
        return found;
    }

    UniqueFd fd_;
    int root_;
};

// Empty: gives the lock back. A recorder that put something a moment ago and found it taken has started
// nobody, so the queue is looked at once more without it. True: there is nothing to do any more.
bool may_end(const Spool& spool, UniqueFd& lock) {
    lock.reset();
    auto queue = spool.queue();
    if (!queue || queue->empty()) return true;
    auto again = spool.lock();
    if (!again) return true;  // whoever has it will see what we saw
    lock = std::move(*again);
    return false;
}

int drain(Spool& spool, UniqueFd lock, Deliverer& deliverer, bool once) {
    auto watch = Watch::open(spool);
    if (!watch) return complain(watch.error());
    for (bool all = once;;) {
        auto due = deliverer.pass(all);
        if (once) {
            if (!due) return complain(due.error());
            return *due ? exit_left : 0;
        }
        if (due && !*due) {
            if (may_end(spool, lock)) return 0;
            continue;
        }
        if (watch->wait(due ? **due : now_ms() + look_again_ms) == Watch::Event::settings)
            deliverer.start_afresh();
    }
}

}  // namespace

int main(int argc, char** argv) {
    std::string directory;
    bool once = false, wrong = false;
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        if (word == "--version") {
            std::puts("spoor-deliver " SPOOR_VERSION);
            return 0;
        }
        if (word == "--once")
            once = true;
        else if (word == "--spool" && i + 1 < argc)
            directory = argv[++i];
        else
            wrong = true;
    }
    if (wrong || directory.empty()) {
        std::fputs("usage: spoor-deliver --spool DIR [--once] (started by spoor-recorder and spoorctl)\n",
                   stderr);
        return exit_usage;
    }
    ::signal(SIGPIPE, SIG_IGN);
    ::umask(077);
    ::prctl(PR_SET_DUMPABLE, 0);  // a token is in our memory: no core, no look from outside
    ::setpriority(PRIO_PROCESS, 0, niceness);

    auto spool = Spool::open_existing(directory);
    if (!spool) return complain(spool.error());
    auto lock = spool->lock();
    if (!lock && lock.error().code == EBUSY) {
        if (once) std::fprintf(stderr, "spoor-deliver: %s\n", lock.error().message.c_str());
        return 0;
    }
    if (!lock) return complain(lock.error());
    auto http = CurlHttp::create();
    if (!http) return complain(http.error());
    const auto settings = spool->settings();
    std::mt19937_64 random(std::random_device{}());
    std::uniform_real_distribution<double> chance;
    Deliverer deliverer(*spool, **http,
                        settings ? Log::open(settings->log_file, settings->log_level, "deliver") : Log(),
                        now_ms, [&] { return chance(random); });
    return drain(*spool, std::move(*lock), deliverer, once);
}
