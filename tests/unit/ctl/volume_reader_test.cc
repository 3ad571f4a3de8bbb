#include "shim/ctl/volume_reader.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <thread>

#include "base/files.h"
#include "support.h"

namespace spoor::ctl {
namespace {

class Reader : public InDirectory {
protected:
    Result<std::vector<std::string>> lines(const char* file = "processes") {
        auto volume = VolumeReader::open(root);
        if (!volume) return std::move(volume).error();
        std::vector<std::string> all;
        auto take = [&](std::string_view line) {
            all.emplace_back(line);
            return true;
        };
        Session session;
        session.accesses_files = {file};
        auto done = std::string_view(file) == "processes" ? volume->each_process(take)
                                                          : volume->each_access(session, take);
        if (!done) return std::move(done).error();
        return all;
    }
};

TEST_F(Reader, ReadsAVolumeOrItsTraceDirectory) {
    make_session();
    for (const std::string& path : {root, root + "/trace"}) {
        auto volume = VolumeReader::open(path);
        ASSERT_TRUE(volume) << volume.error().message;
        EXPECT_TRUE(volume->session());
        EXPECT_EQ(volume->session()->container_id, "c");
    }
}

TEST_F(Reader, SaysThatADirectoryIsNoVolume) {
    auto volume = VolumeReader::open(root);
    ASSERT_FALSE(volume);
    EXPECT_NE(volume.error().message.find("no volume of spoor"), std::string::npos);
    EXPECT_FALSE(VolumeReader::open(root + "/missing"));
    write("file", "");
    EXPECT_FALSE(VolumeReader::open(root + "/file"));
}

TEST_F(Reader, FollowsNoLinkInAVolume) {
    write("outside/session.json", "{}");
    write("outside/secret", "secret\n");
    ASSERT_EQ(::symlink((root + "/outside").c_str(), (root + "/trace").c_str()), 0);
    EXPECT_FALSE(VolumeReader::open(root));
    ASSERT_EQ(::unlink((root + "/trace").c_str()), 0);
    ASSERT_EQ(::mkdir((root + "/trace").c_str(), 0755), 0);
    for (const char* name : {"session.json", "processes.jsonl"})
        ASSERT_EQ(::symlink((root + "/outside/secret").c_str(), (root + "/trace/" + name).c_str()), 0);
    auto volume = VolumeReader::open(root);
    ASSERT_TRUE(volume);
    EXPECT_FALSE(volume->session());
    EXPECT_FALSE(volume->session_text());
    EXPECT_FALSE(lines());
}

TEST_F(Reader, HangsOnNoFifo) {
    ASSERT_TRUE(make_directories(root + "/trace/tasks", 0755));
    for (const char* name : {"session.json", "processes.jsonl", "tasks/-.json"})
        ASSERT_EQ(::mkfifo((root + "/trace/" + name).c_str(), 0644), 0);
    auto volume = VolumeReader::open(root);
    ASSERT_TRUE(volume);
    EXPECT_FALSE(volume->session_text());
    EXPECT_FALSE(volume->report_text());
    EXPECT_FALSE(lines());
}

TEST_F(Reader, GivesWholeLinesOnly) {
    write("trace/processes.jsonl", "one\n\ntwo\nhalf of thr");
    EXPECT_EQ(lines().value_or(std::vector<std::string>{}), (std::vector<std::string>{"one", "two"}));
}

TEST_F(Reader, LinesMayBeLongerThanABuffer) {
    std::string longer(700'000, 'x');
    write("trace/processes.jsonl", "a\n" + longer + "\nb\n");
    EXPECT_EQ(lines().value_or(std::vector<std::string>{}), (std::vector<std::string>{"a", longer, "b"}));
}

TEST_F(Reader, ALineHasALimit) {
    write("trace/processes.jsonl", std::string(9u << 20, 'x'));
    auto read = lines();
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, EFBIG);
}

TEST_F(Reader, AReportHasALimit) {
    write("trace/tasks/-.json", std::string(1000, ' '));
    auto volume = VolumeReader::open(root);
    EXPECT_TRUE(volume->report_text(1000));
    EXPECT_FALSE(volume->report_text(999));
}

TEST_F(Reader, ReadsOnlyFilesThatCanBePartsOfTheLog) {
    write("trace/accesses.jsonl.12", "old\n");
    write("trace/session.json", "{}\n");
    EXPECT_EQ(lines("accesses.jsonl.12").value_or(std::vector<std::string>{}),
              std::vector<std::string>{"old"});
    for (const char* name :
         {"session.json", "../outside", "accesses.jsonl.", "accesses.jsonl.1x", "accesses.jsonl/x"})
        EXPECT_FALSE(lines(name)) << name;
}

TEST_F(Reader, WaitsForTheEndOfASession) {
    make_session(R"("state":"tracing")");
    auto volume = VolumeReader::open(root);
    ASSERT_TRUE(volume);
    int writer = ::open((root + "/trace").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ASSERT_EQ(::flock(writer, LOCK_EX), 0);
    EXPECT_TRUE(volume->has_writer());
    EXPECT_EQ(volume->wait_for_end(std::chrono::milliseconds(1))->state, SessionState::tracing);
    std::thread recorder([&] {
        make_session();
        ::close(writer);
    });
    auto session = volume->wait_for_end(std::chrono::seconds(20));
    recorder.join();
    ASSERT_TRUE(session);
    EXPECT_EQ(session->state, SessionState::finished);
    EXPECT_FALSE(volume->has_writer());
}

TEST_F(Reader, DoesNotWaitForARecorderThatDied) {
    make_session(R"("state":"tracing")");
    auto begun = std::chrono::steady_clock::now();
    auto session = VolumeReader::open(root)->wait_for_end(std::chrono::seconds(20));
    EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(10));
    EXPECT_EQ(session->state, SessionState::tracing);
}

}  // namespace
}  // namespace spoor::ctl
