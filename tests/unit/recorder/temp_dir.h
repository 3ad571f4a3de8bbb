// A directory for one test, removed with what is in it.
#pragma once

#include <stdlib.h>

#include <string>

#include "base/files.h"

namespace spoor::test {

class TempDir {
public:
    TempDir() {
        char name[] = "/tmp/spoor-recorder-test.XXXXXX";
        path_ = ::mkdtemp(name);
    }
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;
    ~TempDir() { [[maybe_unused]] auto removed = remove_tree(path_); }

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

private:
    std::string path_;
};

}  // namespace spoor::test
