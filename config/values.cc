#include "config/values.h"

#include <array>
#include <charconv>
#include <limits>
#include <utility>

namespace spoor {
namespace {

struct Quantity {
    uint64_t count;
    std::string_view unit;
};

std::optional<Quantity> split_unit(std::string_view text) {
    Quantity quantity{};
    const char* end = text.data() + text.size();
    const auto [stop, problem] = std::from_chars(text.data(), end, quantity.count);
    if (problem != std::errc()) return std::nullopt;
    quantity.unit = {stop, static_cast<size_t>(end - stop)};
    return quantity;
}

template <size_t N>
std::optional<uint64_t> scale(std::string_view text,
                              const std::array<std::pair<std::string_view, uint64_t>, N>& units) {
    const auto quantity = split_unit(text);
    if (!quantity) return std::nullopt;
    for (const auto& [unit, factor] : units) {
        if (quantity->unit != unit) continue;
        // Signed 64-bit arithmetic follows (chrono), so half the range is the limit.
        if (quantity->count > std::numeric_limits<int64_t>::max() / factor) return std::nullopt;
        return quantity->count * factor;
    }
    return std::nullopt;
}

constexpr std::array<std::pair<std::string_view, uint64_t>, 5> duration_units{
    {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};
constexpr std::array<std::pair<std::string_view, uint64_t>, 5> size_units{
    {{"", 1}, {"B", 1}, {"KiB", 1u << 10}, {"MiB", 1u << 20}, {"GiB", 1u << 30}}};
constexpr std::array<std::pair<std::string_view, uint64_t>, 1> no_units{{{"", 1}}};

}  // namespace

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
    const auto count = scale(text, duration_units);
    if (!count) return std::nullopt;
    return std::chrono::milliseconds(static_cast<int64_t>(*count));
}

std::optional<uint64_t> parse_size(std::string_view text) { return scale(text, size_units); }

std::optional<uint64_t> parse_number(std::string_view text) { return scale(text, no_units); }

}  // namespace spoor
