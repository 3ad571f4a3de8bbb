// The rules by which redact.h knows a secret: names of settings, beginnings of keys, and options of
// programs whose value is a password. Built-in ones and the operator's, which only ever add.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace spoor {

// The operator's (spoor.yaml, `secrets`). Compared as the built-in ones are.
struct SecretRules {
    std::vector<std::string> names;     // a name that ends in one of these: "corpkey" for --my-corp-key=…
    std::vector<std::string> prefixes;  // a word that begins so, and goes on for 8 characters or more
};

// A key known by how it begins.
struct SecretShape {
    enum class Kind { token, upper, web_token };
    std::string_view prefix;
    size_t tail;  // characters that have to follow
    Kind kind = Kind::token;
};

// An option of one program that takes a secret.
struct SecretOption {
    std::string_view option;
    enum class Value { whole, behind_colon, behind_percent } value;
    bool attached;  // -pVALUE
    bool separate;  // -p VALUE, --option VALUE, --option=VALUE
};

// Threads: any number may read.
class SecretBook {
public:
    explicit SecretBook(const SecretRules& rules = {});
    // Shapes view text of `names_`' and `prefixes_`'.
    SecretBook(const SecretBook&) = delete;
    SecretBook& operator=(const SecretBook&) = delete;

    // Case and everything but letters and digits do not matter. Linear in the name.
    [[nodiscard]] bool is_secret_name(std::string_view name) const;
    // One whose value, behind a colon, goes on to the end of the line: Authorization, Cookie.
    [[nodiscard]] static bool is_header(std::string_view name);
    // Shapes that begin with this character.
    [[nodiscard]] const std::vector<SecretShape>& shapes_from(char first) const {
        return shapes_[static_cast<unsigned char>(first)];
    }
    // Of the program at this path, or of the subcommand `login`; empty: none is known.
    [[nodiscard]] static std::span<const SecretOption> options_of(std::string_view program);

private:
    std::vector<std::string> names_, prefixes_;
    std::array<std::vector<SecretShape>, 256> shapes_;
};

}  // namespace spoor
