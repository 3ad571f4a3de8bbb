#include "oci/annotations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spoor {
namespace {

using testing::HasSubstr;

std::string problem(const std::string& name, const std::string& value) {
    const auto read = read_annotations({{name, value}});
    return read ? "" : read.error().message;
}

TEST(Annotations, OursAreRead) {
    const auto read = read_annotations({{"io.spoor.trace", "false"},
                                        {"io.spoor.volume", "/srv//v/"},
                                        {"io.spoor.mount", "/trail"},
                                        {"io.spoor.mode", "strict"},
                                        {"io.spoorx.trace", "x"},
                                        {"io.spoo", "x"},
                                        {"other", "y"}});
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->trace, false);
    EXPECT_EQ(read->volume, "/srv/v");
    EXPECT_EQ(read->mount, "/trail");
    EXPECT_EQ(read->mode, "strict");
    EXPECT_FALSE(read_annotations({})->trace);
}

TEST(Annotations, FaultsSayWhatIsWanted) {
    EXPECT_THAT(problem("io.spoor.trace", "yes"), HasSubstr("io.spoor.trace wants true or false, not 'yes'"));
    EXPECT_THAT(problem("io.spoor.mode", ""), HasSubstr("off, warn or strict"));
    EXPECT_THAT(problem("io.spoor.volume", "v"), HasSubstr("an absolute path"));
    EXPECT_THAT(problem("io.spoor.volume", "/a/../b"), HasSubstr("without '..'"));
    EXPECT_THAT(problem("io.spoor.mount", "/"), HasSubstr("an absolute path"));
    EXPECT_THAT(problem("io.spoor.volumes", "/v"), HasSubstr("did you mean 'io.spoor.volume'"));
    EXPECT_THAT(problem("io.spoor.trcae", "true"), HasSubstr("did you mean 'io.spoor.trace'"));
    EXPECT_THAT(problem("io.spoor.", "x"), HasSubstr("unknown annotation"));
}

TEST(Annotations, AFaultIsOneLineWhateverTheValue) {
    for (const std::string value : {"a\nb", "a\x1b[31mb", "a\rb"}) {
        const std::string message = problem("io.spoor.mode", value);
        EXPECT_THAT(message, HasSubstr("'a?"));
        EXPECT_EQ(message.find_first_of("\n\r\x1b"), std::string::npos);
    }
    EXPECT_LT(problem("io.spoor.mode", std::string(100'000, 'x')).size(), 1000u);
    EXPECT_LT(problem("io.spoor." + std::string(100'000, 'x'), "").size(), 1000u);
}

TEST(ImageName, AsTheManagersTellIt) {
    EXPECT_EQ(image_name({{"io.kubernetes.cri.image-name", "a:1"}}), "a:1");
    EXPECT_EQ(image_name({{"org.opencontainers.image.ref.name", "b"}}), "b");
    EXPECT_EQ(image_name({{"x", "c"}}), "");
}

TEST(CleanAbsolutePath, Folds) {
    EXPECT_EQ(clean_absolute_path("/a//b/./c/"), "/a/b/c");
    EXPECT_EQ(clean_absolute_path("/..a/b.."), "/..a/b..");
    for (const char* path : {"", "a", "./a", "/", "//", "/.", "/a/..", "/../a", "/a\nb", "/a\x7f"})
        EXPECT_EQ(clean_absolute_path(path), std::nullopt) << path;
    EXPECT_EQ(clean_absolute_path(std::string("/a\0b", 4)), std::nullopt);
}

}  // namespace
}  // namespace spoor
