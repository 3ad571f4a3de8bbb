#include "signal/redact.h"

#include <gmock/gmock.h>

#include "tests/unit/cpu_time.h"

namespace spoor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using Arguments = std::vector<std::string>;

bool is_secret_name(std::string_view name) { return Redactor().is_secret_name(name); }
std::string redact_text(std::string_view text, bool cut = false) { return Redactor().text(text, cut); }
Arguments redact_argv(const Arguments& argv, bool cut = false) { return Redactor().argv(argv, cut); }

TEST(Redact, NamesOfSecrets) {
    for (const char* name : {"--password",
                             "PASSWORD",
                             "db_passwd",
                             "NPM_TOKEN",
                             "--auth-token",
                             "_authToken",
                             "apiKey",
                             "API-KEY",
                             "AWS_SECRET_ACCESS_KEY",
                             "AWS_ACCESS_KEY_ID",
                             "client_secret",
                             "sig",
                             "dbPass",
                             "DB_PASS",
                             "--pass",
                             "MYSQL_PWD",
                             "X-Api-Key",
                             "PRIVATE-TOKEN",
                             "Set-Cookie",
                             "SIGNING_KEY"})
        EXPECT_TRUE(is_secret_name(name)) << name;
    for (const char* name : {"", "--tokens", "token-file", "PWD", "passwords-file", "--keyring", "design",
                             "tokenizer", "bypass", "--bypass", "OLDPWD", "--key", "compass", "key"})
        EXPECT_FALSE(is_secret_name(name)) << name;
}

TEST(Redact, OptionsAndVariables) {
    EXPECT_THAT(
        redact_argv({"x", "--password=hunter2 and more", "--token", "abc", "PGPASSWORD=p w", "--verbose"}),
        ElementsAre("x", "--password=[redacted]", "--token", "[redacted]", "PGPASSWORD=[redacted]",
                    "--verbose"));
    EXPECT_THAT(redact_argv({"npm", "--//registry.example/:_authToken=abc", "run", "build"}),
                ElementsAre("npm", "--//registry.example/:_authToken=[redacted]", "run", "build"));
    // Not a value but the next option.
    EXPECT_THAT(redact_argv({"x", "--token", "--quiet"}), ElementsAre("x", "--token", "--quiet"));
    // The last argument has no value.
    EXPECT_THAT(redact_argv({"x", "--token"}), ElementsAre("x", "--token"));
}

TEST(Redact, Scripts) {
    EXPECT_THAT(redact_argv({"sh", "-c", "NPM_TOKEN=abc npm publish --otp=1"}),
                ElementsAre("sh", "-c", "NPM_TOKEN=[redacted] npm publish --otp=1"));
    EXPECT_THAT(redact_argv({"bash", "-ec", "login --password 'a b' && echo ok"}),
                ElementsAre("bash", "-ec", "login --password [redacted] && echo ok"));
    EXPECT_THAT(redact_argv({"sh", "-c", "x --token=\"$TOKEN\" --token $T"}),
                ElementsAre("sh", "-c", "x --token=\"$TOKEN\" --token $T"));
}

TEST(Redact, Urls) {
    EXPECT_EQ(redact_text("git clone https://bob:s3cret@host/r.git"),
              "git clone https://bob:[redacted]@host/r.git");
    EXPECT_EQ(redact_text("https://oauthtoken@host/r"), "https://[redacted]@host/r");
    EXPECT_EQ(redact_text("ssh://git@host/r"), "ssh://git@host/r");
    EXPECT_EQ(redact_text("https://ghp_0123456789abcdefghijABCD:x-oauth-basic@host"),
              "https://[redacted]:[redacted]@host");
    EXPECT_EQ(redact_text("postgres://u:p@ss@h:5/db"), "postgres://u:[redacted]@h:5/db");
    EXPECT_EQ(redact_text("https://h/x?a=1&access_token=abc&b=2#f"),
              "https://h/x?a=1&access_token=[redacted]&b=2#f");
    EXPECT_EQ(redact_text("https://h/b?sig=abc%3D&se=2"), "https://h/b?sig=[redacted]&se=2");
    EXPECT_EQ(redact_text("http://host/path@2"), "http://host/path@2");
}

