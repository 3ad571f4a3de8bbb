// trace/accesses.jsonl: one line a first access.
//
//   {"time":"2024-05-01T10:00:00.000123Z","pid":7,"start":81234567890,"op":"rename","path":"/w/a",
//    "to":"/w/b","error":"EACCES","flags":["lexical"]}
//
// `pid` and `start` name the process instance: a line of processes.jsonl with the same two. `start`
// is CLOCK_BOOTTIME in nanoseconds; `time` is when the access ended. `to`, `error` and `flags` stand
// there only if there is something to say; `pathBytes` and `toBytes` as json_text.h describes.
//
// An exact repeat (same process instance, operation, path, to, error, `exchange`) is dropped; after
// some hundred thousand others it may be forgotten and logged again. Two that are `lexical` are no
// repeat if only one of them is `nofollow`: the name may be that of a link.
//
// A part that has grown to `rotate_bytes` becomes accesses.jsonl.N, N counting up from 1, and a new
// accesses.jsonl begins. Nothing is ever deleted.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "signal/event.h"
#include "signal/keyed_hash.h"
#include "signal/line_file.h"
#include "signal/time_text.h"

namespace spoor {

// Remembers the latest numbers put in: at least `half` of them, at most twice as many, in memory
// that grows with use and stops there.
class RecentSet {
public:
    explicit RecentSet(size_t half) : half_(half) {}
    // True: it was not there.
    bool insert(uint64_t value);
    [[nodiscard]] bool contains(uint64_t value) const;

private:
    struct Table {
        std::vector<uint64_t> slots;  // 0: free
        size_t used = 0;
        [[nodiscard]] bool contains(uint64_t value) const;
        void insert(uint64_t value);
    };
    size_t half_;
    Table current_, previous_;
};

class AccessLog {
public:
    // `trace` and `clock` stay the caller's and must outlive this. Not written unless open()ed;
    // counts and drops repeats all the same.
    AccessLog(int trace, const WallClock& clock, uint64_t rotate_bytes);

    Status open();
    // False: a repeat.
    bool add(const AccessEvent& event, uint64_t time_ns);
    void flush() { file_.flush(); }
    [[nodiscard]] std::vector<UniqueFd> take_unsynced() { return file_.take_unsynced(); }

    // Lines so far, repeats not counted.
    [[nodiscard]] uint64_t accesses() const { return accesses_; }
    // The parts in order of time; empty if never opened. The number of them grows with a rotation.
    [[nodiscard]] std::vector<std::string> files() const;
    [[nodiscard]] unsigned rotations() const { return parts_; }
    [[nodiscard]] const LineFile& file() const { return file_; }
    // Why a rotation failed, if one did.
    [[nodiscard]] const std::string& rotation_error() const { return rotation_error_; }

private:
    void rotate();
    bool is_repeat(uint64_t key, uint16_t flags);

    LineFile file_;
    TimeText time_text_;
    uint64_t rotate_bytes_;
    uint64_t rotate_at_;
    unsigned parts_ = 0;
    bool opened_ = false;
    uint64_t accesses_ = 0;
    std::string rotation_error_;
    KeyedHash hash_;
    RecentSet seen_;
};

}  // namespace spoor
