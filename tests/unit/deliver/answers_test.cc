#include "shim/deliver/answers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spoor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;

TEST(Minted, IsAUrlAndHeaders) {
    const auto minted =
        parse_minted(R"({"url":"https://a/x?s=1","headers":{"x-ms-blob-type":"BlockBlob"},"more":1})");
    ASSERT_TRUE(minted);
    EXPECT_EQ(minted->url, "https://a/x?s=1");
    EXPECT_THAT(minted->headers, ElementsAre(Pair("x-ms-blob-type", "BlockBlob")));
    EXPECT_THAT(parse_minted(R"({"url":"http://a","headers":null})")->headers, IsEmpty());
}

TEST(Minted, IsRefusedWhenItIsOddAndNotQuoted) {
    for (const char* text : {
             "",
             "[]",
             "{}",
             R"({"url":1})",
             R"({"url":"secret"})",
             R"({"url":"ftp://secret/"})",
             R"({"url":"https://u:secret@a/"})",
             R"({"url":"https://a/","headers":[]})",
             R"({"url":"https://a/","headers":{"Host":"secret"}})",
             R"({"url":"https://a/","headers":{"content-LENGTH":"1"}})",
             R"({"url":"https://a/","headers":{"Transfer-Encoding":"chunked"}})",
             R"({"url":"https://a/","headers":{"a b":"secret"}})",
             R"({"url":"https://a/","headers":{"":"x"}})",
             R"({"url":"https://a/","headers":{"a":"secret\r\nHost: evil"}})",
             R"({"url":"https://a/","headers":{"a":1}})",
         }) {
        const auto minted = parse_minted(text);
        ASSERT_FALSE(minted) << text;
        EXPECT_THAT(minted.error().message, Not(HasSubstr("secret")));
    }
    std::string many = R"({"url":"https://a/","headers":{)";
    for (int i = 0; i < 17; ++i) many += (i == 0 ? "\"h" : ",\"h") + std::to_string(i) + "\":\"\"";
    EXPECT_FALSE(parse_minted(many + "}}"));
}

TEST(Rejected, IsReadInBothForms) {
    EXPECT_EQ(rejected_log_records(R"({"partialSuccess":{"rejectedLogRecords":"7"}})"), 7u);
    EXPECT_EQ(rejected_log_records(R"({"partialSuccess":{"rejectedLogRecords":7}})"), 7u);
    for (const char* text : {"", "{}", "[]", R"({"partialSuccess":{}})", R"({"partialSuccess":null})",
                             R"({"partialSuccess":{"rejectedLogRecords":"x"}})",
                             R"({"partialSuccess":{"rejectedLogRecords":-1}})"})
        EXPECT_EQ(rejected_log_records(text), 0u) << text;
}

TEST(Token, IsOneWord) {
    EXPECT_EQ(*parse_token(" a.b-c_~+/= \r\n"), "a.b-c_~+/=");
    for (const char* text : {"", " \n", "a b", "a\nb", "a\rX: y", "a\x7f", "\xc3\xa9"})
        EXPECT_FALSE(parse_token(text)) << text;
}

}  // namespace
}  // namespace spoor
