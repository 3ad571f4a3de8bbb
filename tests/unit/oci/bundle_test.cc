#include "oci/bundle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "oci/container_state.h"
#include "tests/support/temp_dir.h"

namespace spoor {
namespace {

using testing::ElementsAre;
namespace fs = std::filesystem;

class BundleFiles : public testing::Test {
protected:
    BundleFiles() : before_(fs::current_path()) {
        fs::create_directory(dir_ + "/b");
        std::ofstream(dir_ + "/b/config.json") << "in the bundle";
        std::ofstream(dir_ + "/other.json") << "elsewhere";
        fs::current_path(dir_);
    }
    ~BundleFiles() override { fs::current_path(before_); }

private:
    test::TempDir directory_;

protected:
    const std::string& dir_ = directory_.path();
    fs::path before_;
};

TEST_F(BundleFiles, AreFoundAsCrunFindsThem) {
    EXPECT_EQ(read_bundle("b", "config.json")->spec, "in the bundle");
    EXPECT_EQ(read_bundle("b", "config.json")->dir, fs::canonical(dir_ + "/b"));
    EXPECT_EQ(read_bundle(dir_ + "/b", "other.json")->spec, "elsewhere");  // from the working directory
    EXPECT_EQ(read_bundle("b", dir_ + "/other.json")->spec, "elsewhere");
    EXPECT_EQ(read_bundle("nothing", "config.json").error().code, ENOENT);
    EXPECT_EQ(read_bundle(".", "config.json").error().code, ENOENT);
}

TEST_F(BundleFiles, HaveALimit) {
    std::ofstream(dir_ + "/b/config.json") << std::string(largest_spec + 1, ' ');
    EXPECT_EQ(read_bundle("b", "config.json").error().code, EFBIG);
}

TEST(Spec, WhatSpoorNeeds) {
    const auto spec = parse_spec(R"(// comments are crun's custom
{"ociVersion": "1.0.0", "root": {"path": "rootfs"}, /* here too */ "linux": {"mountLabel": "l"},
 "annotations": {"a": "b", "n": 7},
 "mounts": [{"destination": "/x", "type": "bind", "source": "s", "options": ["ro", 1]},
            {"destination": "/proc", "type": "proc", "source": "proc"}]})");
    ASSERT_TRUE(spec) << spec.error().message;
    EXPECT_EQ(spec->root_path, "rootfs");
    EXPECT_EQ(spec->mount_label, "l");
    EXPECT_EQ(spec->annotations, (std::map<std::string, std::string>{{"a", "b"}}));
    ASSERT_EQ(spec->mounts.size(), 2u);
    EXPECT_EQ(spec->mounts[0].source, "s");
    EXPECT_THAT(spec->mounts[0].options, ElementsAre("ro"));
    EXPECT_TRUE(spec->mounts[0].is_bind());
    EXPECT_TRUE(spec->mounts[0].is_read_only());
    EXPECT_FALSE(spec->mounts[1].is_bind());
    EXPECT_FALSE(spec->mounts[1].is_read_only());
}

TEST(Spec, NullsAsGoWritesThem) {
    const auto spec =
        parse_spec(R"({"ociVersion":"1","mounts":null,"annotations":null,"root":null,"hooks":null})");
    ASSERT_TRUE(spec);
    EXPECT_TRUE(spec->mounts.empty());
}

TEST(Spec, WhatNoRuntimeStarts) {
    for (const char* text :
         {"", "{", "[]", "null", "{}", R"({"ociVersion":1})", R"({"ociVersion":"1","root":{}})",
          R"({"ociVersion":"1","mounts":[{}]})", R"({"ociVersion":"1","mounts":["x"]})",
          "{\"ociVersion\":\"1\",}", "{\"ociVersion\":\"1\"} x", "\xef\xbb\xbf{\"ociVersion\":\"1\"}",
          "{\"ociVersion\":\"\xff\"}"})
        EXPECT_FALSE(parse_spec(text)) << text;
    EXPECT_FALSE(parse_spec(std::string(100'000, '[')));
}

// crun takes the text for a C string, so what follows a NUL must not keep the container from being traced.
TEST(Spec, EndsAtANul) { EXPECT_TRUE(parse_spec(std::string("{\"ociVersion\":\"1\"}\0 x", 21))); }

TEST(ContainerState, HasThePid) {
    EXPECT_EQ(parse_state_pid(R"({"ociVersion":"1.0","id":"c","pid":123,"root":"/r"})").value(), 123);
    for (const char* text : {"", "[]", "{}", R"({"pid":0})", R"({"pid":-1})", R"({"pid":"1"})",
                             R"({"pid":1.5})", R"({"pid":4294967297})"})
        EXPECT_FALSE(parse_state_pid(text)) << text;
}

}  // namespace
}  // namespace spoor
