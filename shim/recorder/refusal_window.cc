#include "shim/recorder/refusal_window.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <utility>

#include "base/path_table.h"

namespace spoor {
namespace {

constexpr size_t first_table = SPOOR_REFUSAL_SLOTS * sizeof(spoor_refusal_slot);
constexpr size_t alignment = 8;

uint32_t raise(uint32_t* number) {
    return std::atomic_ref(*number).fetch_add(1, std::memory_order_seq_cst) + 1;
}

}  // namespace

Result<RefusalWindow> RefusalWindow::map(const UniqueFd& fd) {
    void* memory = ::mmap(nullptr, SPOOR_WINDOW_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
    if (memory == MAP_FAILED) return errno_error("map the window of refusals");
    RefusalWindow window(std::span(static_cast<uint8_t*>(memory), SPOOR_WINDOW_BYTES));
    window.mapped_ = true;
    return window;
}

RefusalWindow::RefusalWindow(RefusalWindow&& other) noexcept
    : window_(other.window_),
      mapped_(std::exchange(other.mapped_, false)),
      held_(std::move(other.held_)),
      used_(std::move(other.used_)),
      slot_in_use_(other.slot_in_use_) {}

RefusalWindow::~RefusalWindow() {
    if (mapped_) ::munmap(window_.data(), window_.size());
}

uint32_t* RefusalWindow::field(uint32_t slot, size_t offset) const {
    return reinterpret_cast<uint32_t*>(window_.data() + slot * sizeof(spoor_refusal_slot) + offset);
}

void RefusalWindow::set_table(uint32_t slot, uint32_t table) {
    uint32_t* sequence = field(slot, offsetof(spoor_refusal_slot, sequence));
    raise(sequence);
    std::atomic_ref(*field(slot, offsetof(spoor_refusal_slot, table)))
        .store(table, std::memory_order_seq_cst);
    raise(sequence);
}

uint32_t RefusalWindow::find_room(size_t bytes) const {
    size_t at = first_table;
    for (const auto& [begin, length] : used_) {
        if (begin - at >= bytes) return static_cast<uint32_t>(at);
        at = (begin + length + alignment - 1) & ~(alignment - 1);
    }
    return window_.size() - at >= bytes ? static_cast<uint32_t>(at) : 0;
}

Status RefusalWindow::publish(uint32_t task, std::span<const uint8_t> table) {
    auto known = held_.find(task);
    const Error full{ENOSPC, "the declarations of the tasks that are open do not fit into " +
                                 std::to_string(SPOOR_WINDOW_BYTES) + " bytes"};
    const uint32_t at = table.empty() ? 0 : find_room(table.size());
    if (at == 0) {
        withdraw(task);
        return full;
    }
    if (known == held_.end()) {
        const auto free = std::find(slot_in_use_.begin() + 1, slot_in_use_.end(), false);
        if (free == slot_in_use_.end()) return full;
        *free = true;
        const auto slot = static_cast<uint32_t>(free - slot_in_use_.begin());
        // Generation 0 is of no task.
        uint32_t* generation = field(slot, offsetof(spoor_refusal_slot, generation));
        if (*generation == 0) raise(generation);
        known = held_.emplace(task, Held{slot, 0}).first;
    }
    std::copy(table.begin(), table.end(), window_.begin() + at);
    set_table(known->second.slot, at);
    if (known->second.table != 0) used_.erase(known->second.table);
    known->second.table = at;
    used_.emplace(at, table.size());
    return {};
}

void RefusalWindow::withdraw(uint32_t task) {
    const auto known = held_.find(task);
    if (known == held_.end()) return;
    const Held held = known->second;
    set_table(held.slot, 0);
    raise(field(held.slot, offsetof(spoor_refusal_slot, generation)));
    used_.erase(held.table);
    slot_in_use_[held.slot] = false;
    held_.erase(known);
}

uint32_t RefusalWindow::word_of(uint32_t task) const {
    const auto known = held_.find(task);
    if (known == held_.end()) return 0;
    return known->second.slot +
           SPOOR_REFUSAL_SLOTS * *field(known->second.slot, offsetof(spoor_refusal_slot, generation));
}

static_assert(SPOOR_REFUSAL_SLOTS == 128);

}  // namespace spoor
