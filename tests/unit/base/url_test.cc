#include "base/url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spoor {
namespace {

TEST(Url, IsTakenApart) {
    const auto url = parse_http_url("HTTPS://Store.Example.:8443/bucket/x?X-Amz-Signature=abc");
    ASSERT_TRUE(url);
    EXPECT_TRUE(url->tls);
    EXPECT_EQ(url->host, "store.example");
    EXPECT_EQ(url->port, 8443);
    EXPECT_EQ(url->target, "/bucket/x?X-Amz-Signature=abc");
    EXPECT_EQ(url->origin(), "https://store.example:8443");
    EXPECT_EQ(parse_http_url("http://a")->port, 80);
    EXPECT_EQ(parse_http_url("https://a?q")->target, "?q");
    EXPECT_EQ(parse_http_url("https://[::1]:1/")->host, "[::1]");
}

// Whatever two parsers could read in two ways.
TEST(Url, IsRefusedWhenItIsOdd) {
    for (const char* text : {"",
                             "x",
                             "http",
                             "https",
                             "http:",
                             "file:///etc/passwd",
                             "ftp://a/",
                             "//a/",
                             "https:/a",
                             "https://",
                             "https:///x",
                             "https://a b/",
                             "https://user@a/",
                             "https://user:word@a/",
                             "https://good.example@evil.example/",
                             "https://a\\@b/",
                             "https://a/\n",
                             "https://a/\x80",
                             "https://a/#x",
                             "https://a:0/",
                             "https://a:65536/",
                             "https://a:/",
                             "https://a:8o/",
                             "https://a..b/",
                             "https://.a/",
                             "https://-a/",
                             "https://a,b/",
                             "https://a%2eb/",
                             "https://127.1/",
                             "https://0x7f.0.0.1/",
                             "https://2130706433/",
                             "https://0177.0.0.1/",
                             "https://[::1/",
                             "https://[1]/",
                             "https://[::1%eth0]/",
                             "https://a;b/",
                             "https://1.2.3.4.5/"})
        EXPECT_FALSE(parse_http_url(text)) << text;
    EXPECT_FALSE(parse_http_url("https://a/" + std::string(url_bytes_max, 'x')));
    EXPECT_FALSE(parse_http_url("https://" + std::string(254, 'x') + "/"));
}

TEST(Url, ShowsNothingThatMayBeASecret) {
    EXPECT_EQ(shown_url("https://store.example/bucket/key?sig=secret"), "https://store.example");
    EXPECT_EQ(shown_url("https://u:secret@a/"), "(no URL)");
    EXPECT_EQ(shown_url("secret"), "(no URL)");
    const auto refused = parse_http_url("https://u:secret@a/?secret");
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, testing::Not(testing::HasSubstr("secret")));
}

TEST(Url, KnowsLoopback) {
    for (const char* text :
         {"http://127.0.0.1/", "http://127.9.8.7:1/", "http://localhost/", "http://[::1]/"})
        EXPECT_TRUE(parse_http_url(text)->is_loopback()) << text;
    for (const char* text : {"http://128.0.0.1/", "http://127.0.0.1.example/", "http://localhost.example/"})
        EXPECT_FALSE(parse_http_url(text)->is_loopback()) << text;
}

TEST(HostPattern, MatchesWholeLabelsAndPorts) {
    const auto matches = [](const char* url, const char* pattern) {
        return host_matches(*parse_http_url(url), pattern);
    };
    EXPECT_TRUE(matches("https://A.example/x", "a.example"));
    EXPECT_TRUE(matches("https://a.example:443/x", "A.example"));
    EXPECT_FALSE(matches("https://a.example:444/", "a.example"));
    EXPECT_TRUE(matches("https://a.example:444/", "a.example:444"));
    EXPECT_FALSE(matches("https://a.example/", "a.example:444"));
    EXPECT_TRUE(matches("https://b.c.example/", "*.example"));
    EXPECT_TRUE(matches("https://b.c.example:1/", "*.c.example:1"));
    EXPECT_FALSE(matches("https://example/", "*.example"));
    EXPECT_FALSE(matches("https://evilexample/", "*.example"));
    EXPECT_FALSE(matches("https://example.evil/", "*.example"));
    EXPECT_FALSE(matches("https://a.example.evil/", "a.example"));
    EXPECT_TRUE(matches("http://[::1]:9/", "[::1]:9"));
}

TEST(HostPattern, IsCheckedBeforeItIsUsed) {
    for (const char* text : {"a", "a.b", "*.a.b", "a:1", "[::1]:2", "10.0.0.1"})
        EXPECT_TRUE(is_host_pattern(text)) << text;
    for (const char* text : {"", "*", "*.", "a*.b", "https://a", "a/b", "a b", "*.*.a", "a:0"})
        EXPECT_FALSE(is_host_pattern(text)) << text;
}

}  // namespace
}  // namespace spoor
