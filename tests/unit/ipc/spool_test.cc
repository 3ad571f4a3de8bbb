#include "shim/ipc/spool.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "tests/support/temp_dir.h"

namespace spoor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
namespace fs = std::filesystem;

SpoolItem item_of(const std::string& task) {
    SpoolItem item;
    item.kind = DeliveryKind::raw;
    item.key = "key-" + task;
    item.session = "s";
    item.container_id = "c";
    item.task_id = task;
    item.url = "https://store.example/?sig=secret";
    return item;
}

class SpoolTest : public testing::Test {
protected:
    SpoolTest() { spool_.emplace(*Spool::open(path())); }

    [[nodiscard]] std::string path() const { return root_ / "state/spool"; }

    void put(const std::string& task, const std::string& payload, Spool::Limits limits = {}) {
        const Status done = spool_->put(item_of(task), payload, limits);
        ASSERT_TRUE(done) << done.error().message;
    }

    std::vector<Spool::Entry> queue() { return *spool_->queue(); }

    std::vector<std::string> tasks() {
        std::vector<std::string> found;
        for (const auto& entry : queue()) found.push_back(spool_->take(entry.name)->item.task_id);
        return found;
    }

    std::vector<std::string> failures() {
        std::vector<std::string> found;
        for (const auto& failure : spool_->failures())
            found.push_back(failure.task_id + ": " + failure.reason);
        return found;
    }

    test::TempDir root_;
    std::optional<Spool> spool_;
};

TEST_F(SpoolTest, GivesBackWhatWasPutInOrder) {
    const std::string payload = "line\n\0more\n" + std::string(300'000, 'x');
    put("a:b", payload);
    put("second", "");
    put("third", "{}");
    EXPECT_THAT(tasks(), ElementsAre("a:b", "second", "third"));
    const auto names = queue();
    const auto opened = spool_->take(names[0].name);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->item.kind, DeliveryKind::raw);
    EXPECT_EQ(opened->item.key, "key-a:b");
    EXPECT_EQ(opened->item.url, "https://store.example/?sig=secret");
    EXPECT_EQ(opened->item.payload_bytes, payload.size());
    EXPECT_EQ(*read_fd(opened->fd.get(), 1u << 20), payload);
    EXPECT_TRUE(spool_->remove(names[0].name));
    EXPECT_THAT(tasks(), ElementsAre("second", "third"));
}

