#include "oci/augment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace spoor {
namespace {

using Json = nlohmann::ordered_json;
using testing::HasSubstr;

Additions additions() {
    Additions out;
    out.mounts = {{"/v", "/run/spoor", true}, {"/v/agent", "/run/spoor/agent", false}};
    out.create_runtime = {"/bin/spoor", {"hook", "create-runtime"}};
    out.poststop = {"/bin/spoor", {"hook", "poststop"}};
    return out;
}

const Json ro_mount = Json::parse(R"({"destination":"/run/spoor","type":"bind","source":"/v",
    "options":["rbind","ro","nosuid","nodev","noexec","rprivate"]})");
const Json rw_mount = Json::parse(R"({"destination":"/run/spoor/agent","type":"bind","source":"/v/agent",
    "options":["rbind","rw","nosuid","nodev","noexec","rprivate"]})");
const Json create_hook = Json::parse(R"({"path":"/bin/spoor","args":["spoor","hook","create-runtime"]})");
const Json stop_hook = Json::parse(R"({"path":"/bin/spoor","args":["spoor","hook","poststop"]})");

Json parse(const std::string& text) { return Json::parse(text, nullptr, true, true); }

// The same by way of a model: what the edited text must mean.
Json by_model(const std::string& text) {
    Json spec = parse(text);
    const auto array = [](Json& parent, const char* key) -> Json& {
        if (!parent.contains(key) || !parent[key].is_array()) parent[key] = Json::array();
        return parent[key];
    };
    Json& mounts = array(spec, "mounts");
    mounts.push_back(ro_mount);
    mounts.push_back(rw_mount);
    if (!spec.contains("hooks") || !spec["hooks"].is_object()) spec["hooks"] = Json::object();
    array(spec["hooks"], "createRuntime").push_back(create_hook);
    Json& poststop = array(spec["hooks"], "poststop");
    poststop.insert(poststop.begin(), stop_hook);
    return spec;
}

class Augment : public testing::TestWithParam<const char*> {};

TEST_P(Augment, AddsAndKeeps) {
    const auto augmented = augment_spec(GetParam(), additions());
    ASSERT_TRUE(augmented) << augmented.error().message;
    // As unordered values: where a new key comes to stand is free.
    EXPECT_EQ(nlohmann::json(parse(*augmented)), nlohmann::json(by_model(GetParam()))) << *augmented;
}

INSTANTIATE_TEST_SUITE_P(
    Specs, Augment,
    testing::Values(
        R"({})", R"({"ociVersion":"1"})", R"({"mounts":[]})", R"({"mounts":[ ]})", R"({"mounts":null})",
        R"({"mounts":[{"destination":"/a"}],"x":1})", R"({"mounts":[{"destination":"/]"}, {"a":[[]]} ] })",
        R"({"hooks":{}})", R"({"hooks":null})", R"({"hooks":{"poststop":[]}})",
        R"({"hooks":{"poststop":[{"path":"/a"}],"createRuntime":[{"path":"/b"}],"prestart":[1]}})",
        R"({"hooks":{"poststop":null,"createRuntime":null}})", R"({"hooks":{"startContainer":[]}})",
        R"({"mo\u0075nts":[1]})", R"({"a":"\"mounts\":[","b":"\\"})",
        R"({"process":{"mounts":[1],"hooks":{}}})", R"({"mounts":[1 /* ] */, 2 // ]
                    ] /* } */ } // {)",
        "{ // \"mounts\": [\n \"a\" /*x*/ : /*y*/ 1 /*z*/ }"));

