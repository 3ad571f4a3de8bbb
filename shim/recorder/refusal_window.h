// The recorder's side of the session's window: the tables by which the kernel's programs refuse what tasks in
// strict mode have not declared (base/path_table.h).
//
// The programs read while we write. A table's bytes are written before anything names them, and are used
// again only after its slot's sequence was raised: a program that was under way with it looks at the sequence
// before it refuses.
//
// Single-threaded.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>

#include "base/result.h"
#include "base/unique_fd.h"

namespace spoor {

class RefusalWindow {
public:
    // Maps what spoord gave; the descriptor is not needed any more then.
    static Result<RefusalWindow> map(const UniqueFd& fd);
    // On memory of the caller's, SPOOR_WINDOW_BYTES of zeros that outlive this object.
    explicit RefusalWindow(std::span<uint8_t> window) : window_(window) {}
    RefusalWindow(RefusalWindow&& other) noexcept;
    RefusalWindow& operator=(RefusalWindow&&) = delete;
    ~RefusalWindow();

    // From now on `table` holds for the processes of `task`; it replaces an earlier one. ENOSPC: there is no
    // room; the task has none then.
    Status publish(uint32_t task, std::span<const uint8_t> table);
    // The task's table, if it has one, holds for nobody any more.
    void withdraw(uint32_t task);
    // What its processes' entries are to have (spoor_process.refusal); 0: the task has no table.
    [[nodiscard]] uint32_t word_of(uint32_t task) const;

private:
    struct Held {
        uint32_t slot;
        uint32_t table;  // its offset
    };

    // Offset of `bytes` that no table uses; 0: there are none.
    [[nodiscard]] uint32_t find_room(size_t bytes) const;
    [[nodiscard]] uint32_t* field(uint32_t slot, size_t offset) const;
    void set_table(uint32_t slot, uint32_t table);

    std::span<uint8_t> window_;
    bool mapped_ = false;
    std::map<uint32_t, Held> held_;        // by task
    std::map<uint32_t, size_t> used_;      // offset: bytes
    std::array<bool, 128> slot_in_use_{};  // slot 0 is nobody's
};

}  // namespace spoor
