// A directory of one test, and volumes in it.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <fstream>
#include <string>

#include "base/files.h"

namespace spoor::ctl {

class InDirectory : public testing::Test {
protected:
    InDirectory() {
        std::string path = testing::TempDir() + "spoorctl-XXXXXX";
        if (::mkdtemp(path.data())) root = path;
    }
    ~InDirectory() override { (void)remove_tree(root); }

    void write(const std::string& name, const std::string& text) const {
        std::string path = root + "/" + name;
        ASSERT_TRUE(make_directories(path.substr(0, path.rfind('/')), 0755));
        std::ofstream(path, std::ios::binary) << text;
    }

    // A volume with these files in trace/.
    void make_session(const std::string& more = R"("state":"finished","complete":true)") const {
        write(
            "trace/session.json",
            R"({"schema":"spoor.session/1","containerId":"c","image":"","annotations":{},"family":"syscall-exit",)"
            R"("lost":0,"reasons":[],"warnings":[],"files":{"processes":"processes.jsonl","accesses":["accesses.jsonl"]},)" +
                more + "}\n");
    }

    std::string root;
};

}  // namespace spoor::ctl
