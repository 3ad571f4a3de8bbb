#include "signal/redact.h"

#include <gmock/gmock.h>

namespace spoor {
namespace {

using testing::ElementsAre;
using Arguments = std::vector<std::string>;

TEST(Redact, NamesOfSecrets) {
    for (const char* name :
         {"--password", "PASSWORD", "db_passwd", "NPM_TOKEN", "--auth-token", "_authToken", "apiKey",
          "API-KEY", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "client_secret", "sig"})
        EXPECT_TRUE(is_secret_name(name)) << name;
    for (const char* name :
         {"", "--tokens", "token-file", "PWD", "passwords-file", "--keyring", "design", "tokenizer"})
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
    EXPECT_EQ(redact_text("id AKIAIOSFODNN7EXAMPLE."), "id [redacted]");
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
    auto shown = redact_annotations({{"a.token", "abc"}, {"url", "http://u:p@h"}, {"io.spoor.mode", "warn"}});
    EXPECT_EQ(shown["a.token"], "[redacted]");
    EXPECT_EQ(shown["url"], "http://u:[redacted]@h");
    EXPECT_EQ(shown["io.spoor.mode"], "warn");
}

TEST(Redact, TwiceIsOnce) {
    Arguments secret{
        "curl", "-u", "a:b", "--token=x", "-H", "Authorization: Bearer abcdefgh", "https://a:b@c/?token=d"};
    auto once = redact_argv(secret);
    EXPECT_EQ(redact_argv(once), once);
}

}  // namespace
}  // namespace spoor
