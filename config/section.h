// One map of a spoor.yaml being read: each key is taken at most once, with the type that it wants;
// what nobody took is unknown. Private to this room, like every header that names yaml-cpp.
#pragma once

#include <yaml-cpp/yaml.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace spoor {

// "FILE:LINE:COLUMN: message", without the position if there is none. One line: messages quote
// values, and a YAML value may hold any character.
Error config_fault(const std::string& file, const YAML::Mark& mark, std::string message);

class Section {
public:
    // `prefix` is what stands before a key in messages: "" or "broker.". Faults go to `errors`.
    Section(const YAML::Node& map, std::string file, std::string prefix, std::vector<Error>& errors);

    // Each leaves `out` alone if the key is not there or is wrong.
    void boolean(std::string_view key, bool& out);
    void number(std::string_view key, uint32_t& out);
    void text(std::string_view key, std::string& out);
    // The name of an environment variable, of at most 47 bytes (spoord compares no longer ones), or "".
    void variable(std::string_view key, std::string& out);
    void texts(std::string_view key, std::vector<std::string>& out);
    // Words of letters, digits, `-`, `_` and `.`, with at least `least` letters or digits each; they are
    // added to `out`, what is there already is not added again.
    void more_words(std::string_view key, size_t least, std::vector<std::string>& out);
    void absolute_path(std::string_view key, std::string& out);
    // A URL that base/url.h takes, or "". Errors do not quote it.
    void http_url(std::string_view key, std::string& out);
    // Patterns of hosts, as base/url.h has them.
    void hosts(std::string_view key, std::vector<std::string>& out);
    void absolute_paths(std::string_view key, std::vector<std::string>& out);
    void duration(std::string_view key, std::chrono::milliseconds& out, std::chrono::milliseconds least,
                  std::chrono::milliseconds most);
    void size(std::string_view key, uint64_t& out);
    // A power of two from 4 KiB to 1 GiB.
    void ring_size(std::string_view key, uint32_t& out);
    // Calls `take` with the index of the chosen word.
    void choice(std::string_view key, std::span<const std::string_view> words,
                const std::function<void(size_t)>& take);
    void section(std::string_view key, const std::function<void(Section&)>& read);
    // A list of maps; messages count its entries from 1, as in "tenants[2].uid".
    void sections(std::string_view key, const std::function<void(Section&)>& read);
    // One word or a list of at least one; `take` says whether a word is right.
    void words(std::string_view key, std::string_view wanted,
               const std::function<bool(const std::string& word)>& take);
    // A map of words, each under a name of its own.
    void pairs(std::string_view key, std::string_view wanted,
               const std::function<bool(const std::string& name, const std::string& value)>& take);

    // Lines of the file, from 1; 0: the key is not there.
    [[nodiscard]] uint32_t line() const { return line_; }
    [[nodiscard]] uint32_t line_of(std::string_view key) const;
    // "'PREFIX.KEY' MESSAGE", at the key, or at the map if the key is not there.
    void fault_at(std::string_view key, const std::string& message);
    // Takes a key that may not stand here, and says why if it does.
    void refuse(std::string_view key, const std::string& why);

    // Reports the keys that nobody took.
    void finish();

private:
    struct Entry {
        std::string key;
        YAML::Mark key_mark;
        YAML::Node value;
        bool taken = false;
    };

    Entry* take(std::string_view key);
    const std::string* scalar(std::string_view key, std::string_view wanted, YAML::Mark& mark);
    void fault(const YAML::Mark& mark, std::string message);
    void wrong(const YAML::Mark& mark, std::string_view key, std::string_view wanted, std::string_view got);

    std::string file_;
    std::string prefix_;
    YAML::Mark mark_;
    uint32_t line_;
    std::vector<Error>& errors_;
    std::vector<Entry> entries_;
    std::vector<std::string_view> known_;
};

}  // namespace spoor