TEST_F(SpoolTest, CopiesAFile) {
    const std::string payload = std::string(700'000, 'y') + "end";
    std::ofstream(root_ / "report") << payload;
    const auto report = open_file(root_ / "report", O_RDONLY);
    ASSERT_TRUE(spool_->put(item_of("t"), report->get(), {}));
    const auto opened = spool_->take(queue().front().name);
    EXPECT_EQ(*read_fd(opened->fd.get(), 1u << 20), payload);
}

TEST_F(SpoolTest, IsClosedToOthers) {
    put("t", "x");
    for (const auto& entry : fs::recursive_directory_iterator(path())) {
        struct stat st {};
        ASSERT_EQ(::stat(entry.path().c_str(), &st), 0);
        EXPECT_EQ(st.st_mode & 077, 0u) << entry.path();
    }
    ASSERT_EQ(::chmod(path().c_str(), 0755), 0);
    const auto open = Spool::open(path());
    ASSERT_FALSE(open);
    EXPECT_EQ(open.error().code, EPERM);
    ASSERT_EQ(::chmod(path().c_str(), 0700), 0);
    fs::create_directory_symlink(path(), root_ / "link");
    EXPECT_FALSE(Spool::open(root_ / "link"));
    EXPECT_EQ(Spool::open_existing(root_ / "none").error().code, ENOENT);
}

TEST_F(SpoolTest, TheOldestMakeRoomAndAreTold) {
    const Spool::Limits limits{.bytes_max = 2000, .max_age_ms = 1'000'000};
    put("one", std::string(700, '1'), limits);
    put("two", std::string(700, '2'), limits);
    put("three", std::string(700, '3'), limits);
    EXPECT_THAT(tasks(), ElementsAre("two", "three"));
    EXPECT_THAT(failures(), ElementsAre("one: the spool was full (delivery.spool_max)"));
    EXPECT_THAT(read_file(path() + "/failed/" +
                              fs::directory_iterator(path() + "/failed")->path().filename().string(),
                          10'000)
                    .value(),
                testing::Not(HasSubstr("secret")));
    const Status refused = spool_->put(item_of("huge"), std::string(3000, 'h'), limits);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, EFBIG);
    EXPECT_THAT(tasks(), ElementsAre("two", "three"));
}

// Another recorder's items count as well, if not at once.
TEST_F(SpoolTest, TheCapHoldsForAllWhoPut) {
    const Spool::Limits limits{.bytes_max = 20'000, .max_age_ms = 1'000'000};
    auto other = *Spool::open(path());
    for (int i = 0; i < 50; ++i) {
        put("mine", std::string(300, 'm'), limits);
        ASSERT_TRUE(other.put(item_of("theirs"), std::string(300, 't'), limits));
    }
    spool_->trim(limits);
    uint64_t bytes = 0;
    for (const auto& entry : queue()) bytes += entry.bytes;
    EXPECT_LE(bytes, 20'000u);
    EXPECT_GT(bytes, 15'000u);
}

TEST_F(SpoolTest, OldOnesAreGivenUp) {
    put("now", "x");
    fs::rename(path() + "/queue/" + queue().front().name,
               path() + "/queue/00000000000000000007-0123456789abcdef");
    put("later", "x");
    EXPECT_EQ(spool_->trim({.bytes_max = 1u << 20, .max_age_ms = 1'000'000}), 1u);
    EXPECT_THAT(tasks(), ElementsAre("later"));
    // Its record is by now too old itself and goes with the next look.
    EXPECT_THAT(failures(), ElementsAre("now: it was not delivered within delivery.max_age"));
    spool_->trim({.bytes_max = 1u << 20, .max_age_ms = 1'000'000});
    EXPECT_THAT(failures(), IsEmpty());
}

TEST_F(SpoolTest, HalfWrittenOnesAreNoItemsAndGoInTheEnd) {
    const std::string at = path() + "/queue/";
    std::ofstream(at + ".00000000000000000007-0123456789abcdef.1.1") << "half";
    std::ofstream(at + ".00000000000000000008-0123456789abcdef.1.1") << "half";
    std::ofstream(at + "README") << "not ours";
    const timespec long_ago[2] = {{1000, 0}, {1000, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, (at + ".00000000000000000007-0123456789abcdef.1.1").c_str(), long_ago, 0),
              0);
    EXPECT_THAT(tasks(), IsEmpty());
    spool_->trim({});
    EXPECT_FALSE(fs::exists(at + ".00000000000000000007-0123456789abcdef.1.1"));
    EXPECT_TRUE(fs::exists(at + ".00000000000000000008-0123456789abcdef.1.1")) << "its writer may live";
    EXPECT_TRUE(fs::exists(at + "README"));
}

TEST_F(SpoolTest, ACutItemIsSeen) {
    put("t", "0123456789");
    const std::string name = queue().front().name;
    const std::string file = path() + "/queue/" + name;
    for (const uintmax_t left : {fs::file_size(file) - 1, uintmax_t{20}, uintmax_t{0}}) {
        fs::resize_file(file, left);
        const auto opened = spool_->take(name);
        ASSERT_FALSE(opened) << left;
        EXPECT_EQ(opened.error().code, EBADMSG);
    }
    EXPECT_TRUE(spool_->give_up(name, nullptr, "damaged"));
    EXPECT_THAT(failures(), ElementsAre(": damaged"));
    EXPECT_THAT(tasks(), IsEmpty());
    EXPECT_EQ(spool_->take(name).error().code, ENOENT);
}

TEST_F(SpoolTest, FailuresAreLimited) {
    put("now", "");
    const std::string name = queue().front().name;
    ASSERT_TRUE(spool_->give_up(name, nullptr, "why"));
    for (size_t i = 0; i < Spool::failures_max + 5; ++i) {
        std::string number = std::to_string(1'000'000 + i);
        fs::copy(path() + "/failed/" + name, path() + "/failed/" + name.substr(0, 30) + number);
    }
    spool_->trim({});
    EXPECT_THAT(spool_->failures(), SizeIs(Spool::failures_max));
}

TEST_F(SpoolTest, OneDelivers) {
    auto lock = spool_->lock();
    ASSERT_TRUE(lock);
    EXPECT_EQ(Spool::open(path())->lock().error().code, EBUSY);
    lock->reset();
    EXPECT_TRUE(Spool::open(path())->lock());
}

TEST_F(SpoolTest, SettingsAreWrittenWhenTheyDiffer) {
    DeliverySettings settings;
    settings.endpoint = "https://a/";
    settings.put_hosts = {"b"};
    ASSERT_TRUE(spool_->set_settings(settings));
    EXPECT_EQ(*spool_->settings(), settings);
    struct stat before {
    }, after{};
    ASSERT_EQ(::stat((path() + "/settings.json").c_str(), &before), 0);
    ASSERT_TRUE(spool_->set_settings(settings));
    ASSERT_EQ(::stat((path() + "/settings.json").c_str(), &after), 0);
    EXPECT_EQ(before.st_ino, after.st_ino);
    ASSERT_TRUE(spool_->set_settings(settings, true));
    ASSERT_EQ(::stat((path() + "/settings.json").c_str(), &after), 0);
    EXPECT_NE(before.st_ino, after.st_ino);
}

TEST_F(SpoolTest, StatusIsKept) {
    EXPECT_EQ(spool_->status().error, "");
    ASSERT_TRUE(spool_->set_status({.delivered = 3, .error_time = "now", .error = "why"}));
    EXPECT_EQ(spool_->status().delivered, 3u);
    EXPECT_EQ(spool_->status().error, "why");
}

TEST(SpoolText, IsReadStrictly) {
    for (const char* text :
         {"", "x", "[]", "{}", R"({"kind":"report"})",
          R"({"kind":"no","key":"","session":"","containerId":"","taskId":"","payloadBytes":1})",
          R"({"kind":"raw","key":"","session":"","containerId":"","taskId":"","payloadBytes":-1})"})
        EXPECT_FALSE(parse_spool_item(text)) << text;
    EXPECT_FALSE(parse_spool_status("{}"));
    EXPECT_FALSE(parse_spool_failure("{}"));
    EXPECT_FALSE(parse_delivery_settings(R"({"endpoint":1})"));
    EXPECT_FALSE(parse_delivery_settings(R"({"putHosts":[1]})"));
    EXPECT_FALSE(parse_delivery_settings("7"));
}

}  // namespace
}  // namespace spoor
