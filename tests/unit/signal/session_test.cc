#include "signal/session.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "signal/volume.h"
#include "tests/unit/signal/support.h"

namespace spoor {
namespace {

using test::content;
using test::put;
using test::TemporaryDirectory;
using testing::ElementsAre;

Session sample() {
    Session session;
    session.container_id = "c1";
    session.image = "img:latest";
    session.annotations = {{"a", "b"}, {"x.token", "secret"}};
    session.state = SessionState::finished;
    session.family = "syscall-exit";
    session.exact_ops = 1u << 1 | 1u << 17;
    session.lexical_ops = 1u << 15;
    session.ring_bytes = 524288;
    session.started = "2024-05-01T10:00:00.000000Z";
    session.finished = "2024-05-01T10:00:01.000000Z";
    session.counters = {100, 99};
    session.processes = 3;
    session.accesses = 42;
    session.processes_written = true;
    session.accesses_files = {"accesses.jsonl.1", "accesses.jsonl"};
    return session;
}

TEST(Session, CompleteOnlyIfFinishedAndNothingAgainstIt) {
    Session session = sample();
    EXPECT_TRUE(session.complete());
    for (auto state : {SessionState::tracing, SessionState::untraced, SessionState::degraded}) {
        session.state = state;
        EXPECT_FALSE(session.complete());
    }
    session = sample();
    session.reasons = {"x"};
    EXPECT_FALSE(session.complete());
    session = sample();
    session.warnings = {"x"};
    EXPECT_TRUE(session.complete());
    for (auto cause : {&SessionLoss::ring_full, &SessionLoss::scratch, &SessionLoss::process_table,
                       &SessionLoss::fault, &SessionLoss::scopes, &SessionLoss::consumer}) {
        session = sample();
        session.loss.*cause = 1;
        EXPECT_FALSE(session.complete());
    }
}

TEST(Session, WritesWhatReadersLookFor) {
    Session session = sample();
    session.loss.ring_full = 2;
    session.loss.consumer = 3;
    auto json = nlohmann::json::parse(to_json(session));
    EXPECT_EQ(json["schema"], "spoor.session/1");
    EXPECT_EQ(json["state"], "finished");
    EXPECT_EQ(json["complete"], false);
    EXPECT_EQ(json["lost"], 5);
    EXPECT_EQ(json["lostByCause"]["ringFull"], 2);
    EXPECT_EQ(json["coverage"]["read"], "exact");
    EXPECT_EQ(json["coverage"]["absent"], "lexical");
    EXPECT_EQ(json["coverage"]["write"], "none");
    EXPECT_EQ(json["coverage"].size(), 21u);
    EXPECT_EQ(json["annotations"]["x.token"], "[redacted]");
    EXPECT_EQ(json["files"]["accesses"][0], "accesses.jsonl.1");
}

TEST(Session, RoundTrip) {
    Session session = sample();
    session.reasons = {"r"};
    session.warnings = {"w"};
    session.loss = {1, 2, 3, 4, 5, 6};
    auto back = parse_session(to_json(session));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(to_json(*back), to_json(session));
    EXPECT_EQ(back->exact_ops, session.exact_ops);
    EXPECT_EQ(back->loss.total(), 21u);
}

TEST(Session, BytesThatAreNotUtf8DoNotThrow) {
    Session session = sample();
    session.container_id = "\xff";
    session.annotations["\xfe"] = "\xff";
    session.reasons = {"/\xff: gone"};
    EXPECT_TRUE(parse_session(to_json(session)));
}

TEST(Session, RefusesWhatIsNone) {
    for (const char* bad :
         {"", "{", "[]", "1", "{}", R"({"schema":"spoor.session/2"})", R"({"schema":7})",
          R"({"schema":"spoor.session/1"})",
          R"({"schema":"spoor.session/1","containerId":1,"state":"finished"})",
          R"({"schema":"spoor.session/1","containerId":"c","state":"finished","counters":[]})"})
        EXPECT_FALSE(parse_session(bad)) << bad;
    // A later writer's new state and new keys are no error, and never "complete".
    auto later =
        parse_session(R"({"schema":"spoor.session/1","containerId":"c","state":"paused","new":[1]})");
    ASSERT_TRUE(later);
    EXPECT_FALSE(later->complete());
}

TEST(Session, ReplacesWhateverIsPlantedInItsPlace) {
    TemporaryDirectory directory, outside;
    put(outside.path("victim"), "untouched");
    std::string path = directory.path("session.json");
    auto check = [&] {
        ASSERT_TRUE(write_session(directory.fd(), sample()));
        struct stat st {};
        ASSERT_EQ(::lstat(path.c_str(), &st), 0);
        EXPECT_TRUE(S_ISREG(st.st_mode));
        EXPECT_EQ(st.st_mode & 07777, 0644u);
        ASSERT_TRUE(read_session(directory.fd()));
        ::unlink(path.c_str());
    };
    ASSERT_EQ(::symlink(outside.path("victim").c_str(), path.c_str()), 0);
    EXPECT_FALSE(read_session(directory.fd()));  // reading follows no link either
    check();
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    EXPECT_FALSE(read_session(directory.fd()));  // and does not hang on a fifo
    check();
    EXPECT_EQ(content(outside.path("victim")), "untouched");
}

TEST(Session, Untraced) {
    TemporaryDirectory directory;
    ASSERT_TRUE(write_untraced_session(directory.path(), "c1", "img", "no broker"));
    auto json = nlohmann::json::parse(content(directory.path("trace/session.json")));
    EXPECT_EQ(json["state"], "untraced");
    EXPECT_EQ(json["containerId"], "c1");
    EXPECT_EQ(json["complete"], false);
    EXPECT_EQ(json["reasons"][0], "no broker");
    EXPECT_TRUE(json["files"]["processes"].is_null());
    auto live = Volume::open(directory.path());
    ASSERT_TRUE(live);
    EXPECT_EQ(write_untraced_session(directory.path(), "c2", "", "x").error().code, EBUSY);
}

TEST(Session, DegradedAfterADeadRecorder) {
    TemporaryDirectory directory;
    Session session = sample();
    session.state = SessionState::tracing;
    {
        auto volume = Volume::open(directory.path());
        ASSERT_TRUE(volume);
        ASSERT_TRUE(write_session(volume->trace(), session));
        EXPECT_EQ(mark_session_degraded(directory.path(), "c1", "died").error().code, EBUSY);
    }
    EXPECT_EQ(mark_session_degraded(directory.path(), "other", "died").error().code, ENOENT);
    put(directory.path("trace/accesses.jsonl"), "kept\n");
    ASSERT_TRUE(mark_session_degraded(directory.path(), "c1", "died"));
    EXPECT_EQ(mark_session_degraded(directory.path(), "c1", "died").error().code, EALREADY);
    auto volume = Volume::open(directory.path());
    auto now = read_session(volume->trace());
    ASSERT_TRUE(now);
    EXPECT_EQ(now->state, SessionState::degraded);
    EXPECT_THAT(now->reasons, ElementsAre("died"));
    EXPECT_EQ(now->accesses, 42u);
    EXPECT_EQ(content(directory.path("trace/accesses.jsonl")), "kept\n");
}

}  // namespace
}  // namespace spoor
