#include <bpf/libbpf.h>

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <utility>

#include "bpf/object.h"
#include "spoor.skel.h"

namespace spoor::bpf {
namespace {

// The number behind the last `word`.
std::optional<uint64_t> number_after(std::string_view word, std::string_view log) {
    const size_t at = log.rfind(word);
    if (at == std::string_view::npos) return std::nullopt;
    // The log ends with a NUL, which is behind the view.
    return std::strtoull(log.data() + at + word.size(), nullptr, 10);
}

// From the line that the kernel ends its log with: "processed N insns (limit …) … total_states N …". One
// before it may have the program's functions by themselves: "insns processed N+N…" (7.2).
std::optional<VerifierCost> cost_in(const char* program, const char* log) {
    const auto instructions = number_after("processed ", log);
    const auto states = number_after("total_states ", log);
    if (!instructions || !states) return std::nullopt;
    return VerifierCost{.program = program, .instructions = *instructions, .states = *states};
}

}  // namespace

Result<std::vector<VerifierCost>> Tracer::check(const TracerLimits& limits, Log log) {
    // The log's level 4 is its statistics alone, which take less than this.
    constexpr uint32_t statistics = 4;
    constexpr size_t log_bytes = 16384;
    send_messages_to(std::move(log));
    auto owner = open_object(limits);
    if (!owner) return std::move(owner).error();
    bpf_object* object = (*owner)->obj;
    std::vector<std::pair<bpf_program*, std::vector<char>>> logs;
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, object) {
        if (!bpf_program__autoload(program)) continue;
        auto& [entered, text] = logs.emplace_back(program, std::vector<char>(log_bytes));
        bpf_program__set_log_level(entered, statistics);
        bpf_program__set_log_buf(entered, text.data(), text.size());
    }
    if (Status loaded = bpf::load_object(owner->get()); !loaded) {
        // The verifier's words are in the log of an ordinary load.
        auto again = open_object(limits);
        if (!again) return std::move(again).error();
        SPOOR_TRY(bpf::load_object(again->get()));
        return std::move(loaded).error();
    }
    std::vector<VerifierCost> costs;
    for (auto& [loaded, text] : logs) {
        auto cost = cost_in(bpf_program__name(loaded), text.data());
        if (!cost) return errno_error(std::string("no statistics for ") + bpf_program__name(loaded), ENODATA);
        costs.push_back(std::move(*cost));
    }
    return costs;
}

}  // namespace spoor::bpf
