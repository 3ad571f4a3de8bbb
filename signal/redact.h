// Keeps secrets out of the volume: command lines and annotations are shown to whoever can read it.
// docs/security.md lists the rules for people; secret_names.cc is the list itself.
//
// What is replaced by `[redacted]`; case and separators in names do not matter:
//  - the value of NAME=value, NAME = value, NAME: value, "NAME": "value", --NAME=value, --NAME value,
//    `config set NAME value` and a URL's ?NAME=value where NAME ends in password, token, secret, apikey
//    and so on: --db-password, NPM_TOKEN, _authToken, X-Api-Key; in scripts with the shell's quoting
//  - header fields Authorization and Cookie to the end of their line; what follows `Bearer` and `Basic`
//  - the password in scheme://user:password@host, and the lone user of http(s)://user@host
//  - values of options that programs are known for: curl -u name:…, mysql -p…, sshpass -p …, login -p …
//  - keys known by their shape (AWS, GitHub, GitLab, npm, Slack, Google and others, JSON web tokens)
//    and PEM private keys
// and what the operator's rules add. A variable's name (--token=$TOKEN in a script) stays.
//
// A guard against carelessness, not a proof: a secret of no known shape in a plain argument stays, and
// so does one that is encoded. Rather too much is replaced than too little. Takes time linear in the text.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "signal/secret_names.h"

namespace spoor {

inline constexpr std::string_view redacted = "[redacted]";

// Threads: any number may use one at once. Copies share the rules.
class Redactor {
public:
    explicit Redactor(const SecretRules& rules = {}) : book_(std::make_shared<SecretBook>(rules)) {}

    // One text with words in it: scripts, URLs, JSON.
    [[nodiscard]] std::string text(std::string_view text, bool cut = false) const;
    // A whole command line, arguments seen in their context. Works on bytes. `cut`: it went on behind
    // the last argument, or in it: what may be the beginning of a secret there is replaced.
    [[nodiscard]] std::vector<std::string> argv(const std::vector<std::string>& argv, bool cut = false) const;
    // A value by its key, else as text.
    [[nodiscard]] std::map<std::string, std::string> annotations(
        const std::map<std::string, std::string>& annotations) const;
    [[nodiscard]] bool is_secret_name(std::string_view name) const { return book_->is_secret_name(name); }

private:
    std::shared_ptr<const SecretBook> book_;
};

}  // namespace spoor