TEST(AugmentText, LeavesEveryOtherByte) {
    const std::string text = R"({ "big": 18446744073709551616123, "float": 1.0e3, "tiny": 1e-400,
      "esc": "\u00e9\/", "dup": 1, "dup": 2, /* kept */ "mounts" : [ {"destination":"/a"} ] , "hooks":{"poststop":[]} })";
    const auto augmented = augment_spec(text, additions());
    ASSERT_TRUE(augmented);
    EXPECT_THAT(*augmented, HasSubstr(R"("big": 18446744073709551616123, "float": 1.0e3, "tiny": 1e-400,)"));
    EXPECT_THAT(*augmented,
                HasSubstr(R"("esc": "\u00e9\/", "dup": 1, "dup": 2, /* kept */ "mounts" : [ {"dest)"));
}

TEST(AugmentText, HooksStandWhereTheyMust) {
    const auto spec = parse(*augment_spec(
        R"({"hooks":{"poststop":[{"path":"/a"}],"createRuntime":[{"path":"/b"}]}})", additions()));
    EXPECT_EQ(spec["hooks"]["poststop"][0], stop_hook);
    EXPECT_EQ(spec["hooks"]["createRuntime"][1], create_hook);
}

TEST(AugmentText, NothingToAddChangesNothing) {
    const std::string text = R"({"mounts":[1],"hooks":{}} // end)";
    EXPECT_EQ(*augment_spec(text, {}), text);
    Additions only_mounts;
    only_mounts.mounts = additions().mounts;
    EXPECT_EQ(parse(*augment_spec(text, only_mounts))["hooks"], Json::object());
}

TEST(AugmentText, AKeyThatCountsMayStandOnce) {
    for (const char* text : {R"({"mounts":[],"mounts":[]})", R"({"hooks":{},"hooks":{}})",
                             R"({"hooks":{"poststop":[],"poststop":[]}})",
                             R"({"hooks":{"createRuntime":[],"createRuntime":[]}})",
                             R"({"annotations":{},"annotations":{}})", R"({"mounts":[],"moun\u0074s":[]})"}) {
        const auto augmented = augment_spec(text, additions());
        ASSERT_FALSE(augmented) << text;
        EXPECT_THAT(augmented.error().message, HasSubstr("twice"));
    }
}

TEST(AugmentText, PathsThatAreNoUtf8AreRefused) {
    Additions bad = additions();
    bad.mounts[0].source = "/\xff";
    EXPECT_EQ(augment_spec("{}", bad).error().code, EILSEQ);
}

TEST(AugmentText, RelativePathsForACopyElsewhere) {
    Additions moved;
    moved.bundle_dir = "/b";
    const auto spec = parse(*augment_spec(R"({"root":{"readonly":true,"path":"rootfs"},"mounts":[
        {"destination":"/a","type":"bind","source":"data"},
        {"destination":"/b","options":["rbind"],"source":"./x"},
        {"destination":"/c","type":"bind","source":"/abs"},
        {"destination":"/proc","type":"proc","source":"proc"}]})",
                                          moved));
    EXPECT_EQ(spec["root"]["path"], "/b/rootfs");
    EXPECT_EQ(spec["mounts"][0]["source"], "/b/data");
    EXPECT_EQ(spec["mounts"][1]["source"], "/b/./x");
    EXPECT_EQ(spec["mounts"][2]["source"], "/abs");
    EXPECT_EQ(spec["mounts"][3]["source"], "proc");
    EXPECT_EQ(parse(*augment_spec(R"({"root":{"path":"/r"}})", moved))["root"]["path"], "/r");
    EXPECT_EQ(*augment_spec(R"({"root":null,"mounts":null})", moved), R"({"root":null,"mounts":null})");
}

// The text is one that a parser has accepted; should the two ever differ, no byte outside is read
// (the sanitizers see to that).
TEST(AugmentText, CutOffAnywhere) {
    const std::string text =
        R"({"a":"\\", /* c */ "mounts":[{"x":"]"}], "hooks":{"poststop":[1]}, "n":1e5 } // e)";
    for (size_t size = 0; size <= text.size(); ++size) {
        const std::string cut(text, 0, size);
        (void)augment_spec(std::string_view(cut.data(), cut.size()), additions());
    }
}

}  // namespace
}  // namespace spoor
