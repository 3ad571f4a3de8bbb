// A directory of one test, and volumes in it.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cstdio>
#include <string>

#include "tests/support/temp_dir.h"

namespace spoor::ctl {

// What the program says, on stdout and stderr, and how it ends.
struct Output {
    int code = -1;
    std::string text;
};

inline Output spoorctl(const std::string& arguments) {
    std::FILE* pipe = ::popen((std::string(SPOORCTL_PROGRAM) + " " + arguments + " 2>&1").c_str(), "r");
    Output output;
    char buffer[4096];
    while (size_t got = std::fread(buffer, 1, sizeof buffer, pipe)) output.text.append(buffer, got);
    int status = ::pclose(pipe);
    output.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return output;
}

class InDirectory : public testing::Test {
protected:
    void write(const std::string& name, const std::string& text) const { directory_.write(name, text); }

    // A volume with these files in trace/.
    void make_session(const std::string& more = R"("state":"finished","complete":true)") const {
        write(
            "trace/session.json",
            R"({"schema":"spoor.session/1","containerId":"c","image":"","annotations":{},"family":"syscall-exit",)"
            R"("lost":0,"reasons":[],"warnings":[],"files":{"processes":"processes.jsonl","accesses":["accesses.jsonl"]},)" +
                more + "}\n");
    }

private:
    test::TempDir directory_;

protected:
    const std::string& root = directory_.path();
};

}  // namespace spoor::ctl
