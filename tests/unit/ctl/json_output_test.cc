#include "shim/ctl/json_output.h"

#include <nlohmann/json.hpp>

#include "support.h"

namespace spoor::ctl {
namespace {

class JsonOutput : public InDirectory {
protected:
    nlohmann::json written(const VolumeReader* volume, const JsonParts& parts) {
        char* text = nullptr;
        size_t size = 0;
        std::FILE* out = ::open_memstream(&text, &size);
        EXPECT_TRUE(write_json(out, volume, parts));
        std::fclose(out);
        auto json = nlohmann::json::parse(std::string(text, size), nullptr, false);
        EXPECT_FALSE(json.is_discarded()) << text;
        std::free(text);
        return json;
    }
};

TEST_F(JsonOutput, HoldsTheFilesAsTheyAre) {
    make_session();
    write("trace/processes.jsonl", "{\"pid\":1}\n{\"pid\":2}\n{\"pid\":");
    write("trace/accesses.jsonl", "{\"op\":\"read\"}\n");
    write("trace/tasks/-.json", "{\"schema\":\"spoor.report/1\",\"later\":[1]}\n");
    auto volume = VolumeReader::open(root);
    auto json = written(&*volume, {.exit_code = 3});
    EXPECT_EQ(json["session"]["containerId"], "c");
    EXPECT_EQ(json["report"]["later"][0], 1);
    EXPECT_EQ(json["processes"].size(), 2u);
    EXPECT_EQ(json["exitCode"], 3);
    EXPECT_FALSE(json.contains("accesses"));
    EXPECT_FALSE(json.contains("notes"));
    json = written(&*volume, {.exit_code = {}, .accesses = true});
    EXPECT_FALSE(json.contains("exitCode"));
    EXPECT_EQ(json["accesses"][0]["op"], "read");
}

TEST_F(JsonOutput, StaysJsonWhateverTheVolumeHolds) {
    write("trace/session.json", "}{");
    write("trace/processes.jsonl", "}{\n\"ok\"\n\xff\n");
    write("trace/tasks/-.json", "{\"a\":\"\xff\"}");
    auto volume = VolumeReader::open(root);
    auto json = written(&*volume, {.exit_code = {}, .accesses = true});
    EXPECT_TRUE(json["session"].is_null());
    EXPECT_TRUE(json["report"].is_null());
    EXPECT_EQ(json["processes"].size(), 1u);
    EXPECT_EQ(json["notes"].size(), 3u);
}

TEST_F(JsonOutput, AMissingReportIsNoFault) {
    make_session();
    write("trace/processes.jsonl", "");
    auto volume = VolumeReader::open(root);
    auto json = written(&*volume, {});
    EXPECT_TRUE(json["report"].is_null());
    EXPECT_FALSE(json.contains("notes"));
}

TEST_F(JsonOutput, WithoutAVolumeThereIsNothing) {
    auto json = written(nullptr, {.exit_code = 125});
    EXPECT_TRUE(json["session"].is_null());
    EXPECT_EQ(json["exitCode"], 125);
}

TEST_F(JsonOutput, AFailedWriteIsToldOf) {
    std::FILE* full = std::fopen("/dev/full", "we");
    ASSERT_TRUE(full);
    EXPECT_FALSE(write_json(full, nullptr, {}));
    std::fclose(full);
}

}  // namespace
}  // namespace spoor::ctl
