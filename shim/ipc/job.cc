#include "shim/ipc/job.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <type_traits>

#include "shim/ipc/json_dump.h"

namespace spoor {
namespace {

constexpr const char* job_schema = "spoor.job/1";

// Reads the fields of one object and remembers the first that is missing or of another type.
class Fields {
public:
    explicit Fields(const nlohmann::json& object) : object_(object) {}

    template <class T>
    void read(const char* key, T& out) {
        if (!problem_.empty()) return;
        auto found = object_.find(key);
        if (found == object_.end()) return fail(key, "is missing");
        if constexpr (std::is_same_v<T, bool>) {
            if (!found->is_boolean()) return fail(key, "is no boolean");
            out = found->template get<bool>();
        } else if constexpr (std::is_unsigned_v<T>) {
            if (!found->is_number_unsigned()) return fail(key, "is no unsigned number");
            const auto value = found->template get<uint64_t>();
            if (value > std::numeric_limits<T>::max()) return fail(key, "is too large");
            out = static_cast<T>(value);
        } else {
            if (!found->is_string()) return fail(key, "is no string");
            out = found->template get<std::string>();
        }
    }

    void read(const char* key, std::map<std::string, std::string>& out) {
        if (!problem_.empty()) return;
        auto found = object_.find(key);
        if (found == object_.end()) return fail(key, "is missing");
        if (!found->is_object()) return fail(key, "is no object");
        for (const auto& [name, value] : found->items()) {
            if (!value.is_string()) return fail(key, "holds something else than strings");
            out.emplace(name, value.get<std::string>());
        }
    }

    void read(const char* key, std::vector<std::string>& out) {
        if (!problem_.empty()) return;
        auto found = object_.find(key);
        if (found == object_.end()) return fail(key, "is missing");
        if (!found->is_array()) return fail(key, "is no array");
        out.clear();
        for (const auto& value : *found) {
            if (!value.is_string()) return fail(key, "holds something else than strings");
            out.push_back(value.get<std::string>());
        }
    }

    [[nodiscard]] const std::string& problem() const { return problem_; }

private:
    void fail(const char* key, const char* what) { problem_ = std::string("'") + key + "' " + what; }

    const nlohmann::json& object_;
    std::string problem_;
};

}  // namespace

std::string to_json(const Job& job) {
    nlohmann::json annotations = nlohmann::json::object();
    for (const auto& [name, value] : job.annotations) annotations[name] = value;
    return dump_json({
        {"schema", job_schema},
        {"containerId", job.container_id},
        {"stateDir", job.state_dir},
        {"volumeDir", job.volume_dir},
        {"ownVolume", job.own_volume},
        {"mountPath", job.mount_path},
        {"mountRoot", job.mount_root},
        {"mountMissing", job.mount_missing},
        {"cgroup", job.cgroup},
        {"image", job.image},
        {"annotations", std::move(annotations)},
        {"mode", job.mode},
        {"brokerSocket", job.broker_socket},
        {"brokerProgram", job.broker_program},
        {"onUnavailable", job.on_unavailable},
        {"freeze", job.freeze},
        {"setupDeadlineMs", job.setup_deadline_ms},
        {"ringBytes", job.ring_bytes},
        {"ringMaxBytes", job.ring_max_bytes},
        {"keepVolumes", job.keep_volumes},
        {"rotateBytes", job.rotate_bytes},
        {"writeAccesses", job.write_accesses},
        {"taskModes", job.task_modes},
        {"defaultExclusions", job.default_exclusions},
        {"excludeReads", job.exclude_reads},
        {"excludeWrites", job.exclude_writes},
        {"taskVariables", job.task_variables},
        {"secretNames", job.secret_names},
        {"secretPrefixes", job.secret_prefixes},
        {"logFile", job.log_file},
        {"logLevel", job.log_level},
        {"delivery", nlohmann::json::parse(to_json(job.delivery))},
    });
}

Result<Job> parse_job(std::string_view json) {
    const auto value = nlohmann::json::parse(json, nullptr, false);
    if (!value.is_object()) return Error{EINVAL, "the job is no JSON object"};
    std::string schema;
    Job job;
    Fields fields(value);
    fields.read("schema", schema);
    if (fields.problem().empty() && schema != job_schema)
        return Error{EPROTO, "the job has schema '" + schema + "', wanted '" + job_schema +
                                 "': spoor and spoor-recorder are of different versions"};
    fields.read("containerId", job.container_id);
    fields.read("stateDir", job.state_dir);
    fields.read("volumeDir", job.volume_dir);
    fields.read("ownVolume", job.own_volume);
    fields.read("mountPath", job.mount_path);
    fields.read("mountRoot", job.mount_root);
    fields.read("mountMissing", job.mount_missing);
    fields.read("cgroup", job.cgroup);
    fields.read("image", job.image);
    fields.read("annotations", job.annotations);
    fields.read("mode", job.mode);
    fields.read("brokerSocket", job.broker_socket);
    fields.read("brokerProgram", job.broker_program);
    fields.read("onUnavailable", job.on_unavailable);
    fields.read("freeze", job.freeze);
    fields.read("setupDeadlineMs", job.setup_deadline_ms);
    fields.read("ringBytes", job.ring_bytes);
    fields.read("ringMaxBytes", job.ring_max_bytes);
    fields.read("keepVolumes", job.keep_volumes);
    fields.read("rotateBytes", job.rotate_bytes);
    fields.read("writeAccesses", job.write_accesses);
    fields.read("taskModes", job.task_modes);
    fields.read("defaultExclusions", job.default_exclusions);
    fields.read("excludeReads", job.exclude_reads);
    fields.read("excludeWrites", job.exclude_writes);
    fields.read("taskVariables", job.task_variables);
    fields.read("secretNames", job.secret_names);
    fields.read("secretPrefixes", job.secret_prefixes);
    fields.read("logFile", job.log_file);
    fields.read("logLevel", job.log_level);
    if (fields.problem().empty() && job.task_variables.size() != 4)
        return Error{EINVAL, "the job's field 'taskVariables' does not hold four names"};
    if (!fields.problem().empty()) return Error{EINVAL, "the job's field " + fields.problem()};
    const auto delivery = value.find("delivery");
    if (delivery == value.end()) return Error{EINVAL, "the job's field 'delivery' is missing"};
    auto settings = parse_delivery_settings(dump_json(*delivery));
    if (!settings) return std::move(settings).error().context("the job");
    job.delivery = std::move(*settings);
    return job;
}

}  // namespace spoor
