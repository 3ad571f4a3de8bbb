// A ring as the kernel lays it out, and its producer: what ring.h consumes, in plain memory that
// may also be a memfd (so that a fake spoord can hand it over). The producer writes each record
// into both copies of the data, as one page table does for the kernel.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"
#include "bpf/abi.h"

namespace spoor::test {

class FakeRing {
public:
    static constexpr uint32_t busy = 1u << 31;
    static constexpr uint32_t discard = 1u << 30;

    explicit FakeRing(size_t size) : size_(size), page_(static_cast<size_t>(::sysconf(_SC_PAGESIZE))) {
        fd_.reset(::memfd_create("fake-ring", MFD_CLOEXEC));
        const size_t total = 2 * page_ + 2 * size_;
        if (::ftruncate(fd_.get(), static_cast<off_t>(total)) == 0)
            memory_ = static_cast<std::byte*>(
                ::mmap(nullptr, total, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0));
    }
    FakeRing(const FakeRing&) = delete;
    FakeRing& operator=(const FakeRing&) = delete;
    ~FakeRing() { ::munmap(memory_, 2 * page_ + 2 * size_); }

    [[nodiscard]] int fd() const { return fd_.get(); }
    [[nodiscard]] size_t size() const { return size_; }
    uint64_t* consumer() { return reinterpret_cast<uint64_t*>(memory_); }
    uint64_t* producer() { return reinterpret_cast<uint64_t*>(memory_ + page_); }
    std::byte* data() { return memory_ + 2 * page_; }

    // Bytes that wait.
    uint64_t fill() { return *producer() - __atomic_load_n(consumer(), __ATOMIC_ACQUIRE); }

    // Puts a record; false: no room. `flags` go into the head's length as they are.
    bool put(std::string_view payload, uint32_t flags = 0) {
        const uint64_t total = (8 + payload.size() + 7) & ~uint64_t{7};
        const uint64_t position = *producer();
        if (position + total - __atomic_load_n(consumer(), __ATOMIC_ACQUIRE) > size_) return false;
        for (size_t i = 0; i < payload.size(); ++i)
            store(position + 8 + i, static_cast<std::byte>(payload[i]));
        set_length(position, static_cast<uint32_t>(payload.size()) | flags);
        __atomic_store_n(producer(), position + total, __ATOMIC_RELEASE);
        return true;
    }
    // Rewrites the length word of the record at `position`.
    void set_length(uint64_t position, uint32_t length) {
        const size_t offset = position & (size_ - 1);
        __atomic_store_n(reinterpret_cast<uint32_t*>(data() + offset), length, __ATOMIC_RELEASE);
        __atomic_store_n(reinterpret_cast<uint32_t*>(data() + offset + size_), length, __ATOMIC_RELEASE);
    }

private:
    void store(uint64_t position, std::byte value) {
        const size_t offset = position & (size_ - 1);
        data()[offset] = value;
        data()[offset + size_] = value;
    }

    size_t size_;
    size_t page_;
    UniqueFd fd_;
    std::byte* memory_ = nullptr;
};

// A record's bytes.
inline std::string make_record(spoor_event head, std::string_view base = {}, std::string_view name = {}) {
    head.base_len = static_cast<uint16_t>(base.size());
    head.name_len = static_cast<uint16_t>(name.size());
    head.size = static_cast<uint32_t>(sizeof head + base.size() + name.size());
    std::string bytes(reinterpret_cast<const char*>(&head), sizeof head);
    return bytes.append(base).append(name);
}

inline spoor_event head_of(uint8_t type, uint8_t op = 0, uint64_t time_ns = 1000) {
    spoor_event head{};
    head.type = type;
    head.op = op;
    head.time_ns = time_ns;
    head.pid = 7;
    head.start_ns = 500;
    head.host_tid = 4321;
    return head;
}

}  // namespace spoor::test
