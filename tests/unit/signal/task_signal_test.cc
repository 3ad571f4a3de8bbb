#include "signal/task_signal.h"

#include <gmock/gmock.h>

namespace spoor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string with(const std::string& members) {
    return R"({"schema":"spoor.task/1","event":"start","taskId":"t")" +
           (members.empty() ? "" : "," + members) + "}";
}

std::string refusal(const std::string& json) {
    auto parsed = parse_task_signal(json);
    EXPECT_FALSE(parsed) << json.substr(0, 200);
    return parsed ? "" : parsed.error().message;
}

TEST(TaskSignal, SaysAllThereIsToSay) {
    auto parsed = parse_task_signal(with(
        R"("pid":12,"pidNamespace":4026531836,"workspaceRoot":"/ws","projectRoot":"apps/web","project":"web",
           "mode":"strict","parent":"outer","status":"success","code":-1,"projects":{"web":"apps/web","lib":"."},
           "putUrl":"https://store.example/k?sig=x",
           "declared":{"inputs":["a","!b"],"outputs":[],"dependenciesOutputs":["dist/**"]})"));
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(parsed->event, TaskEvent::start);
    EXPECT_EQ(parsed->task_id, "t");
    EXPECT_EQ(parsed->pid, 12u);
    EXPECT_EQ(parsed->pid_namespace, 4026531836u);
    EXPECT_EQ(parsed->workspace_root, "/ws");
    EXPECT_EQ(parsed->project_root, "apps/web");
    EXPECT_EQ(parsed->project, "web");
    EXPECT_EQ(parsed->mode, TaskMode::strict);
    EXPECT_EQ(parsed->parent, "outer");
    EXPECT_EQ(parsed->status, "success");
    EXPECT_EQ(parsed->code, -1);
    EXPECT_THAT(*parsed->declared.inputs, ElementsAre("a", "!b"));
    EXPECT_THAT(*parsed->declared.outputs, IsEmpty());
    EXPECT_THAT(*parsed->declared.dependencies_outputs, ElementsAre("dist/**"));
    EXPECT_EQ(parsed->projects.at("lib"), ".");
    EXPECT_EQ(parsed->put_url, "https://store.example/k?sig=x");
}

TEST(TaskSignal, AUrlIsRefusedWithoutBeingQuoted) {
    for (const char* url :
         {"", "secret", "ftp://secret/", "https://u:secret@a/", "https://a/ secret", "//a/secret"})
        EXPECT_THAT(refusal(with(R"("putUrl":")" + std::string(url) + "\"")),
                    testing::AllOf(testing::StartsWith("putUrl: "), testing::Not(HasSubstr("secret"))))
            << url;
    EXPECT_NE(refusal(with(R"("putUrl":"https://a/)" + std::string(9000, 'x') + "\"")), "");
    EXPECT_NE(refusal(with(R"("putUrl":7)")), "");
}

TEST(TaskSignal, WhatIsNotSaidStaysUnsaid) {
    auto parsed = parse_task_signal(with(R"("workspaceRoot":null)"));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->pid, 0u);
    EXPECT_FALSE(parsed->declared.inputs || parsed->declared.outputs || parsed->mode || parsed->code);
    EXPECT_EQ(parsed->workspace_root, "");
}

TEST(TaskSignal, UnknownKeysAreIgnoredWithAllBelowThem) {
    auto parsed = parse_task_signal(with(
        R"("future":{"pid":"x","inputs":[1,[2],{"a":null}],"taskId":7},"more":[{"taskId":"u"},"x",1.5,true],
           "note":"text","declared":{"runtime":["node -v"],"external":{"inputs":[3]},"word":"x","inputs":["a"]},"pid":3)"));
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(parsed->task_id, "t");
    EXPECT_EQ(parsed->pid, 3u);
    EXPECT_THAT(*parsed->declared.inputs, ElementsAre("a"));
}

TEST(TaskSignal, EachEventWantsWhatItIsAbout) {
    auto event = [](const std::string& name, const std::string& more = "") {
        return R"({"schema":"spoor.task/1","taskId":"t","event":")" + name + "\"" + more + "}";
    };
    EXPECT_TRUE(parse_task_signal(event("pid", R"(,"pid":1)")));
    EXPECT_TRUE(parse_task_signal(event("inputs", R"(,"inputs":[])")));
    EXPECT_TRUE(parse_task_signal(event("outputs", R"(,"outputs":["x"])")));
    EXPECT_TRUE(parse_task_signal(event("status", R"(,"status":"skipped")")));
    EXPECT_TRUE(parse_task_signal(event("end")));
    EXPECT_THAT(refusal(event("pid")), HasSubstr("without a pid"));
    EXPECT_THAT(refusal(event("inputs")), HasSubstr("without inputs"));
    EXPECT_THAT(refusal(event("outputs", R"(,"inputs":[])")), HasSubstr("without outputs"));
    EXPECT_THAT(refusal(event("begin")), HasSubstr("event is none of"));
    EXPECT_THAT(refusal(R"({"schema":"spoor.task/1","taskId":"t"})"), HasSubstr("no event"));
}

TEST(TaskSignal, NonsenseIsRefusedInOneLine) {
    for (const auto& json :
         {std::string(), std::string("x"), std::string("{"), std::string("[]"), std::string("null"),
          std::string("\"t\""), std::string("7"), with("\"a\":\"\xff\""), with("") + "x",
          std::string(1000, '['), with("\"a\":" + std::string(1000, '[')), with("\"a\":1e999")})
        EXPECT_THAT(refusal(json), testing::Not(HasSubstr("\n"))) << json.substr(0, 100);
    EXPECT_THAT(refusal(R"({"event":"end","taskId":"t"})"), HasSubstr("schema"));
    EXPECT_THAT(refusal(R"({"schema":"spoor.task/2","event":"end","taskId":"t"})"), HasSubstr("schema"));
    EXPECT_THAT(refusal(R"({"schema":"spoor.task/1","event":"end"})"), HasSubstr("no taskId"));
    EXPECT_THAT(refusal(R"({"schema":"spoor.task/1","event":"end","taskId":"-"})"),
                HasSubstr("container's own"));
    EXPECT_THAT(refusal(R"({"schema":"spoor.task/1","event":"end","taskId":""})"), HasSubstr("empty"));
    EXPECT_THAT(refusal(R"({"schema":"spoor.task/1","event":"end","taskId":7})"), HasSubstr("wrong type"));
    EXPECT_THAT(refusal(with(R"("workspaceRoot":"ws")")), HasSubstr("absolute"));
    EXPECT_THAT(refusal(with("\"workspaceRoot\":\"/a\\u0000b\"")), HasSubstr("NUL"));
    EXPECT_THAT(refusal(with(R"("mode":"loud")")), HasSubstr("mode"));
    for (const char* pid :
         {"0", "-1", "4294967296", "18446744073709551615", "1.5", "\"1\"", "true", "[1]", "{}"})
        EXPECT_THAT(refusal(with(std::string("\"pid\":") + pid)), HasSubstr("pid")) << pid;
    EXPECT_THAT(refusal(with(R"("declared":[])")), HasSubstr("declared"));
    EXPECT_THAT(refusal(with(R"("declared":{"inputs":"a"})")), HasSubstr("declared.inputs"));
    EXPECT_THAT(refusal(with(R"("declared":{"inputs":{"a":1}})")), HasSubstr("declared.inputs"));
    EXPECT_THAT(refusal(with(R"("declared":{"inputs":["a",1]})")), HasSubstr("wrong type"));
    EXPECT_THAT(refusal(with(R"("declared":{"inputs":[["a"]]})")), HasSubstr("wrong type"));
    EXPECT_THAT(refusal(with(R"("declared":{"inputs":[null]})")), HasSubstr("wrong type"));
    EXPECT_THAT(refusal(with(R"("projects":{"a":1})")), HasSubstr("projects"));
    EXPECT_THAT(refusal(with(R"("projects":{"a":["b"]})")), HasSubstr("projects"));
}

TEST(TaskSignal, BoundsAreKept) {
    EXPECT_THAT(refusal(std::string(task_signal_bytes_max + 1, ' ')), HasSubstr("16 MiB"));
    std::string id(task_id_bytes_max, 'x');
    EXPECT_TRUE(parse_task_signal(R"({"schema":"spoor.task/1","event":"end","taskId":")" + id + "\"}"));
    EXPECT_THAT(refusal(R"({"schema":"spoor.task/1","event":"end","taskId":")" + id + "x\"}"),
                HasSubstr("1024"));
    EXPECT_THAT(refusal(with("\"inputs\":[\"" + std::string(task_pattern_bytes_max + 1, 'a') + "\"]")),
                HasSubstr("longer than"));
    std::string many = "\"\"";
    for (size_t i = 0; i < task_patterns_max; ++i) many += ",\"\"";
    EXPECT_THAT(refusal(with("\"inputs\":[" + many + "]")), HasSubstr("400000 patterns"));
}

