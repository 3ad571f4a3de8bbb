#include "shim/ipc/job.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spoor {
namespace {

using testing::HasSubstr;

// No field at its default, so that one forgotten on either side shows.
Job unusual_job() {
    Job job;
    job.container_id = "c\"1";
    job.state_dir = "/s/d";
    job.volume_dir = "/v";
    job.own_volume = true;
    job.mount_path = "/m";
    job.mount_root = "/r";
    job.mount_missing = {"run", "run/m"};
    job.cgroup = "/a/c1";
    job.image = "img:1";
    job.annotations = {{"a", "b"}, {"io.spoor.mode", "strict"}};
    job.mode = "strict";
    job.broker_socket = "/b.sock";
    job.broker_program = "/b";
    job.on_unavailable = "refuse";
    job.freeze = true;
    job.task_modes = {"strict"};
    job.default_exclusions = false;
    job.exclude_reads = {"a", "b"};
    job.exclude_writes = {"c"};
    job.task_variables = {"P", "T", "", "W"};
    job.setup_deadline_ms = 7;
    job.ring_bytes = 8;
    job.ring_max_bytes = 9;
    job.keep_volumes = 10;
    job.rotate_bytes = 1ull << 40;
    job.write_accesses = false;
    job.secret_names = {"n", "m"};
    job.secret_prefixes = {"p"};
    job.log_file = "/l";
    job.log_level = "debug";
    job.delivery.endpoint = "https://a/x?y=1";
    job.delivery.put_hosts = {"*.b", "c:9"};
    job.delivery.spool = "/spool";
    job.delivery.spool_bytes_max = 1ull << 40;
    job.delivery.retry_min_ms = 3;
    return job;
}

std::string replaced(std::string text, const std::string& what, const std::string& with) {
    const size_t at = text.find(what);
    EXPECT_NE(at, std::string::npos) << what;
    return at == std::string::npos ? text : text.replace(at, what.size(), with);
}

TEST(Job, SurvivesTheJourney) {
    const Job job = unusual_job();
    const auto read = parse_job(to_json(job));
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->container_id, job.container_id);
    EXPECT_EQ(read->state_dir, job.state_dir);
    EXPECT_EQ(read->volume_dir, job.volume_dir);
    EXPECT_EQ(read->own_volume, job.own_volume);
    EXPECT_EQ(read->mount_path, job.mount_path);
    EXPECT_EQ(read->mount_root, job.mount_root);
    EXPECT_EQ(read->mount_missing, job.mount_missing);
    EXPECT_EQ(read->image, job.image);
    EXPECT_EQ(read->annotations, job.annotations);
    EXPECT_EQ(read->mode, job.mode);
    EXPECT_EQ(read->delivery, job.delivery);
    EXPECT_EQ(read->broker_socket, job.broker_socket);
    EXPECT_EQ(read->broker_program, job.broker_program);
    EXPECT_EQ(read->on_unavailable, job.on_unavailable);
    EXPECT_EQ(read->freeze, job.freeze);
    EXPECT_EQ(read->task_modes, job.task_modes);
    EXPECT_EQ(read->default_exclusions, job.default_exclusions);
    EXPECT_EQ(read->exclude_reads, job.exclude_reads);
    EXPECT_EQ(read->exclude_writes, job.exclude_writes);
    EXPECT_EQ(read->task_variables, job.task_variables);
    EXPECT_EQ(read->setup_deadline_ms, job.setup_deadline_ms);
    EXPECT_EQ(read->ring_bytes, job.ring_bytes);
    EXPECT_EQ(read->ring_max_bytes, job.ring_max_bytes);
    EXPECT_EQ(read->keep_volumes, job.keep_volumes);
    EXPECT_EQ(read->rotate_bytes, job.rotate_bytes);
    EXPECT_EQ(read->write_accesses, job.write_accesses);
    EXPECT_EQ(read->secret_names, job.secret_names);
    EXPECT_EQ(read->secret_prefixes, job.secret_prefixes);
    EXPECT_EQ(read->log_file, job.log_file);
    EXPECT_EQ(read->log_level, job.log_level);
    EXPECT_EQ(to_json(*read), to_json(job));
}

TEST(Job, OfAnotherVersionIsRefusedWithTheReason) {
    const auto read = parse_job(replaced(to_json(unusual_job()), "spoor.job/1", "spoor.job/9"));
    ASSERT_FALSE(read);
    EXPECT_THAT(read.error().message, HasSubstr("different versions"));
}

TEST(Job, FaultsNameTheField) {
    const std::string good = to_json(unusual_job());
    const std::pair<const char*, const char*> changes[] = {
        {"\"mode\":\"strict\"", "\"mode\":7"},
        {"\"ringBytes\":8", "\"ringBytes\":-8"},
        {"\"ringBytes\":8", "\"ringBytes\":4294967296"},
        {"\"ringBytes\":8", "\"ringBytes\":8.5"},
        {"\"ownVolume\":true", "\"ownVolume\":1"},
        {"\"annotations\":{", "\"annotations\":{\"x\":1,"},
        {"\"stateDir\"", "\"statedir\""},
    };
    const char* const fields[] = {"mode",      "ringBytes",   "ringBytes", "ringBytes",
                                  "ownVolume", "annotations", "stateDir"};
    for (size_t i = 0; i < std::size(changes); ++i) {
        const auto read = parse_job(replaced(good, changes[i].first, changes[i].second));
        ASSERT_FALSE(read) << changes[i].second;
        EXPECT_THAT(read.error().message, HasSubstr(fields[i]));
    }
}

TEST(Job, GarbageIsAnError) {
    for (const char* text : {"", "{", "[]", "null", "{}", "\"job\""}) EXPECT_FALSE(parse_job(text)) << text;
}

TEST(Job, BytesThatAreNoUtf8DoNotThrow) {
    Job job = unusual_job();
    job.log_file = "/\xff";
    EXPECT_TRUE(parse_job(to_json(job)));
}

}  // namespace
}  // namespace spoor
