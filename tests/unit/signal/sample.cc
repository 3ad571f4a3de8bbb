// Writes volumes with everything in them that the schemas describe, for check_schemas.py:
//   sample DIR   ->   DIR/full, DIR/untraced, DIR/live (a session still tracing)
#include <sys/stat.h>

#include <cstdio>
#include <string>

#include "base/clock.h"
#include "signal/declared_judge.h"
#include "signal/names.h"
#include "signal/trail.h"

namespace {

using namespace spoor;

AccessEvent access(ProcessKey process, Op op, std::string path, std::string to = {}, uint16_t flags = 0,
                   int error = 0) {
    AccessEvent event;
    event.process = process;
    event.op = op;
    event.path = std::move(path);
    event.to = std::move(to);
    event.flags = flags;
    event.error = error;
    return event;
}

void fill(Trail& trail) {
    uint64_t now = boot_time_ns();
    ProcessKey init{1, now}, child{2, now + 10}, forked{3, now + 20};
    ExecEvent exec;
    exec.process = init;
    exec.exe = "/bin/sh";
    exec.script = "/w/run.sh";
    exec.loader = "/lib64/ld-linux-x86-64.so.2";
    exec.cwd = "/w";
    exec.argv = {"sh", "/w/run.sh", "--token=abc"};
    trail.on(exec, now + 1);
    trail.on(ForkEvent{child, init}, now + 10);
    exec.process = child;
    exec.script.clear();
    exec.exe = "/w/\xff";
    exec.argv = {"\xff", "x"};
    exec.argv_truncated = true;
    trail.on(exec, now + 11);
    exec.exe = "/bin/cc";
    trail.on(exec, now + 12);
    trail.on(ForkEvent{forked, child}, now + 20);
    for (int op = 1; op <= last_op; ++op) {
        auto which = static_cast<Op>(op);
        bool two = which == Op::rename || which == Op::link || which == Op::symlink;
        std::string path = "/w/" + std::string(name_of(which));
        trail.on(access(child, which, path, two ? path + ".to" : "", 0, which == Op::absent ? ENOENT : 0),
                 now + 30);
        trail.on(access(child, which, path + "\xff\n", two ? path + "\xfe" : "",
                        0xffff & ~(flag_memory | flag_unreachable | flag_deleted | flag_directory |
                                   flag_truncated)),
                 now + 31);
        trail.on(access(child, which, path + ".no", two ? path : "", 0, EACCES), now + 32);
    }
    trail.on(access(child, Op::read, "/host", {}, flag_unreachable), now + 40);
    trail.on(access(child, Op::write, "memfd:a", {}, flag_memory, 4095), now + 41);
    trail.on(access(child, Op::read, "/w/write"), now + 42);
    trail.on(access(child, Op::remove, "/w/create"), now + 43);
    trail.on(access(child, Op::read, "/a/\xff"), now + 44);
    trail.on(access(forked, Op::rename, "/w/mkdir", "/w/moved", flag_directory), now + 45);
    trail.on(ExitEvent{forked, 9}, now + 50);
    trail.on(ExitEvent{child, 3 << 8}, now + 60);
    trail.flush();
}

// A task with all that a task's report can hold.
void fill_task(Trail& trail) {
    uint64_t now = boot_time_ns();
    auto signal = [&](const std::string& json) {
        if (auto parsed = parse_task_signal(json)) trail.on(std::move(*parsed), now, {});
    };
    ProcessKey worker{20, now}, helper{21, now + 1};
    ExecEvent exec;
    exec.process = worker;
    exec.exe = "/bin/worker";
    exec.cwd = "/w";
    exec.argv = {"worker"};
    trail.on(exec, now);
    for (const char* id : {"outer", "web:build"})
        signal(
            std::string(
                R"({"schema":"spoor.task/1","event":"start","pid":20,"workspaceRoot":"/w","projectRoot":"web",
            "project":"web","projects":{"web":"web"},"mode":"strict","parent":"outer","taskId":")") +
            id + R"(","declared":{"inputs":["in","unread","../bad"],"outputs":["dist","unwritten"]}})");
    trail.on(ForkEvent{helper, worker}, now + 1);
    trail.on(access(helper, Op::read, "/w/web/secret"), now + 2);
    trail.on(access(helper, Op::read, "/w/\xff"), now + 3);
    trail.on(access(helper, Op::write, "/w/web/undeclared"), now + 4);
    trail.on(access(helper, Op::write, "/w/gone"), now + 5);
    trail.on(access(helper, Op::remove, "/w/gone"), now + 6);
    trail.on(access(helper, Op::connect, "inet:192.0.2.1:443"), now + 7);
    trail.on(access(helper, Op::read, "/lib/excluded"), now + 8);
    trail.on(access(helper, Op::write, "/tmp/excluded"), now + 8);
    signal(R"({"schema":"spoor.task/1","event":"end","taskId":"web:build","status":"failure","code":1})");
    signal(R"({"schema":"spoor.task/1","event":"end","taskId":"outer"})");
    trail.on(ExitEvent{helper, 0}, now + 9);
}

int write_all_of(const std::string& top) {
    for (const char* name : {"/full", "/untraced", "/live"}) ::mkdir((top + name).c_str(), 0755);
    if (!write_untraced_session(top + "/untraced", "c3", "", "no broker")) return 1;
    for (const char* name : {"/full", "/live"}) {
        auto volume = Volume::open(top + name);
        if (!volume) return 1;
        Session facts;
        facts.container_id = "c1";
        facts.image = "example";
        facts.annotations = {{"a", "b"}};
        facts.family = "syscall-exit";
        facts.exact_ops = 0x3ff;
        facts.lexical_ops = 0xfc00;
        TrailOptions options;
        options.rotate_bytes = 4096;
        options.tasks.make_judge = declared_judge({});
        Trail trail(std::move(*volume), facts, options);
        if (!trail.begin()) return 1;
        fill(trail);
        fill_task(trail);
        trail.add_warning("a warning");
        if (std::string(name) == "/live") continue;
        if (!trail.finish({10, 10}, {})) return 1;
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: %s DIR\n", argv[0]);
        return 64;
    }
    return write_all_of(argv[1]);
}
