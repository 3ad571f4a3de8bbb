// Keeps secrets out of the volume: command lines and annotations are shown to whoever can read it.
//
// What is replaced by `[redacted]`; case and the separators `-` and `_` in names do not matter:
//  - the value of NAME=value, --NAME=value, --NAME value and a URL's ?NAME=value where NAME ends in
//    password, passwd, passphrase, secret, token, apikey, accesskey, accesskeyid, secretkey,
//    privatekey, authkey, credential(s), signature (or is `sig`): --db-password, NPM_TOKEN, _authToken
//  - what follows `Bearer`, `Basic` (16 characters or more), and an `Authorization:` header's value
//  - the password in scheme://user:password@host, and the lone user of http(s)://user@host
//  - the password in curl's and wget's -u / --user name:password
//  - keys known by their shape: AWS (AKIA…, ASIA…), GitHub (ghp_ gho_ ghu_ ghs_ ghr_ github_pat_),
//    GitLab (glpat-), npm (npm_), Slack (xoxb- …), Google (AIza…), JSON web tokens, PEM private keys
//
// A guard against carelessness, not a proof: a secret of no known shape in a plain argument stays.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace spoor {

inline constexpr std::string_view redacted = "[redacted]";

// True for the NAMEs above.
[[nodiscard]] bool is_secret_name(std::string_view name);
// One text in which NAME=value ends at white space, a quote, or (in a URL) at '&': scripts, URLs.
[[nodiscard]] std::string redact_text(std::string_view text);
// A whole command line, arguments seen in their context. Works on bytes.
[[nodiscard]] std::vector<std::string> redact_argv(std::vector<std::string> argv);
// A value by its key, else as text.
[[nodiscard]] std::map<std::string, std::string> redact_annotations(
    const std::map<std::string, std::string>& annotations);

}  // namespace spoor
