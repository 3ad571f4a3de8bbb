#include "shim/runtime/tracing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "base/files.h"
#include "shim/ipc/job.h"
#include "shim/runtime/environment.h"
#include "shim/runtime/state_dir.h"
#include "signal/session.h"
#include "tests/support/temp_dir.h"

namespace spoor {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::SizeIs;
namespace fs = std::filesystem;

// A recorder that keeps its job and speaks the given line.
constexpr const char* recorder_script = "#!/bin/sh\ncat <&3 >%/job.new && mv %/job.new %/job\necho '$' >&5\n";

class Tracing : public testing::Test {
protected:
    Tracing() {
        config_.state_root = dir_ / "state";
        config_.volumes.roots = {dir_.path()};
        config_.setup_deadline = std::chrono::seconds(20);
        set_recorder(R"({"ok":true})");
        write_spec(R"({"ociVersion":"1.0.0","root":{"path":"rootfs"}})");
        line_.container_id = "c1";
        line_.bundle = dir_ / "bundle";
    }

    void set_recorder(const std::string& says) {
        std::string script = recorder_script;
        for (size_t at = 0; (at = script.find_first_of("%$", at)) != std::string::npos;) {
            const std::string with = script[at] == '%' ? dir_.path() : says;
            script.replace(at, 1, with);
            at += with.size();
        }
        config_.recorder = dir_.write("recorder", script, true);
    }
    void write_spec(const std::string& text) { dir_.write("bundle/config.json", text); }
    void write_annotated_spec(const std::string& annotations) {
        write_spec(R"({"ociVersion":"1.0.0","annotations":{)" + annotations + "}}");
    }

    Result<std::optional<Handover>> set_up() { return set_up_tracing(config_, line_); }
    nlohmann::json augmented(const std::string& path) {
        return nlohmann::json::parse(*read_file(path, 1 << 20));
    }
    // What is left of spoor's own.
    [[nodiscard]] std::set<std::string> left() const {
        std::set<std::string> names;
        for (const auto& name : dir_.tree())
            if (name.starts_with("state/containers/") || name.starts_with("state/volumes/"))
                names.insert(name);
        return names;
    }

    test::TempDir dir_;
    Config config_;
    CommandLine line_;
};

TEST_F(Tracing, HandsOverAnAugmentedSpec) {
    config_.on_unavailable = OnUnavailable::refuse;  // so that the recorder is waited for
    const auto done = set_up();
    ASSERT_TRUE(done) << done.error().message;
    ASSERT_TRUE(*done);
    EXPECT_EQ((*done)->option, Handover::Option::config);
    EXPECT_EQ((*done)->path, dir_ / "state/containers/c1/config.json");
    const auto spec = augmented((*done)->path);
    EXPECT_EQ(spec["root"]["path"], "rootfs");
    EXPECT_THAT(spec["mounts"], SizeIs(2));
    EXPECT_EQ(spec["mounts"][0]["source"], dir_ / "state/volumes/c1");
    EXPECT_EQ(spec["hooks"]["createRuntime"][0]["args"][2], "create-runtime");
    EXPECT_EQ(spec["hooks"]["poststop"][0]["args"][4], dir_ / "state/containers/c1");

    const auto job = parse_job(dir_.read("job"));
    ASSERT_TRUE(job);
    EXPECT_EQ(job->container_id, "c1");
    EXPECT_EQ(job->state_dir, dir_ / "state/containers/c1");
    EXPECT_EQ(job->volume_dir, dir_ / "state/volumes/c1");
    EXPECT_TRUE(job->own_volume);
    EXPECT_EQ(job->mode, "warn");
    EXPECT_EQ(dir_.read("state/containers/c1/job.json"), dir_.read("job"));
}

TEST_F(Tracing, TheCgroupIsToldOfRuntimesWhoseWaysAreKnown) {
    config_.on_unavailable = OnUnavailable::refuse;
    ASSERT_TRUE(set_up());
    EXPECT_EQ(parse_job(dir_.read("job"))->cgroup, "/c1");
    line_.container_id = "c2";
    config_.runtime =
        dir_.write("wrapper", "#!/bin/sh\necho '{\"hooks\":[\"createRuntime\",\"poststop\"]}'\n", true);
    ASSERT_TRUE(set_up());
    const auto job = parse_job(dir_.read("job"));
    EXPECT_EQ(job->container_id, "c2");
    EXPECT_EQ(job->cgroup, "");
}

TEST_F(Tracing, AnnotationsComeBeforeTheConfiguration) {
    config_.trace = false;
    config_.mode = Mode::off;
    config_.on_unavailable = OnUnavailable::refuse;
    write_annotated_spec(R"("io.spoor.trace":"true","io.spoor.mode":"strict","io.spoor.volume":")" +
                         (dir_ / "v") + R"(","io.spoor.mount":"/trail")");
    const auto done = set_up();
    ASSERT_TRUE(done) << done.error().message;
    ASSERT_TRUE(*done);
    const auto job = parse_job(dir_.read("job"));
    EXPECT_EQ(job->mode, "strict");
    EXPECT_EQ(job->volume_dir, dir_ / "v");
    EXPECT_FALSE(job->own_volume);
    EXPECT_EQ(job->mount_path, "/trail");
    EXPECT_EQ(augmented((*done)->path)["mounts"][1]["destination"], "/trail/agent");
}

