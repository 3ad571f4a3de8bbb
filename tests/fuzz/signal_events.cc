// The process table and the access sets under any stream of events: reordered, cut off, repeated,
// impossible. No event may break them, make a process appear twice, or take memory without bound.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>

#include "base/clock.h"
#include "base/files.h"
#include "signal/access_set.h"
#include "signal/names.h"
#include "signal/process_table.h"
#include "signal/reader.h"

namespace {

using namespace spoor;

void require(bool holds) {
    if (!holds) std::abort();
}

// The input, byte by byte; zeros when it is used up.
class Input {
public:
    Input(const uint8_t* data, size_t size) : at_(data), end_(data + size) {}
    [[nodiscard]] bool empty() const { return at_ == end_; }
    uint8_t byte() { return at_ == end_ ? 0 : *at_++; }
    ProcessKey key() { return {byte() % 8u, byte() % 8u}; }
    std::string path() {
        std::string text;
        for (int names = byte() % 4; names >= 0; --names) {
            text += '/';
            text += static_cast<char>('a' + byte() % 4);
        }
        if (byte() % 16 == 0) text += static_cast<char>(byte());
        return text;
    }

private:
    const uint8_t* at_;
    const uint8_t* end_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static const std::string top = [] {
        char name[] = "/tmp/spoor-fuzz.XXXXXX";
        return std::string(::mkdtemp(name));
    }();
    static const UniqueFd directory(::open(top.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    WallClock clock;
    LineFile file(directory.get(), "processes.jsonl");
    require(file.open().has_value());
    ProcessTable processes(file, clock);
    AccessSet accesses(64 * 1024);

    Input input(data, size);
    while (!input.empty()) {
        switch (input.byte() % 8) {
            case 0:
                processes.on(ForkEvent{input.key(), input.key()}, input.byte());
                break;
            case 1: {
                ExecEvent event;
                event.process = input.key();
                event.parent_pid = input.byte() % 8u;
                event.exe = input.path();
                event.argv = {input.path(), input.path()};
                processes.on(event, input.byte());
                break;
            }
            case 2:
                processes.on(ExitEvent{input.key(), input.byte() << 8 | input.byte()}, input.byte());
                break;
            case 3:
                processes.flush();
                break;
            default: {
                AccessEvent event;
                event.process = input.key();
                event.op = static_cast<Op>(1 + input.byte() % last_op);
                event.flags = static_cast<uint16_t>(input.byte() << 8 | input.byte());
                event.error = input.byte() % 4 == 0 ? input.byte() : 0;
                event.path = input.path();
                if (event.op == Op::rename || event.op == Op::link) event.to = input.path();
                processes.seen(event.process);
                accesses.add(event);
            }
        }
    }
    processes.finish();
    file.flush();
    require(processes.living() == 0);

    auto text = read_file(top + "/processes.jsonl", 1u << 30);
    require(text.has_value());
    std::set<std::pair<uint64_t, uint32_t>> seen;
    for (size_t from = 0; from < text->size();) {
        size_t end = text->find('\n', from);
        require(end != std::string::npos);
        auto line = parse_process_line(std::string_view(*text).substr(from, end - from));
        require(line && seen.emplace(line->process.start_ns, line->process.pid).second);
        from = end + 1;
    }
    require(seen.size() == processes.processes());

    // An output stands at the end, so it is not among the deleted; lists are in order, without repeats.
    std::set<std::string> outputs;
    for (auto list : {AccessSet::List::inputs, AccessSet::List::outputs, AccessSet::List::deleted}) {
        accesses.for_each(list, [&](const AccessSet::Entry& entry) {
            if (list == AccessSet::List::outputs) require(outputs.emplace(entry.path).second);
            if (list == AccessSet::List::deleted) require(!outputs.contains(std::string(entry.path)));
        });
    }
    return 0;
}
