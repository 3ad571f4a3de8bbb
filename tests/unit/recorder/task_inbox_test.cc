#include "shim/recorder/task_inbox.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <fstream>

#include "base/files.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/recorder/inotify_left.h"

namespace spoor {
namespace {

using test::TempDir;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

struct TaskInboxTest : testing::Test {
    TaskInboxTest() {
        if (auto made = make_directories(root / "agent", 0777); !made) ADD_FAILURE() << made.error().message;
        agent = open_file(root / "agent", O_RDONLY | O_DIRECTORY).value();
    }
    void make() {
        auto opened = TaskInbox::open(agent.get(), test::wait_for_inotify());
        ASSERT_TRUE(opened) << opened.error().message;
        inbox.emplace(std::move(*opened));
        ASSERT_EQ(inbox->why_by_clock(), "");
    }
    void open() {
        make();
        take();  // the first look
    }
    [[nodiscard]] std::string path(const std::string& name) const { return root / "agent/" + name; }
    static std::string end_of(const std::string& task) {
        return R"({"schema":"spoor.task/1","event":"end","taskId":")" + task + "\"}";
    }
    void put(const std::string& name, const std::string& text) { std::ofstream(path(name)) << text; }
    void move_in(const std::string& name, const std::string& task) {
        put(".temporary", end_of(task));
        ASSERT_EQ(::rename(path(".temporary").c_str(), path(name).c_str()), 0);
    }
    bool readable() {
        pollfd item{inbox->fd(), POLLIN, 0};
        return ::poll(&item, 1, 0) == 1;
    }
    bool exists(const std::string& name) {
        struct stat st {};
        return ::lstat(path(name).c_str(), &st) == 0;
    }
    TaskInbox::Handlers handlers{[this](TaskSignal signal) { tasks.push_back(signal.task_id); },
                                 [this](std::string warning) { warnings.push_back(std::move(warning)); }};
    bool take(size_t most = 1000) { return inbox->take(most, handlers); }