TEST_F(Tracing, TheOperatorsRuleBoundsTheTenant) {
    TenantRule rule;
    rule.name = "all";
    rule.modes.value = 0b110;  // warn, strict
    rule.ring_bytes_each.value = 1u << 18;
    rule.on_unavailable.value = OnUnavailable::refuse;
    rule.annotations.value = {{"io.spoor.mode", "strict"}};
    config_.tenants = {rule};
    config_.trace = false;
    config_.mode = Mode::off;
    // The forced annotation is stronger than the container's own.
    write_annotated_spec(R"("io.spoor.mode":"off")");
    const auto done = set_up();
    ASSERT_TRUE(done) << done.error().message;
    ASSERT_TRUE(*done);
    const auto job = parse_job(dir_.read("job"));
    EXPECT_EQ(job->mode, "strict");
    EXPECT_EQ(job->annotations.at("io.spoor.mode"), "strict");
    EXPECT_EQ(job->task_modes, (std::vector<std::string>{"warn", "strict"}));
    EXPECT_EQ(job->on_unavailable, "refuse");
    EXPECT_EQ(job->ring_bytes, 1u << 18);
    EXPECT_EQ(job->ring_max_bytes, 1u << 18);
}

TEST_F(Tracing, WhatTheRuleForbidsDoesNotStart) {
    TenantRule rule;
    rule.name = "pods";
    rule.cgroups = {"/kubepods/*"};
    rule.modes.value = 0b110;
    config_.tenants = {rule};
    const std::string asked = R"({"ociVersion":"1.0.0","annotations":{"io.spoor.trace":"false"},)";
    write_spec(asked + R"("linux":{"cgroupsPath":"/kubepods/a"}})");
    const auto refused = set_up();
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("io.spoor.trace=false is not allowed to tenant pods"));
    EXPECT_THAT(left(), SizeIs(0));
    // The rule is for another's cgroup.
    write_spec(asked + R"("linux":{"cgroupsPath":"/system/a"}})");
    const auto untraced = set_up();
    ASSERT_TRUE(untraced) << untraced.error().message;
    EXPECT_FALSE(*untraced);
}

TEST_F(Tracing, OtherRuntimesGetABundle) {
    config_.runtime = "/usr/sbin/runc";
    config_.on_unavailable = OnUnavailable::refuse;
    dir_.write("bundle/rootfs/x", "");
    const auto done = set_up();
    ASSERT_TRUE(done && *done);
    EXPECT_EQ((*done)->option, Handover::Option::bundle);
    EXPECT_EQ((*done)->path, dir_ / "state/containers/c1/bundle");
    EXPECT_EQ(augmented((*done)->path + "/config.json")["root"]["path"], dir_ / "bundle/rootfs");
}

TEST_F(Tracing, NotAskedForChangesNothing) {
    const auto untouched = [this] {
        const auto done = set_up();
        EXPECT_TRUE(done);
        EXPECT_FALSE(done && *done);
        EXPECT_FALSE(fs::exists(dir_ / "state"));
    };
    config_.trace = false;
    untouched();
    config_.trace = true;
    config_.mode = Mode::off;
    untouched();
    config_.mode = Mode::warn;
    write_annotated_spec(R"("io.spoor.trace":"false")");
    untouched();
    write_annotated_spec(R"("io.spoor.mode":"off")");
    untouched();
}

TEST_F(Tracing, WhatTheRuntimeRefusesIsItsOwnToTell) {
    for (const char* spec : {"", "{", "[]", "{}"}) {
        write_spec(spec);
        const auto done = set_up();
        EXPECT_TRUE(done && !*done) << spec;
    }
    fs::remove(dir_ / "bundle/config.json");
    EXPECT_TRUE(set_up() && !*set_up());
    line_.container_id = "../c1";
    EXPECT_TRUE(set_up() && !*set_up());
    EXPECT_FALSE(fs::exists(dir_ / "state"));
}

