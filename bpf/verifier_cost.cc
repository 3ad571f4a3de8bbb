#include <bpf/libbpf.h>

#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>

#include "bpf/object.h"
#include "spoor.skel.h"

namespace spoor::bpf {
namespace {

// From the line that the kernel ends its log with: "processed N insns (limit …) … total_states N …".
std::optional<VerifierCost> cost_in(const char* program, const char* log) {
    const char* processed = std::strstr(log, "processed ");
    const char* states = std::strstr(log, "total_states ");
    if (!processed || !states) return std::nullopt;
    VerifierCost cost;
    cost.program = program;
    cost.instructions = std::strtoull(processed + std::strlen("processed "), nullptr, 10);
    cost.states = std::strtoull(states + std::strlen("total_states "), nullptr, 10);
    return cost;
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