TEST(Redact, Headers) {
    EXPECT_THAT(redact_argv({"curl", "-H", "Authorization: token abc def", "https://h"}),
                ElementsAre("curl", "-H", "Authorization: [redacted]", "https://h"));
    EXPECT_EQ(redact_text("x 'Bearer abcdef.ghi-j' y"), "x 'Bearer [redacted]' y");
    EXPECT_EQ(redact_text("basic setup"), "basic setup");
    EXPECT_EQ(redact_text("Basic dXNlcjpwYXNzd29yZA=="), "Basic [redacted]");
    EXPECT_THAT(redact_argv({"/usr/bin/curl", "-u", "me:pw:x", "--user=a:b", "h"}),
                ElementsAre("/usr/bin/curl", "-u", "me:[redacted]", "--user=a:[redacted]", "h"));
    EXPECT_THAT(redact_argv({"docker", "-u", "1000:1000"}), ElementsAre("docker", "-u", "1000:1000"));
}

TEST(Redact, KnownShapes) {
    EXPECT_EQ(redact_text("id AKIAIOSFODNN7EXAMPLE."), "id [redacted].");
    EXPECT_EQ(redact_text("ghp_0123456789abcdefghijABCDEFGHIJ012345 x"), "[redacted] x");
    EXPECT_EQ(redact_text("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"),
              "[redacted]");
    EXPECT_EQ(redact_text("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY----- rest"),
              "[redacted] rest");
    EXPECT_EQ(redact_text("npm_modules npm_config_x ghp_short"), "npm_modules npm_config_x ghp_short");
}

TEST(Redact, LeavesTheRestAlone) {
    Arguments plain{"/usr/bin/cc", "-DX=1", "-o", "a.o", "a.c", "--target=x86_64", "\xff\xfe", ""};
    EXPECT_EQ(redact_argv(plain), plain);
    EXPECT_EQ(redact_argv({}), Arguments{});
    EXPECT_EQ(redact_argv({"", "=", "--=", "x=", "-"}), (Arguments{"", "=", "--=", "x=", "-"}));
}

TEST(Redact, Annotations) {
    auto shown =
        Redactor().annotations({{"a.token", "abc"}, {"url", "http://u:p@h"}, {"io.spoor.mode", "warn"}});
    EXPECT_EQ(shown["a.token"], "[redacted]");
    EXPECT_EQ(shown["url"], "http://u:[redacted]@h");
    EXPECT_EQ(shown["io.spoor.mode"], "warn");
}

TEST(Redact, OptionsOfPrograms) {
    EXPECT_THAT(redact_argv({"mysql", "-psecret", "-u", "root", "-p", "db"}),
                ElementsAre("mysql", "-p[redacted]", "-u", "root", "-p", "db"));
    EXPECT_THAT(redact_argv({"sudo", "sshpass", "-p", "a b", "ssh", "-p", "22", "h"}),
                ElementsAre("sudo", "sshpass", "-p", "[redacted]", "ssh", "-p", "[redacted]", "h"));
    EXPECT_THAT(redact_argv({"docker", "run", "-p", "80:80", "x"}),
                ElementsAre("docker", "run", "-p", "80:80", "x"));
    EXPECT_THAT(redact_argv({"docker", "login", "-u", "me", "-p", "s", "registry"}),
                ElementsAre("docker", "login", "-u", "me", "-p", "[redacted]", "registry"));
    EXPECT_THAT(redact_argv({"redis-cli", "-a", "s", "ping"}),
                ElementsAre("redis-cli", "-a", "[redacted]", "ping"));
    EXPECT_THAT(redact_argv({"curl", "-ume:pw", "-U", "x:y", "--oauth2-bearer", "t", "-b", "sid=1"}),
                ElementsAre("curl", "-ume:[redacted]", "-U", "x:[redacted]", "--oauth2-bearer", "[redacted]",
                            "-b", "[redacted]"));
    EXPECT_THAT(redact_argv({"smbclient", "-U", "bob%pw"}), ElementsAre("smbclient", "-U", "bob%[redacted]"));
    EXPECT_THAT(redact_argv({"npm", "config", "set", "//r.example/:_authToken", "abc"}),
                ElementsAre("npm", "config", "set", "//r.example/:_authToken", "[redacted]"));
    EXPECT_THAT(redact_argv({"grep", "password", "a.c"}), ElementsAre("grep", "password", "a.c"));
    // A value that is no name:password can be a secret of another form.
    EXPECT_THAT(redact_argv({"curl", "-u", "--token=x"}), ElementsAre("curl", "-u", "--token=[redacted]"));
    EXPECT_THAT(redact_argv({"openssl", "rsa", "-passin", "pass:x y"}),
                ElementsAre("openssl", "rsa", "-passin", "pass:[redacted] y"));
}

