// What the runtime tells the recorder about one container: written as JSON by spoor, read by
// spoor-recorder from a descriptor it inherits. Both come from one build; the schema id guards
// against a mixed installation.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "shim/ipc/delivery_settings.h"

namespace spoor {

// In the state directory: the job as it was given, for who finds the recorder gone.
inline constexpr const char* job_file = "job.json";

struct Job {
    std::string container_id;
    std::string state_dir;    // spoor's own directory of this container; removed by the recorder
    std::string volume_dir;   // host path of the volume; exists, with trace/ and agent/ in it
    bool own_volume = false;  // made by spoor for this container: removed if it never started
    std::string mount_path;   // where the container sees the volume
    // What the runtime will have to make for that in `mount_root`; removed by the recorder
    // (oci/mount_point.h).
    std::string mount_root;
    std::vector<std::string> mount_missing;
    // Its cgroup, from the top of the tree, as the runtime will make it ("/a/b"). Empty: not known.
    std::string cgroup;
    std::string image;                               // image name if the annotations tell, else empty
    std::map<std::string, std::string> annotations;  // the container's, all of them
    std::string mode;                                // warn | strict
    // What a task's own signal may ask for.
    std::vector<std::string> task_modes = {"off", "warn", "strict"};
    std::string broker_socket;   // path of the system's spoord
    std::string broker_program;  // absolute path of spoord for a private one; empty: never start one
    std::string on_unavailable;  // run | refuse
    bool freeze = false;         // hold the container while its ring is too full
    uint32_t setup_deadline_ms = 2000;
    uint32_t ring_bytes = 512 * 1024;
    uint32_t ring_max_bytes = 8 * 1024 * 1024;   // it may grow to
    uint32_t keep_volumes = 64;                  // finished own volumes that stay beside this one
    uint64_t rotate_bytes = 256u * 1024 * 1024;  // accesses.jsonl; 0: never
    bool write_accesses = true;
    bool default_exclusions = true;
    std::vector<std::string> exclude_reads, exclude_writes;  // patterns of the operator, for all tasks
    // Environment variables that tell a process's task: project, target, configuration, workspace root.
    std::vector<std::string> task_variables = {"NX_TASK_TARGET_PROJECT", "NX_TASK_TARGET_TARGET",
                                               "NX_TASK_TARGET_CONFIGURATION", "NX_WORKSPACE_ROOT"};
    // The operator's rules for what is a secret (signal/secret_names.h), beside the built-in ones.
    std::vector<std::string> secret_names, secret_prefixes;
    std::string log_file;  // empty: no log
    std::string log_level = "info";
    DeliverySettings delivery;
};

std::string to_json(const Job& job);
Result<Job> parse_job(std::string_view json);

}  // namespace spoor