    TempDir root;
    UniqueFd agent;
    std::optional<TaskInbox> inbox;
    std::vector<std::string> tasks, warnings;
};

TEST_F(TaskInboxTest, FilesAreTakenInOrderAndRemoved) {
    open();
    EXPECT_FALSE(readable());
    for (const char* name : {"z", "a", "m"}) move_in(std::string(name) + ".json", name);
    put("closed.json", end_of("closed"));
    EXPECT_TRUE(readable());
    EXPECT_FALSE(take());
    EXPECT_THAT(tasks, ElementsAre("z", "a", "m", "closed"));
    EXPECT_THAT(warnings, IsEmpty());
    EXPECT_FALSE(exists("z.json"));
    EXPECT_FALSE(exists("closed.json"));
    EXPECT_FALSE(readable());
}

TEST_F(TaskInboxTest, WhatWasThereBeforeIsFoundByItsTime) {
    move_in("b.json", "first");
    move_in("a.json", "second");
    put("a.json.tmp", end_of("no"));
    put(".hidden.json", end_of("no"));
    make();
    EXPECT_FALSE(take());
    EXPECT_THAT(tasks, UnorderedElementsAre("first", "second"));
    EXPECT_TRUE(exists("a.json.tmp"));
    EXPECT_TRUE(exists(".hidden.json"));
}

TEST_F(TaskInboxTest, ATurnIsBounded) {
    open();
    for (int i = 0; i < 10; ++i) move_in(std::to_string(i) + ".json", std::to_string(i));
    EXPECT_TRUE(take(4));
    EXPECT_THAT(tasks, SizeIs(4));
    EXPECT_FALSE(take(100));
    EXPECT_THAT(tasks, SizeIs(10));
}

TEST_F(TaskInboxTest, AnOverflowOfTheKernelsQueueLosesNothing) {
    std::ifstream limit("/proc/sys/fs/inotify/max_queued_events");
    int events = 0;
    limit >> events;
    ASSERT_GT(events, 0);
    open();
    // Two names in turn, or the kernel folds equal events into one.
    put("a.txt", "");
    for (int i = 0; i <= events + 10; ++i)
        ASSERT_EQ(::rename(path(i % 2 == 0 ? "a.txt" : "b.txt").c_str(),
                           path(i % 2 == 0 ? "b.txt" : "a.txt").c_str()),
                  0);
    move_in("late.json", "late");
    while (take(1000)) {
    }
    EXPECT_THAT(tasks, ElementsAre("late"));
}

// Where there is no inotify descriptor left: something else in its place.
struct TaskInboxByTheClock : TaskInboxTest {
    // By default no test is so slow that a file's writer could be taken for one that has given up.
    explicit TaskInboxByTheClock(std::chrono::milliseconds writing_max = std::chrono::minutes(10)) {
        auto opened = TaskInbox::open(agent.get(), UniqueFd(::eventfd(0, EFD_CLOEXEC)), writing_max);
        if (!opened) {
            ADD_FAILURE() << opened.error().message;
            return;
        }
        inbox.emplace(std::move(*opened));
        EXPECT_THAT(inbox->why_by_clock(), HasSubstr("inotify"));
        take();
    }
    // Until the clock has told twice: once may be of a time before the call.
    void take_at_next_look() {
        for (int i = 0; i < 2; ++i) {
            pollfd item{inbox->fd(), POLLIN, 0};
            ASSERT_EQ(::poll(&item, 1, 60'000), 1);
            EXPECT_FALSE(take());
        }
    }
};

TEST_F(TaskInboxByTheClock, TheClockTellsOnceAnInterval) {
    // The first time may be of before, and the second soon after it.
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 2; ++i) take_at_next_look();
    EXPECT_GE(std::chrono::steady_clock::now() - begin, 2 * TaskInbox::look_interval);
}

TEST_F(TaskInboxByTheClock, FilesAreTakenInOrderAndRemoved) {
    for (const char* name : {"z", "a", "m"}) move_in(std::string(name) + ".json", name);
    take_at_next_look();
    EXPECT_THAT(tasks, UnorderedElementsAre("z", "a", "m"));  // their times may be equal
    EXPECT_FALSE(exists("z.json"));
    move_in("later.json", "later");
    take_at_next_look();
    EXPECT_THAT(tasks, Contains("later"));
    EXPECT_THAT(warnings, IsEmpty());
}

TEST_F(TaskInboxByTheClock, AFileThatIsBeingWrittenIsWaitedFor) {
    const std::string text = end_of("slow");
    put("slow.json", text.substr(0, 20));
    take_at_next_look();
    EXPECT_TRUE(exists("slow.json"));
    put("slow.json", text);
    take_at_next_look();
    EXPECT_THAT(tasks, ElementsAre("slow"));
    EXPECT_THAT(warnings, IsEmpty());
}

struct TaskInboxWithoutPatience : TaskInboxByTheClock {
    TaskInboxWithoutPatience() : TaskInboxByTheClock(std::chrono::milliseconds(100)) {}
};

TEST_F(TaskInboxWithoutPatience, AFileThatStaysUnreadableIsRefused) {
    put("bad.json", "{");
    const auto begin = std::chrono::steady_clock::now();
    while (warnings.empty() && std::chrono::steady_clock::now() - begin < std::chrono::minutes(1))
        take_at_next_look();
    EXPECT_THAT(warnings, ElementsAre(HasSubstr("bad.json was refused: it is no JSON")));
    EXPECT_FALSE(exists("bad.json"));
}

TEST_F(TaskInboxByTheClock, AtTheEndNothingIsWaitedFor) {
    put("bad.json", "{");
    move_in("good.json", "good");
    inbox->take_all(handlers);
    EXPECT_THAT(tasks, ElementsAre("good"));
    EXPECT_THAT(warnings, ElementsAre(HasSubstr("bad.json was refused")));
}

TEST_F(TaskInboxTest, HostileFilesAreRefusedAndRemoved) {
    open();
    ASSERT_EQ(::mkfifo(path("fifo.json").c_str(), 0666), 0);
    ASSERT_EQ(::symlink("/etc/passwd", path("link.json").c_str()), 0);
    ASSERT_EQ(::mkdir(path("directory.json").c_str(), 0777), 0);
    ASSERT_EQ(::mkdir(path("full.json").c_str(), 0777), 0);
    put("full.json/x", "");
    UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path("socket.json").copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    put("huge.json", "");
    ASSERT_EQ(::truncate(path("huge.json").c_str(), 1L << 40), 0);
    put("zeros.json", "");
    ASSERT_EQ(::truncate(path("zeros.json").c_str(), 1 << 20), 0);
    put("empty.json", "");
    put("line\nbreak.json", "{}");
    inbox->take_all(handlers);
    EXPECT_THAT(tasks, IsEmpty());
    EXPECT_THAT(warnings, testing::Contains(HasSubstr("fifo.json was refused: it is no regular file")));
    EXPECT_THAT(warnings, testing::Contains(HasSubstr("link.json was refused: it is no regular file")));
    EXPECT_THAT(warnings, testing::Contains(HasSubstr("directory.json was refused")));
    EXPECT_THAT(warnings, testing::Contains(HasSubstr("socket.json was refused")));
    EXPECT_THAT(warnings, testing::Contains(HasSubstr("huge.json was refused: it is larger than 16 MiB")));
    EXPECT_THAT(warnings, testing::Contains(HasSubstr("zeros.json was refused: it is no JSON")));
    EXPECT_THAT(warnings, testing::Contains(HasSubstr("full.json cannot be removed")));
    for (const auto& warning : warnings) EXPECT_EQ(warning.find('\n'), std::string::npos) << warning;
    for (const char* name :
         {"fifo.json", "link.json", "directory.json", "socket.json", "huge.json", "empty.json"})
        EXPECT_FALSE(exists(name)) << name;
    // What could not be removed is not warned of again.
    const size_t told = warnings.size();
    inbox->take_all(handlers);
    EXPECT_THAT(warnings, SizeIs(told));
}

TEST_F(TaskInboxTest, ARemovedDirectoryIsTold) {
    open();
    ASSERT_EQ(::rename(path("").c_str(), (root / "elsewhere").c_str()), 0);
    EXPECT_FALSE(take());
    EXPECT_THAT(warnings, ElementsAre(HasSubstr("moved or removed")));
}

}  // namespace
}  // namespace spoor
