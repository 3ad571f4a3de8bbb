#include "shim/recorder/ring.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <utility>

namespace spoor {
namespace {

constexpr uint32_t busy_bit = 1u << 31;
constexpr uint32_t discard_bit = 1u << 30;
constexpr size_t head_size = 8;

static_assert(sizeof(unsigned long) == 8, "positions are the kernel's unsigned long");

constexpr uint64_t round_up_8(uint64_t n) { return (n + 7) & ~uint64_t{7}; }

uint64_t load_acquire(const uint64_t* address) { return __atomic_load_n(address, __ATOMIC_ACQUIRE); }

uint32_t load_length(const std::byte* head) {
    return __atomic_load_n(reinterpret_cast<const uint32_t*>(head), __ATOMIC_ACQUIRE);
}

}  // namespace

RingReader::RingReader(uint64_t* consumer, const uint64_t* producer, const std::byte* data, size_t size)
    : consumer_(consumer),
      producer_(producer),
      data_(data),
      size_(size),
      position_(load_acquire(consumer)),
      published_(position_) {}

void RingReader::publish(uint64_t position) {
    if (position == published_) return;
    __atomic_store_n(consumer_, position, __ATOMIC_RELEASE);
    published_ = position;
}

void RingReader::skip_corruption(uint64_t producer) {
    ++corruptions_;
    dead_ = producer % 8 != 0;
    if (dead_) return;
    position_ = producer;
    publish(position_);
}

std::optional<std::span<const std::byte>> RingReader::next() {
    publish(position_);
    for (bool second_look = false; !dead_;) {
        uint64_t producer = load_acquire(producer_);
        uint64_t waiting = producer - position_;
        bool nothing = waiting == 0;
        uint32_t length = 0;
        if (!nothing) {
            if (waiting > size_ || producer % 8 != 0 || position_ % 8 != 0) {
                skip_corruption(producer);
                continue;
            }
            length = load_length(data_ + (position_ & (size_ - 1)));
            nothing = (length & busy_bit) != 0;
        }
        if (nothing) {
            if (second_look) return std::nullopt;
            publish(position_);
            std::atomic_thread_fence(std::memory_order_seq_cst);
            second_look = true;
            continue;
        }
        uint32_t payload = length & ~discard_bit;
        uint64_t total = round_up_8(head_size + payload);
        if (total > waiting) {
            skip_corruption(producer);
            continue;
        }
        const std::byte* record = data_ + (position_ & (size_ - 1)) + head_size;
        position_ += total;
        second_look = false;
        if ((length & discard_bit) == 0) return std::span(record, payload);
    }
    return std::nullopt;
}

size_t RingReader::fill() const {
    return static_cast<size_t>(std::min<uint64_t>(load_acquire(producer_) - published_, size_));
}

Result<Ring> Ring::map(UniqueFd fd, size_t size, UniqueFd wait_fd) {
    auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
    if (!std::has_single_bit(size) || size < page || size > (size_t{1} << 30))
        return Error{EINVAL, "map the ring: " + std::to_string(size) + " bytes is no ring size"};
    void* consumer = ::mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
    if (consumer == MAP_FAILED) return errno_error("map the ring's consumer page");
    void* producer =
        ::mmap(nullptr, page + 2 * size, PROT_READ, MAP_SHARED, fd.get(), static_cast<off_t>(page));
    if (producer == MAP_FAILED) {
        Error error = errno_error("map the ring's data");
        ::munmap(consumer, page);
        return error;
    }
    return Ring(std::move(fd), std::move(wait_fd), consumer, producer, size, page);
}

Ring::Ring(UniqueFd fd, UniqueFd wait_fd, void* consumer, void* producer, size_t size, size_t page)
    : fd_(std::move(fd)),
      wait_fd_(std::move(wait_fd)),
      consumer_page_(consumer),
      producer_pages_(producer),
      page_(page),
      reader_(static_cast<uint64_t*>(consumer), static_cast<const uint64_t*>(producer),
              static_cast<const std::byte*>(producer) + page, size) {}

Ring::Ring(Ring&& other) noexcept
    : fd_(std::move(other.fd_)),
      wait_fd_(std::move(other.wait_fd_)),
      consumer_page_(std::exchange(other.consumer_page_, nullptr)),
      producer_pages_(std::exchange(other.producer_pages_, nullptr)),
      page_(other.page_),
      reader_(other.reader_) {}

Ring::~Ring() {
    if (consumer_page_ == nullptr) return;
    ::munmap(consumer_page_, page_);
    ::munmap(producer_pages_, page_ + 2 * reader_.size());
}

}  // namespace spoor
