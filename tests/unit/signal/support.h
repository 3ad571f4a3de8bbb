// What the tests of this room share: a directory that goes away, whole files, events in one line.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/files.h"
#include "signal/event.h"
#include "tests/support/temp_dir.h"

namespace spoor::test {

// A directory for one test, open.
class TemporaryDirectory : public TempDir {
public:
    explicit TemporaryDirectory(const std::filesystem::path& parent = std::filesystem::temp_directory_path())
        : TempDir(parent), fd_(::open(path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {}
    using TempDir::path;
    [[nodiscard]] std::string path(const std::string& below) const { return *this / below; }
    [[nodiscard]] int fd() const { return fd_.get(); }

private:
    UniqueFd fd_;
};

inline std::string content(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    EXPECT_TRUE(file.good()) << path;
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

// What another thread does by and by; false if it has not in a minute.
template <typename Condition>
bool eventually(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
}

inline void put(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
}

inline std::vector<std::string> lines(const std::string& text) {
    std::vector<std::string> all;
    std::stringstream stream(text);
    for (std::string line; std::getline(stream, line);) all.push_back(line);
    EXPECT_TRUE(text.empty() || text.back() == '\n') << "half a line at the end";
    return all;
}

inline AccessEvent access(Op op, std::string path, uint32_t pid = 1, uint16_t flags = 0, std::string to = {},
                          int error = 0) {
    AccessEvent event;
    event.process = {pid, uint64_t{pid} * 1000};
    event.op = op;
    event.flags = flags;
    event.error = error;
    event.path = std::move(path);
    event.to = std::move(to);
    return event;
}

inline ExecEvent exec(ProcessKey process, std::string exe, std::vector<std::string> argv,
                      uint32_t parent = 0) {
    ExecEvent event;
    event.process = process;
    event.parent_pid = parent;
    event.exe = std::move(exe);
    event.argv = std::move(argv);
    event.cwd = "/w";
    return event;
}

}  // namespace spoor::test
