#include "signal/secret_names.h"

#include <algorithm>

namespace spoor {
namespace {

using Kind = SecretShape::Kind;
using Value = SecretOption::Value;

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_alnum(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || is_upper(c); }
char lower(char c) { return is_upper(c) ? static_cast<char>(c + 32) : c; }

constexpr std::string_view endings[] = {
    "password",      "passwd",      "passphrase",    "secret",       "token",
    "apikey",        "accesskey",   "secretkey",     "privatekey",   "authkey",
    "credential",    "credentials", "signature",     "accountkey",   "signingkey",
    "deploykey",     "accesskeyid", "encryptionkey", "sharedkey",    "storagekey",
    "masterkey",     "sessionkey",  "hmackey",       "licensekey",   "sshkey",
    "authorization", "cookie",      "userpass",      "dbpass",       "rootpass",
    "adminpass",     "sqlpass",     "oauth2bearer",  "presharedkey", "connectionstring",
};

constexpr SecretShape built_in_shapes[] = {
    {"AKIA", 16, Kind::upper},
    {"ASIA", 16, Kind::upper},
    {"ghp_", 20},
    {"gho_", 20},
    {"ghu_", 20},
    {"ghs_", 20},
    {"ghr_", 20},
    {"github_pat_", 20},
    {"glpat-", 16},
    {"gldt-", 16},
    {"glrt-", 16},
    {"glptt-", 16},
    {"glcbt-", 16},
    {"npm_", 30},
    {"pypi-", 30},
    {"dckr_pat_", 16},
    {"xoxa-", 10},
    {"xoxb-", 10},
    {"xoxp-", 10},
    {"xoxr-", 10},
    {"xoxs-", 10},
    {"xapp-", 10},
    {"AIza", 30},
    {"ya29.", 16},
    {"sk_live_", 16},
    {"rk_live_", 16},
    {"sk-ant-", 16},
    {"sk-proj-", 16},
    {"hf_", 30},
    {"hvs.", 16},
    {"dop_v1_", 30},
    {"SG.", 30},
    {"eyJ", 30, Kind::web_token},
};
constexpr size_t own_prefix_tail = 8;

constexpr SecretOption curl[] = {
    {"-u", Value::behind_colon, true, true}, {"--user", Value::behind_colon, false, true},
    {"-U", Value::behind_colon, true, true}, {"--proxy-user", Value::behind_colon, false, true},
    {"-E", Value::behind_colon, true, true}, {"--cert", Value::behind_colon, false, true},
    {"-b", Value::whole, true, true},
};
constexpr SecretOption httpie[] = {{"-a", Value::behind_colon, true, true},
                                   {"--auth", Value::behind_colon, false, true}};
constexpr SecretOption p_attached[] = {{"-p", Value::whole, true, false}};
constexpr SecretOption p_any[] = {{"-p", Value::whole, true, true}};
constexpr SecretOption upper_p_any[] = {{"-P", Value::whole, true, true}};
constexpr SecretOption a_any[] = {{"-a", Value::whole, true, true}};
constexpr SecretOption w_any[] = {{"-w", Value::whole, true, true}};
constexpr SecretOption smb[] = {{"-U", Value::behind_percent, true, true},
                                {"--user", Value::behind_percent, false, true}};
constexpr SecretOption keygen[] = {{"-N", Value::whole, true, true}, {"-P", Value::whole, true, true}};
constexpr SecretOption openssl[] = {{"-k", Value::whole, false, true}, {"-K", Value::whole, false, true}};

struct Program {
    std::string_view name;
    std::span<const SecretOption> options;
};
constexpr Program programs[] = {
    {"curl", curl},
    {"http", httpie},
    {"https", httpie},
    {"xh", httpie},
    {"mysql", p_attached},
    {"mysqldump", p_attached},
    {"mysqladmin", p_attached},
    {"mysqlcheck", p_attached},
    {"mysqlimport", p_attached},
    {"mysqlshow", p_attached},
    {"mariadb", p_attached},
    {"mariadb-dump", p_attached},
    {"mariadb-admin", p_attached},
    {"7z", p_attached},
    {"7za", p_attached},
    {"7zr", p_attached},
    {"7zz", p_attached},
    {"sshpass", p_any},
    {"mongo", p_any},
    {"mongosh", p_any},
    {"mongodump", p_any},
    {"mongorestore", p_any},
    {"login", p_any},
    {"zip", upper_p_any},
    {"unzip", upper_p_any},
    {"sqlcmd", upper_p_any},
    {"bcp", upper_p_any},
    {"redis-cli", a_any},
    {"valkey-cli", a_any},
    {"ldapsearch", w_any},
    {"ldapadd", w_any},
    {"ldapmodify", w_any},
    {"ldapdelete", w_any},
    {"ldappasswd", w_any},
    {"ldapwhoami", w_any},
    {"smbclient", smb},
    {"ssh-keygen", keygen},
    {"openssl", openssl},
};

std::string bare(std::string_view name) {
    std::string out;
    for (char c : name)
        if (is_alnum(c)) out += lower(c);
    return out;
}

// The last word of dbPass, DB_PASS, db-pass; `alone`: there is no word before it.
std::string last_word(std::string_view name, bool& alone) {
    while (!name.empty() && !is_alnum(name.back())) name.remove_suffix(1);
    size_t begin = name.size();
    while (begin > 0 && is_alnum(name[begin - 1])) {
        --begin;
        if (is_upper(name[begin]) && begin > 0 && !is_upper(name[begin - 1])) break;
    }
    alone = std::none_of(name.begin(), name.begin() + static_cast<ptrdiff_t>(begin), is_alnum);
    return bare(name.substr(begin));
}

}  // namespace

SecretBook::SecretBook(const SecretRules& rules) : prefixes_(rules.prefixes) {
    for (const std::string& name : rules.names)
        if (std::string wanted = bare(name); !wanted.empty()) names_.push_back(std::move(wanted));
    const auto add = [this](const SecretShape& shape) {
        shapes_[static_cast<unsigned char>(shape.prefix.front())].push_back(shape);
    };
    for (const SecretShape& shape : built_in_shapes) add(shape);
    for (const std::string& prefix : prefixes_)
        if (!prefix.empty()) add({prefix, own_prefix_tail});
}

bool SecretBook::is_secret_name(std::string_view name) const {
    const std::string all = bare(name);
    if (all == "sig") return true;
    const auto ends = [&all](std::string_view ending) { return all.ends_with(ending); };
    if (std::any_of(std::begin(endings), std::end(endings), ends) ||
        std::any_of(names_.begin(), names_.end(), ends))
        return true;
    // Short ones count as words only: no bypass, no compass; and $PWD is a directory.
    if (!ends("pass") && !ends("pwd")) return false;
    bool alone = false;
    const std::string word = last_word(name, alone);
    return word == "pass" || (word == "pwd" && !alone);
}

bool SecretBook::is_header(std::string_view name) {
    const std::string all = bare(name);
    return all.ends_with("authorization") || all.ends_with("cookie");
}

std::span<const SecretOption> SecretBook::options_of(std::string_view program) {
    if (size_t slash = program.rfind('/'); slash != std::string_view::npos) program.remove_prefix(slash + 1);
    for (const Program& known : programs)
        if (known.name == program) return known.options;
    return {};
}

}  // namespace spoor