TEST(Redact, CommandsInScripts) {
    EXPECT_THAT(redact_argv({"sh", "-c", "cd /w && mysql -psecret db; ls -p x"}),
                ElementsAre("sh", "-c", "cd /w && mysql -p[redacted] db; ls -p x"));
    EXPECT_THAT(redact_argv({"sh", "-c", "bash -c 'mysql -psecret' && sshpass -p 'a b' ssh h"}),
                ElementsAre("sh", "-c", "bash -c 'mysql -p[redacted]' && sshpass -p [redacted] ssh h"));
    EXPECT_EQ(redact_text("a --token 'x y'; b --token=\"x y\"&& c"),
              "a --token [redacted]; b --token=[redacted]&& c");
    EXPECT_THAT(redact_argv({"ssh", "host", "curl -u me:pw https://h"}),
                ElementsAre("ssh", "host", "curl -u me:[redacted] https://h"));
    EXPECT_THAT(redact_argv({"sh", "-c", "docker login --password s3 -u u"}),
                ElementsAre("sh", "-c", "docker login --password [redacted] -u u"));
}

TEST(Redact, Quoting) {
    for (const char* script : {
             "x --token='hidden one' y",
             "x --token=\"hidden one\" y",
             "x --token \"hidden one\" y",
             "x --token=hid'den o'ne y",
             "x --token=a\"hidden one\"b y",
             "x --token=hidden\\ one y",
             "x --token=\\\"hidden one\\\" y",
             "x \"--token=hidden\" y",
             "bash -c \"x --token='hidden one'\" y",
             "x --token=\"hid\\\"hidden one\" y",
             "x --data='{\"password\": \"hidden one\"}' y",
             "x --data=\"{\\\"password\\\":\\\"hidden one\\\"}\" y",
             "x -H 'X-Api-Key: hidden one' y",
             "printf 'password: hidden one' y",
             "x --password '$hidden' y",
             "x --password $hidden.one y",
         }) {
        const std::string shown = redact_text(script);
        EXPECT_THAT(shown, Not(HasSubstr("hidden"))) << script;
        EXPECT_THAT(shown, Not(HasSubstr("one"))) << script << " became " << shown;
        EXPECT_THAT(shown, HasSubstr(" y")) << script << " became " << shown;
    }
    EXPECT_EQ(redact_text("echo \"TOKEN=\" > .env; make"), "echo \"TOKEN=\" > .env; make");
    EXPECT_EQ(redact_text("x --token ${T} --password \"$P\" --secret $(cat f)"),
              "x --token ${T} --password \"$P\" --secret $(cat f)");
}

TEST(Redact, JsonAndHeaders) {
    EXPECT_EQ(redact_text(R"({"user":"u","password":"p w","n":1})"),
              R"({"user":"u","password":[redacted],"n":1})");
    EXPECT_EQ(redact_text("aws_secret_access_key = abc/def\nregion = x"),
              "aws_secret_access_key = [redacted]\nregion = x");
    EXPECT_EQ(redact_text("Cookie: a=b; c=d\nAccept: x"), "Cookie: [redacted]\nAccept: x");
    EXPECT_EQ(redact_text("Authorization:Bearer x y\nHost: z"), "Authorization:[redacted]\nHost: z");
    EXPECT_EQ(redact_text("AccountName=n;AccountKey=abc=="), "AccountName=n;AccountKey=[redacted]");
    EXPECT_EQ(redact_text("std::Token::next Token::x"), "std::Token::next Token::x");
}

