// What an agent tells about a task: the files of agent/ (signal/schema/task.schema.json), one JSON
// object each. Parsed without a tree of it in memory, so that a file of the largest size costs what
// it means to say and no more, whatever it is filled with.
//
// Unknown keys are ignored, whatever stands under them. A key given twice: the later counts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/url.h"

namespace spoor {

inline constexpr const char* task_schema = "spoor.task/1";
inline constexpr const char* container_task = "-";  // the whole container; never signalled

inline constexpr size_t task_signal_bytes_max = 16 * 1024 * 1024;
inline constexpr size_t task_id_bytes_max = 1024;
inline constexpr size_t task_patterns_max = 400'000;    // in one file
inline constexpr size_t task_pattern_bytes_max = 8192;  // each
inline constexpr size_t task_projects_max = 20'000;

enum class TaskEvent { start, pid, inputs, outputs, status, end };
enum class TaskMode { off, warn, strict };
[[nodiscard]] std::string_view name_of(TaskMode mode);
[[nodiscard]] std::optional<TaskMode> task_mode_named(std::string_view name);

// Patterns as they were written. Absent: nothing was said about them, which is not the same as
// having declared none.
struct TaskDeclared {
    std::optional<std::vector<std::string>> inputs, outputs, dependencies_outputs;
};

struct TaskSignal {
    TaskEvent event = TaskEvent::start;
    std::string task_id;
    uint32_t pid = 0;            // 0: none given
    uint64_t pid_namespace = 0;  // inode of the namespace that `pid` counts in; 0: the container's
    std::string workspace_root;  // absolute; empty: not given
    std::string project_root;    // relative to it; empty: not given
    std::string project;
    std::string parent;  // task id
    std::optional<TaskMode> mode;
    TaskDeclared declared;                        // of event `inputs` and `outputs` too
    std::map<std::string, std::string> projects;  // name: root
    std::string status;
    std::optional<int> code;
    std::string put_url;  // where the raw report is to be PUT; may be a secret
};

// The error is one line for session.json, without the file's name.
Result<TaskSignal> parse_task_signal(std::string_view json);

// The name in trace/tasks/ of a task's report, without ".json": '/', '%', control bytes and a
// leading '.' percent-encoded; past 200 bytes cut, and ended by '~' and 16 hexadecimal digits of
// FNV-1a (64 bits) over the whole id.
[[nodiscard]] std::string task_file_name(std::string_view task_id);

}  // namespace spoor
