#include "signal/line_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "base/files.h"

namespace spoor {
namespace {

struct Directory {
    Directory() {
        path = ::testing::TempDir() + "line_file." + std::to_string(::getpid());
        std::filesystem::create_directory(path);
        auto opened = open_file(path, O_RDONLY | O_DIRECTORY);
        if (!opened) std::abort();
        fd = std::move(*opened);
    }
    ~Directory() { std::filesystem::remove_all(path); }
    [[nodiscard]] ino_t inode(const std::string& name) const {
        struct stat st {};
        return ::fstatat(fd.get(), name.c_str(), &st, 0) == 0 ? st.st_ino : 0;
    }
    std::string path;
    UniqueFd fd;
};

std::vector<ino_t> inodes(const std::vector<UniqueFd>& files) {
    std::vector<ino_t> found;
    for (const UniqueFd& file : files) {
        struct stat st {};
        EXPECT_EQ(::fstat(file.get(), &st), 0);
        found.push_back(st.st_ino);
    }
    return found;
}

void add_line(LineFile& file, const char* line) {
    file.buffer() += line;
    file.end_line();
}

TEST(LineFileUnsynced, NewNamesAndWhatWasWrittenOnce) {
    const Directory dir;
    LineFile file(dir.fd.get(), "lines");
    ASSERT_TRUE(file.open());
    EXPECT_EQ(inodes(file.take_unsynced()), std::vector{dir.inode(".")}) << "the name is new";
    EXPECT_TRUE(file.take_unsynced().empty());
    add_line(file, "one\n");
    EXPECT_TRUE(file.take_unsynced().empty()) << "not written yet";
    file.flush();
    EXPECT_EQ(inodes(file.take_unsynced()), std::vector{dir.inode("lines")});
    EXPECT_TRUE(file.take_unsynced().empty());
}

TEST(LineFileUnsynced, APartThatWasMovedAway) {
    const Directory dir;
    LineFile file(dir.fd.get(), "lines");
    ASSERT_TRUE(file.open());
    (void)file.take_unsynced();
    add_line(file, "one\n");
    ASSERT_TRUE(file.rotate("lines.1"));
    add_line(file, "two\n");
    file.flush();
    EXPECT_EQ(inodes(file.take_unsynced()),
              (std::vector{dir.inode("lines.1"), dir.inode("."), dir.inode("lines")}));
}

}  // namespace
}  // namespace spoor
