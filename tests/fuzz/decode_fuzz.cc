// The event decoder and the ring's consumer on arbitrary bytes. A first byte of 0 gives the rest to
// the ring as its data. 1: records with a head whose fields the input names, whole, cut or twice, in
// any order; it follows every change of the layout, and is what the corpus is made of. Anything else:
// a sequence of records, each after two bytes with its length.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "shim/recorder/decode.h"
#include "shim/recorder/ring.h"

namespace {

using namespace spoor;

// Holds the promises of event.h.
struct CheckingSink : EventSink {
    void on(const ForkEvent&, uint64_t) override {}
    void on(const ExecEvent& event, uint64_t) override { check(event.environment.size() <= 64); }
    void on(const ExitEvent&, uint64_t) override {}
    void on(const AccessEvent& event, uint64_t) override {
        check(event.op >= Op::read && event.op <= Op::bind);
        check(!event.path.empty() && event.path.find('\0') == std::string::npos);
        check(event.to.find('\0') == std::string::npos);
    }
    void on_end(uint64_t) override {}

    static void check(bool promise) {
        if (!promise) std::abort();
    }
};

void feed_decoder(std::span<const std::byte> input) {
    CheckingSink sink;
    Decoder decoder(sink);
    while (input.size() > 2) {
        size_t length = std::to_integer<size_t>(input[0]) | std::to_integer<size_t>(input[1]) << 8;
        input = input.subspan(2);
        length = std::min(length, input.size());
        // A copy of its own, so that a sanitizer sees a read past the record.
        const std::vector<std::byte> record(input.begin(), input.begin() + static_cast<ptrdiff_t>(length));
        decoder.decode(record);
        input = input.subspan(length);
    }
    decoder.finish();
}

// The input, byte by byte; zeros when it is used up.
class Input {
public:
    explicit Input(std::span<const std::byte> bytes) : bytes_(bytes) {}
    [[nodiscard]] bool empty() const { return bytes_.empty(); }
    uint8_t byte() {
        if (bytes_.empty()) return 0;
        const auto value = std::to_integer<uint8_t>(bytes_.front());
        bytes_ = bytes_.subspan(1);
        return value;
    }
    std::string text() {
        std::string out(byte(), '\0');
        for (char& c : out) c = static_cast<char>(byte());
        return out;
    }

private:
    std::span<const std::byte> bytes_;
};

std::vector<std::byte> make_record(Input& input) {
    spoor_event head{};
    head.type = input.byte();
    head.op = input.byte();
    head.flags = static_cast<uint16_t>(input.byte());
    head.flags = static_cast<uint16_t>(head.flags | input.byte() << 8);
    head.time_ns = input.byte();
    head.host_tid = input.byte();
    head.value = input.byte();
    head.pid = 1 + input.byte() % 4u;
    const std::string base = input.text(), name = input.text();
    head.base_len = static_cast<uint16_t>(base.size());
    head.name_len = static_cast<uint16_t>(name.size());
    head.size = static_cast<uint32_t>(sizeof head + base.size() + name.size());
    std::vector<std::byte> record(head.size);
    std::memcpy(record.data(), &head, sizeof head);
    std::copy_n(std::as_bytes(std::span(base)).begin(), base.size(), record.begin() + sizeof head);
    std::copy_n(std::as_bytes(std::span(name)).begin(), name.size(),
                record.begin() + static_cast<ptrdiff_t>(sizeof head + base.size()));
    return record;
}

void feed_made_records(std::span<const std::byte> bytes) {
    CheckingSink sink;
    Decoder decoder(sink);
    Input input(bytes);
    while (!input.empty()) {
        auto record = make_record(input);
        switch (const uint8_t treatment = input.byte()) {
            case 0:
                break;
            case 1:
                decoder.decode(record);
                break;
            default:  // cut, and no byte behind it
                record.resize(record.size() - std::min<size_t>(record.size(), treatment));
                record.shrink_to_fit();
        }
        decoder.decode(record);
    }
    decoder.finish();
}

void feed_ring(std::span<const std::byte> input) {
    constexpr size_t size = 256;
    uint64_t positions[2] = {};
    alignas(8) std::byte data[2 * size] = {};
    const size_t heads = std::min(input.size(), sizeof positions);
    if (heads > 0) std::memcpy(positions, input.data(), heads);
    input = input.subspan(heads);
    if (!input.empty()) std::memcpy(data, input.data(), std::min(input.size(), size));
    std::memcpy(data + size, data, size);
    RingReader reader(&positions[0], &positions[1], data, size);
    CheckingSink sink;
    Decoder decoder(sink);
    size_t records = 0;
    while (auto record = reader.next()) {
        CheckingSink::check(++records <= size / 8);
        decoder.decode(*record);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
    const auto input = std::as_bytes(std::span(bytes, size));
    if (input.empty()) return 0;
    if (input[0] == std::byte{0})
        feed_ring(input.subspan(1));
    else if (input[0] == std::byte{1})
        feed_made_records(input.subspan(1));
    else
        feed_decoder(input.subspan(1));
    return 0;
}
