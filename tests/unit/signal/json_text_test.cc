#include "signal/json_text.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

namespace spoor {
namespace {

std::string quoted(std::string_view bytes, bool valid = true) {
    std::string out;
    EXPECT_EQ(append_json_string(out, bytes), valid);
    return out;
}

TEST(JsonText, EscapesWhatJsonWantsEscaped) {
    EXPECT_EQ(quoted("/a b"), "\"/a b\"");
    EXPECT_EQ(quoted("a\"b\\c\nd\te\rf"), R"("a\"b\\c\nd\te\rf")");
    EXPECT_EQ(quoted(std::string_view("\0\x1f\x7f", 3)), "\"\\u0000\\u001f\x7f\"");
    EXPECT_EQ(quoted("grün/日本/🦌"), "\"grün/日本/🦌\"");
}

TEST(JsonText, ReplacesEveryByteThatIsNotUtf8) {
    EXPECT_EQ(quoted("a\xff/b", false), "\"a\uFFFD/b\"");
    EXPECT_EQ(quoted("\xc0\xaf", false), "\"\uFFFD\uFFFD\"");                      // overlong '/'
    EXPECT_EQ(quoted("\xed\xa0\x80", false), "\"\uFFFD\uFFFD\uFFFD\"");            // surrogate
    EXPECT_EQ(quoted("\xf4\x90\x80\x80", false), "\"\uFFFD\uFFFD\uFFFD\uFFFD\"");  // past U+10FFFF
    EXPECT_EQ(quoted("\xe2\x82", false), "\"\uFFFD\uFFFD\"");                      // cut short
    EXPECT_EQ(quoted("\xf0\x9f\xa6", false), "\"\uFFFD\uFFFD\uFFFD\"");
    EXPECT_EQ(quoted("\x80\xe2\x82\xac", false), "\"\uFFFD€\"");
}

TEST(JsonText, AgreesWithTheLibraryAboutUtf8) {
    std::mt19937 random(7);
    for (int round = 0; round < 20'000; ++round) {
        std::string bytes;
        for (size_t i = random() % 8; i > 0; --i)
            bytes += static_cast<char>(random() % 3 ? 0x80 + random() % 0x80 : random() % 0x80);
        bool valid = true;
        try {
            (void)nlohmann::json(bytes).dump();
        } catch (const nlohmann::json::exception&) {
            valid = false;
        }
        std::string text = quoted(bytes, valid);
        EXPECT_EQ(is_utf8(bytes), valid);
        auto back = nlohmann::json::parse(text).get<std::string>();
        EXPECT_EQ(back == bytes, valid);
    }
}

TEST(JsonText, NamesKeepTheirBytesBeside) {
    std::string out;
    JsonObject object(out);
    object.name("path", "/plain");
    object.name("to", "/a\xff\n");
    object.number("n", -3);
    object.null("none");
    object.close();
    EXPECT_EQ(out,
              "{\"path\":\"/plain\",\"to\":\"/a\uFFFD\\n\",\"toBytes\":\"L2H/Cg==\",\"n\":-3,\"none\":null}");
    // The replacement character itself is an honest name.
    out.clear();
    JsonObject other(out);
    other.name("path", "/\uFFFD");
    other.close();
    EXPECT_EQ(out, "{\"path\":\"/\uFFFD\"}");
}

TEST(Base64, KnownValues) {
    const std::pair<std::string, std::string> known[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
    for (const auto& [bytes, text] : known) {
        std::string out;
        append_base64(out, bytes);
        EXPECT_EQ(out, text);
        EXPECT_EQ(decode_base64(text).value(), bytes);
    }
}

TEST(Base64, RoundTripsAnyBytes) {
    std::mt19937 random(1);
    for (size_t length = 0; length < 300; ++length) {
        std::string bytes;
        for (size_t i = 0; i < length; ++i) bytes += static_cast<char>(random());
        std::string text;
        append_base64(text, bytes);
        auto back = decode_base64(text);
        ASSERT_TRUE(back);
        EXPECT_EQ(*back, bytes);
    }
}

TEST(Base64, RefusesWhatIsNone) {
    for (const char* bad :
         {"Z", "Zg", "Zg=", "Zg=a", "Z===", "====", "Zm9v\n", "Zm 9", "Zh==", "Zm9=", "Zg==Zg=="})
        EXPECT_FALSE(decode_base64(bad)) << bad;
}

}  // namespace
}  // namespace spoor
