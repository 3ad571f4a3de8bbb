#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "config/config.h"
#include "shim/ctl/commands.h"
#include "shim/ctl/table.h"
#include "shim/ipc/broker_client.h"

namespace spoor::ctl {
namespace {

uint64_t lost(const spoor_counters& counters) {
    return counters.lost_ring_full + counters.lost_scratch + counters.lost_processes + counters.lost_fault +
           counters.lost_scopes;
}

std::string as_json(const std::vector<broker::RunningSession>& sessions) {
    auto list = nlohmann::json::array();
    for (const auto& session : sessions)
        list.push_back({{"uid", session.uid},
                        {"containerId", session.container_id},
                        {"cgroupId", session.cgroup_id},
                        {"ringBytes", session.ring_bytes},
                        {"records", session.counters.emitted},
                        {"lost", lost(session.counters)}});
    return list.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string as_table(const std::vector<broker::RunningSession>& sessions) {
    Table table("Sessions", {{"UID", Align::right},
                             {"CGROUP", Align::right},
                             {"CONTAINER", Align::left, true},
                             {"RING", Align::right},
                             {"RECORDS", Align::right},
                             {"LOST", Align::right}});
    for (const auto& session : sessions)
        table.add({std::to_string(session.uid), std::to_string(session.cgroup_id), session.container_id,
                   std::to_string(session.ring_bytes / 1024) + " KiB",
                   std::to_string(session.counters.emitted), std::to_string(lost(session.counters))});
    Style style = Style::of_stdout();
    style.row_limit = 0;
    return table.text(style);
}

}  // namespace

int sessions_command(bool json) {
    const LoadedConfig loaded = load_config(ConfigEnvironment::from_process());
    if (!loaded.errors.empty()) {
        complain(loaded.errors.front().message);
        return exit_failure;
    }
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    auto client = broker::Client::connect(loaded.config.broker.socket, deadline);
    if (!client) {
        complain(client.error().message);
        return exit_failure;
    }
    auto sessions = client->sessions(deadline);
    if (!sessions) {
        complain(sessions.error().message);
        return exit_failure;
    }
    const std::string text = json ? as_json(*sessions) : as_table(*sessions);
    return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() ? 0 : exit_failure;
}

}  // namespace spoor::ctl