TEST_F(Tracing, WhereNothingRunsUntracedAnUnreadableSpecIsRefused) {
    config_.on_unavailable = OnUnavailable::refuse;
    write_spec("{");
    EXPECT_THAT(set_up().error().message, HasSubstr("config.json"));
    write_spec(std::string(17 << 20, ' '));
    EXPECT_EQ(set_up().error().code, EFBIG);
}

TEST_F(Tracing, FaultsLeaveNothingBehind) {
    const std::string faults[] = {R"("io.spoor.tracee":"x")", R"("io.spoor.mode":"x")",
                                  R"("io.spoor.volume":"relative")",
                                  R"("io.spoor.volume":")" + (dir_ / "none/v") + "\"",
                                  R"("io.spoor.volume":")" + (dir_ / "recorder") + "\""};
    for (const auto& fault : faults) {
        write_annotated_spec(fault);
        const auto done = set_up();
        EXPECT_FALSE(done) << fault;
        EXPECT_TRUE(left().empty()) << fault;
    }
    config_.on_unavailable = OnUnavailable::refuse;  // so that the recorder has written what it writes
    write_spec(R"({"ociVersion":"1","hooks":{},"hooks":{}})");
    EXPECT_THAT(set_up().error().message, HasSubstr("twice"));
    EXPECT_TRUE(left().empty());
}

TEST_F(Tracing, HostRootTakesNoVolumeFromElsewhere) {
    if (!is_host_root()) GTEST_SKIP() << "a rule for the host's root";
    config_.volumes.roots.clear();
    write_annotated_spec(R"("io.spoor.volume":")" + (dir_ / "v") + "\"");
    EXPECT_THAT(set_up().error().message, HasSubstr("volumes.roots"));
    EXPECT_FALSE(fs::exists(dir_ / "v"));
    EXPECT_TRUE(left().empty());
}

TEST_F(Tracing, WithoutARecorderTheContainerRunsAndTheVolumeSaysWhy) {
    config_.recorder = dir_ / "nothing";
    const auto done = set_up();
    ASSERT_TRUE(done && *done) << done.error().message;
    const auto spec = augmented((*done)->path);
    EXPECT_THAT(spec["mounts"], SizeIs(2));
    EXPECT_FALSE(spec.contains("hooks"));
    const auto session = parse_session(dir_.read("state/volumes/c1/trace/session.json"));
    ASSERT_TRUE(session);
    EXPECT_EQ(session->state, SessionState::untraced);
    EXPECT_THAT(session->reasons.at(0), HasSubstr(dir_ / "nothing"));
}

TEST_F(Tracing, ARestoreByCrunIsNotTraced) {
    line_.verb = CommandLine::Verb::restore;
    const auto done = set_up();
    ASSERT_TRUE(done && *done);
    EXPECT_EQ((*done)->option, Handover::Option::bundle);
    const auto spec = augmented((*done)->path + "/config.json");
    EXPECT_THAT(spec["mounts"], SizeIs(2));  // a checkpoint of a traced container has them
    EXPECT_FALSE(spec["hooks"].contains("createRuntime"));
    EXPECT_THAT(parse_session(dir_.read("state/volumes/c1/trace/session.json"))->reasons.at(0),
                HasSubstr("runs no hooks"));
}

TEST_F(Tracing, RefusalsCarryTheReasonAndLeaveNothing) {
    config_.on_unavailable = OnUnavailable::refuse;
    set_recorder(R"({"ok":false,"error":"no spoord at /x"})");
    EXPECT_EQ(set_up().error().message, "tracing is not possible: no spoord at /x");
    EXPECT_TRUE(left().empty());

    config_.recorder = dir_.write("silent", "#!/bin/sh\nexit 1\n", true);
    EXPECT_THAT(set_up().error().message, HasSubstr("ended before it was ready"));
    EXPECT_TRUE(left().empty());

    const auto enough = std::exchange(config_.setup_deadline, std::chrono::seconds(1));
    config_.recorder = dir_.write("slow", "#!/bin/sh\nread never <&4\nexec sleep 30\n", true);
    EXPECT_THAT(set_up().error().message,
                AnyOf(HasSubstr("setup_deadline"), HasSubstr("did not start in time")));
    EXPECT_TRUE(left().empty());
    config_.setup_deadline = enough;

    config_.recorder = dir_ / "nothing";
    EXPECT_THAT(set_up().error().message, HasSubstr(dir_ / "nothing"));
    EXPECT_TRUE(left().empty());
}

TEST_F(Tracing, AStateRootThatCannotBeMade) {
    config_.state_root = dir_ / "recorder/state";
    const auto done = set_up();
    EXPECT_TRUE(done && !*done);
    config_.on_unavailable = OnUnavailable::refuse;
    EXPECT_THAT(set_up().error().message, HasSubstr(dir_ / "recorder"));
}

}  // namespace
}  // namespace spoor
