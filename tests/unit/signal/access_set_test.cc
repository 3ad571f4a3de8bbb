#include "signal/access_set.h"

#include <gmock/gmock.h>
#include <malloc.h>

#include <algorithm>
#include <random>

#include "signal/name_tree.h"
#include "tests/unit/signal/support.h"

namespace spoor {
namespace {

using test::access;
using testing::ElementsAre;
using testing::IsEmpty;
using List = AccessSet::List;
using Paths = std::vector<std::string>;

constexpr size_t plenty = 256u * 1024 * 1024;

struct AccessSetTest : testing::Test {
    AccessSet set{plenty};
    void add(Op op, std::string path, std::string to = {}, uint16_t flags = 0, uint32_t pid = 1) {
        set.add(access(op, std::move(path), pid, flags, std::move(to)));
    }
    Paths paths(List list) {
        Paths all;
        set.for_each(list, [&](const AccessSet::Entry& entry) { all.emplace_back(entry.path); });
        return all;
    }
    uint32_t pid_of(List list, const std::string& path) {
        uint32_t pid = 0;
        set.for_each(list, [&](const AccessSet::Entry& entry) {
            if (entry.path == path) pid = entry.pid;
        });
        return pid;
    }
    Paths inputs() { return paths(List::inputs); }
    Paths outputs() { return paths(List::outputs); }
};

TEST_F(AccessSetTest, ReadsAreInputsWritesAreOutputs) {
    add(Op::read, "/w/in", {}, 0, 3);
    add(Op::read, "/w/in", {}, 0, 4);
    add(Op::write, "/w/out", {}, 0, 5);
    add(Op::create, "/w/made");
    add(Op::truncate, "/w/cut");
    add(Op::exec, "/bin/sh");
    add(Op::mmap_exec, "/lib/libc.so");
    add(Op::mmap_write, "/w/map");
    add(Op::symlink, "/w/link", "target");
    add(Op::mknod, "/w/fifo");
    EXPECT_THAT(inputs(), ElementsAre("/bin/sh", "/lib/libc.so", "/w/in"));
    EXPECT_THAT(outputs(), ElementsAre("/w/cut", "/w/fifo", "/w/link", "/w/made", "/w/map", "/w/out"));
    EXPECT_EQ(pid_of(List::files_read, "/w/in"), 3u);
    EXPECT_EQ(pid_of(List::files_written, "/w/out"), 5u);
    EXPECT_EQ(paths(List::files_read), inputs());
}

TEST_F(AccessSetTest, TheOrderDecides) {
    add(Op::write, "/w/own");
    add(Op::read, "/w/own");
    add(Op::read, "/w/both");
    add(Op::write, "/w/both");
    add(Op::create, "/w/temporary");
    add(Op::write, "/w/temporary");
    add(Op::remove, "/w/temporary");
    EXPECT_THAT(inputs(), ElementsAre("/w/both"));
    EXPECT_THAT(outputs(), ElementsAre("/w/both", "/w/own"));
    EXPECT_THAT(paths(List::own_read), ElementsAre("/w/own"));
    EXPECT_THAT(paths(List::files_written), ElementsAre("/w/both", "/w/own", "/w/temporary"));
    EXPECT_THAT(paths(List::deleted), ElementsAre("/w/temporary"));
}

TEST_F(AccessSetTest, DeletedAndThereAgain) {
    add(Op::write, "/w/a");
    add(Op::remove, "/w/a");
    add(Op::create, "/w/a");
    EXPECT_THAT(outputs(), ElementsAre("/w/a"));
    EXPECT_THAT(paths(List::deleted), IsEmpty());
    add(Op::remove, "/w/foreign");
    add(Op::remove, "/w/a");
    bool own_a = false, own_foreign = true;
    set.for_each(List::deleted, [&](const AccessSet::Entry& entry) {
        (entry.path == "/w/a" ? own_a : own_foreign) = entry.own;
    });
    EXPECT_TRUE(own_a);
    EXPECT_FALSE(own_foreign);
    // What stands there after the task's own is gone came from elsewhere.
    add(Op::read, "/w/a");
    EXPECT_THAT(inputs(), ElementsAre("/w/a"));
}

TEST_F(AccessSetTest, RenameMovesWhatWasWritten) {
    add(Op::create, "/w/.tmp");
    add(Op::rename, "/w/.tmp", "/w/final", 0, 9);
    add(Op::read, "/w/final");
    EXPECT_THAT(inputs(), IsEmpty());
    EXPECT_THAT(outputs(), ElementsAre("/w/final"));
    EXPECT_THAT(paths(List::files_written), ElementsAre("/w/final"));
    EXPECT_EQ(pid_of(List::files_written, "/w/final"), 9u);
    Paths renames;
    set.for_each_rename(
        [&](const AccessSet::Rename& rename) { renames.push_back(rename.from + ">" + rename.to); });
    EXPECT_THAT(renames, ElementsAre("/w/.tmp>/w/final"));
    // A repeat changes nothing.
    add(Op::rename, "/w/.tmp", "/w/final");
    EXPECT_THAT(inputs(), IsEmpty());
    EXPECT_THAT(outputs(), ElementsAre("/w/final"));
}

TEST_F(AccessSetTest, RenamingAForeignFileMakesItAnInputNotRead) {
    add(Op::rename, "/w/a", "/w/b");
    EXPECT_THAT(inputs(), ElementsAre("/w/a"));
    EXPECT_THAT(paths(List::files_read), IsEmpty());
    EXPECT_THAT(outputs(), ElementsAre("/w/b"));
}

TEST_F(AccessSetTest, RenameOntoAnInputAndOntoItself) {
    add(Op::read, "/w/config");
    add(Op::write, "/w/config.new");
    add(Op::rename, "/w/config.new", "/w/config");
    add(Op::read, "/w/config");
    EXPECT_THAT(inputs(), ElementsAre("/w/config"));
    EXPECT_THAT(outputs(), ElementsAre("/w/config"));
    add(Op::rename, "/w/config", "/w/config");
    EXPECT_THAT(outputs(), ElementsAre("/w/config"));
}

TEST_F(AccessSetTest, RenamingADirectoryRenamesWhatIsInIt) {
    add(Op::mkdir, "/w/tmp");
    add(Op::mkdir, "/w/tmp/sub");
    add(Op::write, "/w/tmp/a", {}, 0, 7);
    add(Op::write, "/w/tmp/sub/b");
    add(Op::write, "/w/tmp/gone");
    add(Op::remove, "/w/tmp/gone");
    add(Op::absent, "/w/tmp/never");
    add(Op::rename, "/w/tmp", "/w/dist", flag_directory);
    add(Op::read, "/w/dist/sub/b");
    EXPECT_THAT(inputs(), IsEmpty());
    EXPECT_THAT(outputs(), ElementsAre("/w/dist/a", "/w/dist/sub/b"));
    EXPECT_THAT(paths(List::directories_made), ElementsAre("/w/dist", "/w/dist/sub"));
    EXPECT_EQ(pid_of(List::files_written, "/w/dist/a"), 7u);
    add(Op::rename, "/w/tmp", "/w/dist", flag_directory);  // a repeat
    EXPECT_THAT(outputs(), ElementsAre("/w/dist/a", "/w/dist/sub/b"));
    add(Op::rename, "/w/dist", "/w/final", flag_directory);
    EXPECT_THAT(outputs(), ElementsAre("/w/final/a", "/w/final/sub/b"));
    EXPECT_THAT(paths(List::absent), ElementsAre("/w/tmp/never"));
    // The old name can begin anew.
    add(Op::mkdir, "/w/tmp");
    add(Op::write, "/w/tmp/a");
    EXPECT_THAT(outputs(), ElementsAre("/w/final/a", "/w/final/sub/b", "/w/tmp/a"));
}

TEST_F(AccessSetTest, WithoutTheFlagChildrenTellADirectory) {
    add(Op::write, "/w/tmp/a");
    add(Op::rename, "/w/tmp", "/w/dist");
    EXPECT_THAT(paths(List::files_written), ElementsAre("/w/dist", "/w/dist/a"));
}

TEST_F(AccessSetTest, AForeignDirectoryRenamed) {
    add(Op::read, "/w/src/read-before");
    add(Op::rename, "/w/src", "/w/build", flag_directory);
    add(Op::read, "/w/build/x/y");
    add(Op::read, "/w/build/read-before");
    add(Op::write, "/w/build/z");
    EXPECT_THAT(inputs(), ElementsAre("/w/src/read-before", "/w/src/x/y"));
    EXPECT_THAT(paths(List::files_read), ElementsAre("/w/src/read-before"));
    EXPECT_THAT(outputs(), ElementsAre("/w/build", "/w/build/z"));
    add(Op::rename, "/w/build", "/w/again", flag_directory);
    add(Op::read, "/w/again/q");
    EXPECT_THAT(inputs(), ElementsAre("/w/src/q", "/w/src/read-before", "/w/src/x/y"));
    EXPECT_THAT(outputs(), ElementsAre("/w/again", "/w/again/z"));
}

TEST_F(AccessSetTest, ExchangeSwapsWhatIsBelow) {
    add(Op::mkdir, "/w/new");
    add(Op::write, "/w/new/a");
    add(Op::rename, "/w/new", "/w/old", flag_exchange | flag_directory);
    EXPECT_THAT(outputs(), ElementsAre("/w/new", "/w/old/a"));
    EXPECT_THAT(paths(List::directories_made), ElementsAre("/w/old"));
    add(Op::read, "/w/new/was-old");
    EXPECT_THAT(inputs(), ElementsAre("/w/old", "/w/old/was-old"));
    add(Op::write, "/f/a");
    add(Op::rename, "/f/a", "/f/b", flag_exchange);
    add(Op::read, "/f/a");
    EXPECT_THAT(inputs(), ElementsAre("/f/b", "/w/old", "/w/old/was-old"));
    EXPECT_THAT(outputs(), ElementsAre("/f/a", "/f/b", "/w/new", "/w/old/a"));
}

TEST_F(AccessSetTest, LinkReadsTheOldAndWritesTheNew) {
    add(Op::link, "/w/a", "/w/b");
    add(Op::create, "/w/c");
    add(Op::link, "/w/c", "/w/d");
    EXPECT_THAT(inputs(), ElementsAre("/w/a"));
    EXPECT_THAT(outputs(), ElementsAre("/w/b", "/w/c", "/w/d"));
    // O_TMPFILE and linkat: the old name is none.
    add(Op::write, "/w/#123", {}, flag_deleted);
    add(Op::link, "/w/#123", "/w/e", flag_deleted);
    EXPECT_THAT(inputs(), ElementsAre("/w/a"));
    EXPECT_THAT(outputs(), ElementsAre("/w/b", "/w/c", "/w/d", "/w/e"));
}

TEST_F(AccessSetTest, ThroughDeletedNames) {
    add(Op::write, "/w/own");
    add(Op::remove, "/w/own");
    add(Op::read, "/w/own", {}, flag_deleted);
    add(Op::read, "/w/foreign", {}, flag_deleted);
    add(Op::write, "/w/#1", {}, flag_deleted);
    add(Op::read, "/w/#1", {}, flag_deleted);
    EXPECT_THAT(inputs(), ElementsAre("/w/foreign"));
    EXPECT_THAT(outputs(), IsEmpty());
}

TEST_F(AccessSetTest, LookingIsKeptWhereItSaysSomething) {
    add(Op::absent, "/w/later");
    add(Op::create, "/w/later");
    add(Op::probe, "/w/later");
    add(Op::probe, "/w/there");
    add(Op::probe, "/w/in", {}, flag_open);
    add(Op::read, "/w/in");
    add(Op::readlink, "/w/ln");
    add(Op::list, "/w/dir");
    add(Op::mkdir, "/w/made");
    add(Op::list, "/w/made");
    add(Op::remove, "/w/rm");
    add(Op::absent, "/w/rm");
    add(Op::rmdir, "/w/rmdir");
    add(Op::absent, "/w/rmdir/below");
    add(Op::metadata, "/w/in", {}, 0, 8);
    EXPECT_THAT(paths(List::absent), ElementsAre("/w/later"));
    EXPECT_THAT(paths(List::probed), ElementsAre("/w/ln", "/w/there"));
    EXPECT_THAT(paths(List::listed), ElementsAre("/w/dir"));
    EXPECT_THAT(paths(List::metadata), ElementsAre("/w/in"));
    EXPECT_EQ(pid_of(List::metadata, "/w/in"), 8u);
    EXPECT_THAT(outputs(), ElementsAre("/w/later"));
}

TEST_F(AccessSetTest, WhatFailedOrHasNoPlaceChangesNothing) {
    set.add(access(Op::write, "/w/a", 1, 0, {}, EACCES));
    set.add(access(Op::read, "memfd:x", 1, flag_memory));
    add(Op::read, "/w/dir", {}, flag_directory);
    EXPECT_THAT(inputs(), IsEmpty());
    EXPECT_THAT(outputs(), IsEmpty());
    set.add(access(Op::connect, "inet:1.2.3.4:80", 1, 0, {}, EINPROGRESS));
    set.add(access(Op::connect, "inet:1.2.3.4:80", 2));
    set.add(access(Op::bind, "unix:/x", 2));
    set.add(access(Op::write, "/host/log", 2, flag_unreachable));
    ASSERT_EQ(set.connections().size(), 2u);
    EXPECT_EQ(set.connections()[0].pid, 1u);
    EXPECT_EQ(set.connections()[0].error, EINPROGRESS);
    ASSERT_EQ(set.unreachable().size(), 1u);
    EXPECT_THAT(outputs(), IsEmpty());
}

TEST_F(AccessSetTest, PathsAreBytes) {
    for (const char* path : {"/", "/a//b/./c/", "/\xff\n\"", "/ (deleted)", "/x/../y", "relative/p"})
        add(Op::read, path);
    add(Op::read, "/" + std::string(255, 'n') + "/" + std::string(9000, 'm'));
    EXPECT_THAT(inputs(), ElementsAre("/", "/ (deleted)", "/a/b/c",
                                      "/" + std::string(255, 'n') + "/" + std::string(9000, 'm'), "/x/../y",
                                      "/\xff\n\"", "relative/p"));
    add(Op::read, "");
    add(Op::read, "/" + std::string(70'000, 'x'));
    EXPECT_EQ(set.omitted(), 2u);
}

// An independent, slow model of the rule over a little world: sets of whole paths, no tree.
struct Model {
    std::set<std::string> input, written, own, gone;
    void read(const std::string& p) {
        if (!own.contains(p)) input.insert(p);
    }
    void write(const std::string& p) { written.insert(p), own.insert(p), gone.erase(p); }
    void remove(const std::string& p) { own.erase(p), gone.insert(p); }
    void rename_directory(const std::string& from, const std::string& to) {
        Paths inside;
        for (const auto& p : own)
            if (p.starts_with(from + "/")) inside.push_back(p);
        for (const auto& p : inside) {
            own.erase(p), written.erase(p), gone.insert(p);
            write(to + p.substr(from.size()));
        }
    }
    Paths outputs() const {
        Paths all;
        for (const auto& p : written)
            if (!gone.contains(p)) all.push_back(p);
        return all;
    }
};

TEST(AccessSetProperty, AgreesWithAModel) {
    std::mt19937 random(5);
    for (int round = 0; round < 400; ++round) {
        AccessSet set(plenty);
        Model model;
        // Directories that the task makes; only one of them exists under each name.
        std::set<std::string> directories{"/d0", "/d1"};
        for (const auto& d : directories) set.add(access(Op::mkdir, d));
        std::set<std::string> files;  // that exist, so that the events are ones that can happen
        for (int step = 0; step < 60; ++step) {
            auto d = std::next(directories.begin(), static_cast<long>(random() % directories.size()));
            std::string file = *d + "/f" + std::to_string(random() % 4);
            std::string foreign = "/in/f" + std::to_string(random() % 4);
            switch (random() % 6) {
                case 0:
                    set.add(access(Op::write, file)), model.write(file), files.insert(file);
                    break;
                case 1:
                    set.add(access(Op::read, foreign)), model.read(foreign);
                    break;
                case 2:
                    if (files.contains(file)) set.add(access(Op::read, file)), model.read(file);
                    break;
                case 3:
                    if (files.erase(file)) set.add(access(Op::remove, file)), model.remove(file);
                    break;
                case 4:
                    set.add(access(Op::write, foreign)), model.write(foreign);
                    break;
                default: {
                    std::string from = *d, to = "/e" + std::to_string(step);
                    set.add(access(Op::rename, from, 1, flag_directory, to));
                    model.rename_directory(from, to);
                    std::set<std::string> moved;
                    for (const auto& f : files)
                        moved.insert(f.starts_with(from + "/") ? to + f.substr(from.size()) : f);
                    files = moved;
                    directories.erase(from);
                    directories.insert(to);
                    set.add(access(Op::rename, from, 1, flag_directory, to));  // repeated
                }
            }
        }
        Paths inputs, outputs;
        set.for_each(List::inputs, [&](const AccessSet::Entry& e) { inputs.emplace_back(e.path); });
        set.for_each(List::outputs, [&](const AccessSet::Entry& e) { outputs.emplace_back(e.path); });
        std::sort(inputs.begin(), inputs.end());
        std::sort(outputs.begin(), outputs.end());
        EXPECT_EQ(inputs, Paths(model.input.begin(), model.input.end())) << "round " << round;
        EXPECT_EQ(outputs, model.outputs()) << "round " << round;
    }
}

std::string long_path(unsigned i) {
    return "/workspace/node_modules/package-" + std::to_string(i % 5000) + "/lib/module-" +
           std::to_string(i / 50'000) + "/some-longer-file-name-" + std::to_string(i) + ".js";
}

TEST(AccessSetMemory, FourHundredThousandPathsInFiftyMiB) {
    struct mallinfo2 before = ::mallinfo2();
    AccessSet set(50u * 1024 * 1024);
    for (unsigned i = 0; i < 400'000; ++i) set.add(access(i % 3 ? Op::read : Op::absent, long_path(i)));
    struct mallinfo2 after = ::mallinfo2();
    size_t used = after.uordblks + after.hblkhd - before.uordblks - before.hblkhd;
    EXPECT_EQ(set.omitted(), 0u);
    EXPECT_LT(set.memory(), 50u * 1024 * 1024);
    if (used == 0) GTEST_SKIP() << "this allocator does not tell (a sanitizer's)";
    EXPECT_LT(used, 50u * 1024 * 1024);
    // Its own account of it is what the limit goes by.
    EXPECT_LT(set.memory(), used + used / 10);
    EXPECT_GT(set.memory(), used - used / 10);
    RecordProperty("bytes", static_cast<int>(used));
}

TEST(AccessSetMemory, TheLimitHoldsAndIsTold) {
    AccessSet set(4u * 1024 * 1024);
    set.add(access(Op::write, "/a"));
    set.add(access(Op::rename, "/a", 1, 0, "/b"));
    for (unsigned i = 0; i < 150'000; ++i) set.add(access(Op::absent, long_path(i)));
    EXPECT_LT(set.memory(), 5u * 1024 * 1024);
    EXPECT_GT(set.omitted(), 50'000u);
    // What is known already goes on being followed.
    set.add(access(Op::write, long_path(0)));
    Paths outputs;
    set.for_each(List::outputs, [&](const AccessSet::Entry& e) { outputs.emplace_back(e.path); });
    EXPECT_THAT(outputs, ElementsAre("/b", long_path(0)));
    for (unsigned i = 0; i < 300'000; ++i) set.add(access(Op::rename, "/a", 1, 0, "/b"));
    for (unsigned i = 0; i < 50'000; ++i) set.add(access(Op::connect, "unix:" + long_path(i)));
    EXPECT_LT(set.memory(), 14u * 1024 * 1024);
}

TEST(NameTree, WalksInOrderWithWholePaths) {
    NameTree tree;
    std::set<std::string> paths;
    std::mt19937 random(3);
    for (int i = 0; i < 20'000; ++i) {
        std::string path;
        for (size_t depth = 1 + random() % 6; depth > 0; --depth) path += "/" + std::to_string(random() % 9);
        ASSERT_EQ(tree.path(tree.intern(path, plenty)), path);
        for (size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
            paths.insert(path.substr(0, at));
            if (at == std::string::npos) break;
        }
    }
    Paths walked;
    tree.for_each_sorted([&](NameTree::Id id, std::string_view path) {
        EXPECT_EQ(tree.path(id), path);
        walked.emplace_back(path);
    });
    ASSERT_EQ(walked.front(), "/");
    walked.erase(walked.begin());
    EXPECT_EQ(walked, Paths(paths.begin(), paths.end()));
}

}  // namespace
}  // namespace spoor