// All that the kernel side saw of an argument is its beginning.
TEST(Redact, CutAnywhere) {
    const std::string hidden = "0123456789abcdefGHIJ0123456789abcdefGHIJ";
    for (const std::string before :
         {"ghp_", "glpat-", "npm_", "github_pat_", "xoxb-", "eyJ", "AKIA",
          "--token=", "https://u:", "https://", "Authorization: Bearer ", "Basic ",
          "X-Api-Key: ", "PASSWORD='", "{\"password\":\"", "-----BEGIN PRIVATE KEY-----\n"}) {
        std::string all = before + hidden;
        if (before == "AKIA") all = "AKIAIOSFODNN7EXAMPLE";
        for (size_t size = before.size() + 1; size <= all.size(); ++size) {
            const std::string cut = all.substr(0, size), secret = cut.substr(before.size());
            const auto whole = redact_argv({"x", cut}, true);
            EXPECT_THAT(whole[1], Not(HasSubstr(secret))) << cut;
            const auto script = redact_argv({"sh", "-c", "x; y " + cut}, true);
            EXPECT_THAT(script[2], Not(HasSubstr(secret))) << cut;
        }
    }
    // Not the last argument: it was seen whole.
    EXPECT_THAT(redact_argv({"ghp_x", "y"}, true), ElementsAre("ghp_x", "y"));
}

TEST(Redact, MoreShapes) {
    for (const char* key :
         {"AKIAIOSFODNN7EXAMPLE", "github_pat_11AAAAAAA0aaaaaaaaaaaa_bbbb", "glpat-abcdefghij0123456789",
          "npm_abcdefghijklmnopqrstuvwxyz0123456789", "xoxb-123456789012-abcdef",
          "hvs.CAESIJabcdefghijklmnop", "sk_live_abcdefghijklmnop", "dckr_pat_abcdefghijklmnop",
          "sk-ant-api03-abcdefghijklmnop"}) {
        EXPECT_EQ(redact_text(std::string("a ") + key + " b"), "a [redacted] b");
        EXPECT_EQ(redact_text(std::string("--x=") + key), "--x=[redacted]");
    }
    EXPECT_EQ(redact_text("-----BEGIN CERTIFICATE-----\nabc"), "-----BEGIN CERTIFICATE-----\nabc");
    EXPECT_EQ(redact_text("ASIA-PACIFIC-REGION-ONE-TWO"), "ASIA-PACIFIC-REGION-ONE-TWO");
}

TEST(Redact, RulesOfTheOperator) {
    const Redactor redactor({{"Corp-Key"}, {"corp_pat_"}});
    EXPECT_THAT(redactor.argv({"x", "--my_corpkey", "a", "MY_CORP_KEY=b", "corp_pat_12345678", "--token=c"}),
                ElementsAre("x", "--my_corpkey", "[redacted]", "MY_CORP_KEY=[redacted]", "[redacted]",
                            "--token=[redacted]"));
    EXPECT_EQ(redactor.text("corp_pat_1"), "corp_pat_1");
    EXPECT_EQ(redactor.text("corp_pat_1", true), "[redacted]");
    EXPECT_EQ(redact_text("corp_pat_12345678"), "corp_pat_12345678");
}

// Twice the text may take twice the time, not four times: a quadratic rule takes minutes for these.
TEST(Redact, TimeIsLinear) {
    constexpr size_t size = 1 << 20;
    for (const char* unit : {"eyJ-",         "eyJ.",       "-----BEGIN ",
                             "://",          "https://a:", "token=\"",
                             "token='\\\" ", "bearer ",    "curl -u\"",
                             "curl -u \"",   "--token ",   "'",
                             "\"a",          "npm_-",      "password : ",
                             "a=",           ":",          "-----BEGIN PRIVATE KEY-----END",
                             "mysql -p",     "set token ", "\\",
                             "Cookie: \"x"}) {
        std::string text;
        while (text.size() < size) text += unit;
        const CpuTime time;
        (void)redact_text(text);
        (void)redact_argv({text, text.substr(0, size / 2)}, true);
        EXPECT_LT(time.ms(), cpu_limit_ms(5'000)) << unit;
    }
}

TEST(Redact, TwiceIsOnce) {
    Arguments secret{
        "curl", "-u", "a:b", "--token=x", "-H", "Authorization: Bearer abcdefgh", "https://a:b@c/?token=d"};
    auto once = redact_argv(secret);
    EXPECT_EQ(redact_argv(once), once);
}

}  // namespace
}  // namespace spoor