TEST(TaskSignal, AHundredThousandDeclaredFilesAreNormal) {
    std::string list = "\"src/0.ts\"";
    for (int i = 1; i < 100'000; ++i)
        list += ",\"packages/some/where/src/file-" + std::to_string(i) + ".ts\"";
    auto parsed = parse_task_signal(with("\"declared\":{\"inputs\":[" + list + "]}"));
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(parsed->declared.inputs->size(), 100'000u);
    EXPECT_EQ(parsed->declared.inputs->back(), "packages/some/where/src/file-99999.ts");
}

TEST(TaskFileName, IsOneComponentAndTellsTasksApart) {
    EXPECT_EQ(task_file_name("web:build:production"), "web:build:production");
    EXPECT_EQ(task_file_name("@org/web:build"), "@org%2Fweb:build");
    EXPECT_EQ(task_file_name("../x"), "%2E.%2Fx");
    EXPECT_EQ(task_file_name("a.b%c\n\x7f"), "a.b%25c%0A%7F");
    std::string a(300, 'x'), b = a;
    b.back() = 'y';
    EXPECT_EQ(task_file_name(a).size(), 200u);
    EXPECT_EQ(task_file_name(a)[183], '~');
    EXPECT_NE(task_file_name(a), task_file_name(b));
    // Not cut inside a character.
    std::string wide;
    for (int i = 0; i < 150; ++i) wide += "ä";
    EXPECT_EQ(task_file_name("x" + wide).find('~') % 2, 1u);
}

}  // namespace
}  // namespace spoor
