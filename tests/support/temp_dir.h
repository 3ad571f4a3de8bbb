// A directory for one test, removed with what is in it, and shorthands for files in it.
#pragma once

#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <system_error>

namespace spoor::test {

class TempDir {
public:
    explicit TempDir(const std::filesystem::path& parent = std::filesystem::temp_directory_path())
        : path_(parent / "spoor-test-XXXXXX") {
        if (::mkdtemp(path_.data()) == nullptr) std::abort();
    }
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;
    ~TempDir() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

    std::string write(const std::string& name, const std::string& text, bool executable = false) const {
        const std::filesystem::path file = *this / name;
        std::filesystem::create_directories(file.parent_path());
        std::ofstream(file, std::ios::binary) << text;
        if (executable)
            std::filesystem::permissions(file, std::filesystem::perms::owner_exec,
                                         std::filesystem::perm_options::add);
        return file;
    }
    [[nodiscard]] std::string read(const std::string& name) const {
        std::ostringstream text;
        text << std::ifstream(*this / name).rdbuf();
        return text.str();
    }
    // Everything beneath, relative, directories too.
    [[nodiscard]] std::set<std::string> tree() const {
        std::set<std::string> names;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(path_))
            names.insert(std::filesystem::relative(entry.path(), path_));
        return names;
    }

private:
    std::string path_;
};

}  // namespace spoor::test
