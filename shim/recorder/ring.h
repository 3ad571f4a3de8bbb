// The consumer side of a BPF ring buffer, written by hand: libbpf's needs bpf(2), which a process
// without capabilities does not have on every kernel (EPERM on 5.10 for every command).
//
// Layout and protocol: Documentation/bpf/ringbuf.rst and kernel/bpf/ringbuf.c of the kernel. The
// map's descriptor is mapped as
//     page 0                consumer position, ours to write
//     page 1                producer position, read-only
//     page 2 …              the data, twice in a row, so that no record ever wraps
// Positions only grow; an offset is position modulo size. A record is a head of eight bytes (u32
// length with two flag bits, u32 page offset that only the kernel needs) and `length` bytes,
// rounded up to eight.
//
// Memory order: the kernel stores the producer position with release and clears the busy bit with
// a full barrier; both are loaded with acquire here. The consumer position is stored with release,
// after the record was used. The kernel wakes a waiter only if, having cleared the busy bit, it
// sees the consumer standing at just that record. So before "nothing there" is believed, a full
// barrier stands between our store and a second look; that makes edge-triggered epoll safe, and a
// record that stays busy costs no spinning.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/result.h"
#include "base/unique_fd.h"

namespace spoor {

// Works on bare memory, so that it can be tested without a kernel. Not thread-safe; the producer
// may run concurrently. Trusts nothing but the bounds it was given.
class RingReader {
public:
    // `size`: of the data once, a power of two of at least eight. `data` has 2 × size bytes.
    // All three must stay mapped for the life of the reader.
    RingReader(uint64_t* consumer, const uint64_t* producer, const std::byte* data, size_t size);

    // The next record's bytes, or nothing when there is none yet (or its producer is not done).
    // Gives the space of the record before back to the kernel: a span is valid until the next call.
    std::optional<std::span<const std::byte>> next();

    // Bytes that wait, of size(). Never more than size().
    [[nodiscard]] size_t fill() const;
    [[nodiscard]] size_t size() const { return size_; }
    // Nonsense met in the positions or heads. Everything up to the producer's position was skipped
    // each time; the trail has a hole.
    [[nodiscard]] uint64_t corruptions() const { return corruptions_; }

private:
    void publish(uint64_t position);
    void skip_corruption(uint64_t producer);

    uint64_t* consumer_;
    const uint64_t* producer_;
    const std::byte* data_;
    size_t size_;
    uint64_t position_;   // of the next record
    uint64_t published_;  // what the kernel was told
    uint64_t corruptions_ = 0;
    bool dead_ = false;  // the producer's position is no record boundary: there is no way on
};

// Owner of a ring's descriptor and mappings.
class Ring {
public:
    // Takes the descriptor of a map of type RINGBUF with `size` bytes of data. `wait_fd`: what to
    // wait on if that is not the ring itself.
    static Result<Ring> map(UniqueFd fd, size_t size, UniqueFd wait_fd = {});

    Ring(Ring&& other) noexcept;
    Ring& operator=(Ring&&) = delete;
    ~Ring();

    // Readable for (edge-triggered) epoll when records come.
    [[nodiscard]] int wait_fd() const { return wait_fd_ ? wait_fd_.get() : fd_.get(); }
    [[nodiscard]] RingReader& reader() { return reader_; }
    [[nodiscard]] const RingReader& reader() const { return reader_; }

private:
    Ring(UniqueFd fd, UniqueFd wait_fd, void* consumer, void* producer, size_t size, size_t page);

    UniqueFd fd_;
    UniqueFd wait_fd_;
    void* consumer_page_;  // null after a move
    void* producer_pages_;
    size_t page_;
    RingReader reader_;
};

}  // namespace spoor
