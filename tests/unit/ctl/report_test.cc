// `spoorctl report`: what stands in each format, and what is refused.
#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "shim/ctl/file_digest.h"
#include "shim/ctl/task_export.h"
#include "support.h"

namespace spoor::ctl {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;
using testing::StartsWith;

const std::string commit = "0123456789abcdef0123456789abcdef01234567";
// echo -n hello | sha256sum
const std::string hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

Json report_of(const std::string& id) {
    Json report = Json::parse(R"({"schema":"spoor.report/1",
        "inputs":["in.txt","pages/[id].ts","/usr/bin/node"],"outputs":["dist/out.js"],
        "filesRead":[{"path":"in.txt","pid":7},{"path":"pages/[id].ts","pid":7},{"path":"/usr/bin/node","pid":7}],
        "filesWritten":[{"path":"dist/out.js","pid":8}],
        "unexpectedReads":[{"path":"pages/[id].ts","pid":7}],"unexpectedWrites":[],
        "expectedInputsNotRead":["tsconfig.json"],"expectedOutputsNotWritten":[],
        "processTree":[{"pid":7,"cmd":"node build","parentPid":1,"start":5}],
        "spoor":{"complete":true,"reasons":[],"lost":0,"containerId":"c","family":"lsm","coverage":{},
            "started":"2199-01-01T00:00:00.000000Z","finished":"2199-01-01T00:00:01.000000Z",
            "declared":true,"workspaceRoot":"/ws","status":"success","code":0,"ownFilesRead":[],
            "directoriesMade":[],"listed":[{"path":"src","pid":7},{"path":".","pid":7}],
            "absent":[{"path":"node_modules/x","pid":7}],
            "probed":[{"path":"package.json","pid":7},{"path":"lib","pid":7,"directory":true}],
            "deleted":[],"metadataChanged":[],"renamed":[],"connections":[],"unreachable":[]}})");
    report["taskId"] = id;
    return report;
}

class Report : public InDirectory {
protected:
    Report() { make_session(); }
    void put(const Json& report, const std::string& file) const {
        write("trace/tasks/" + file + ".json", report.dump() + "\n");
    }
    void put(const std::string& id) const { put(report_of(id), id); }
    [[nodiscard]] Output run(const std::string& options) const {
        return spoorctl("report " + options + " " + root);
    }
    [[nodiscard]] Json json(const std::string& options) const {
        Output output = run(options);
        EXPECT_EQ(output.code, 0) << output.text;
        return Json::parse(output.text, nullptr, false);
    }
    void refused(const std::string& options, const char* why) const {
        Output output = run(options);
        EXPECT_EQ(output.code, 1) << options;
        EXPECT_THAT(output.text, StartsWith("spoorctl: "));
        EXPECT_THAT(output.text, HasSubstr(why)) << options;
    }
};

TEST_F(Report, JsonIsTheReportsAsTheyAre) {
    put("web:build");
    put("api:test");
    put(report_of("-"), "-");
    EXPECT_EQ(run("--task web:build").text, report_of("web:build").dump() + "\n");
    EXPECT_EQ(json(""), Json::array({report_of("api:test"), report_of("web:build")}));
    EXPECT_EQ(json("--task=-"), report_of("-"));
    refused("--task nobody", "there is no report");
}

TEST_F(Report, NoTaskIsAnError) {
    refused("", "");
    put(report_of("-"), "-");
    refused("", "no task has a report");
}

TEST_F(Report, SandboxReportHasTheKeysThatNxUsersKnow) {
    put("web:build");
    Json one = json("--format nx-sandbox --task web:build");
    Json expected = report_of("web:build");
    expected.erase("schema");
    expected.erase("spoor");
    expected["processTree"][0].erase("start");
    EXPECT_EQ(one, expected);
    EXPECT_EQ(json("--format nx-sandbox"), Json::array({expected})) << "without a name: always a list";
}

TEST_F(Report, UltracacheFlattensListingsAndProbes) {
    put("web:build");
    EXPECT_EQ(json("--format ultracache --commit " + commit),
              Json({{"web:build",
                     {{"commit", commit},
                      {"inputs",
                       {"*", "/usr/bin/node", "in.txt", "node_modules/x", "package.json", "pages/\\[id\\].ts",
                        "src/*"}},
                      {"outputs", {"dist/out.js"}}}}}));
}

TEST_F(Report, UltracacheRefusesWhatIsNotWhole) {
    const std::string options = "--format ultracache --commit " + commit;
    put("api:test");
    Json report = report_of("web:build");
    report["spoor"]["complete"] = false;
    report["spoor"]["reasons"] = {"7 records were lost"};
    put(report, "web:build");
    refused(options, "the report of task web:build is not complete: 7 records were lost");
    EXPECT_EQ(run(options + " --task api:test").code, 0);
    // Another format says it and goes on.
    EXPECT_EQ(run("--format csv").code, 0);
    EXPECT_THAT(run("--format csv").text,
                HasSubstr("spoorctl: the report of task web:build is not complete"));

    make_session(R"("state":"tracing")");
    refused(options + " --task api:test", "the session is not complete: the container runs");
    make_session(R"("state":"degraded")");
    refused(options + " --task api:test", "the session is not complete");
    ASSERT_EQ(::unlink((root + "/trace/session.json").c_str()), 0);
    refused(options + " --task api:test", "session.json");
}

TEST_F(Report, UltracacheRefusesPathsThatItCannotName) {
    Json report = report_of("web:build");
    report["spoor"]["inputsBytes"] = {{{"index", 0}, {"bytes", "Yf8="}}};
    put(report, "web:build");
    refused("--format ultracache --commit " + commit, "not UTF-8");
}

TEST_F(Report, CsvQuotesAndEncodes) {
    Json report = report_of("web:build");
    report["filesRead"] = Json::array({{{"path", "a,\"b\".txt"}, {"pid", 1}},
                                       {{"path", "=1+1"}, {"pid", 2}},
                                       {{"path", "50%"}, {"pid", 3}},
                                       {{"path", "two\nlines%"}, {"pid", 4}},
                                       {{"path", "a\xef\xbf\xbd"}, {"pathBytes", "Yf/DqQ=="}, {"pid", 5}}});
    put(report, "web:build");
    const std::string text = run("--format csv").text;
    EXPECT_THAT(text, StartsWith("taskId,kind,path,pid,encoding\r\n"
                                 "web:build,read,\"a,\"\"b\"\".txt\",1,\r\n"
                                 "web:build,read,%3D1+1,2,percent\r\n"
                                 "web:build,read,50%,3,\r\n"
                                 "web:build,read,two%0Alines%25,4,percent\r\n"
                                 "web:build,read,a%FF\xc3\xa9,5,percent\r\n"
                                 "web:build,write,dist/out.js,8,\r\n"
                                 "web:build,unexpected-read,pages/[id].ts,7,\r\n"));
    EXPECT_THAT(text, HasSubstr("web:build,expected-input-not-read,tsconfig.json,,\r\n"));
    EXPECT_THAT(text, HasSubstr("web:build,absent,node_modules/x,7,\r\n"));
}

TEST(PercentEncoded, WhatASpreadsheetWouldCompute) {
    for (const char* text : {"=a", "+a", "-a", "@a", "=",
                             "\xef\xbc\x9d"
                             "a",
                             "\ta", "\ra"})
        EXPECT_TRUE(percent_encoded(text)) << text;
    EXPECT_EQ(percent_encoded("\xef\xbc\x9d"
                              "a"),
              "%EF%BC%9Da");
    for (const char* text : {"-", "a=b", "src/a.ts", "100%", "\xc3\xa9", ""})
        EXPECT_FALSE(percent_encoded(text)) << text;
}

TEST_F(Report, StatementDigestsWhatIsBeneathTheRoot) {
    put("web:build");
    write("ws/in.txt", "hello");
    write("ws/dist/out.js", "");
    Json statement = json("--format intoto --root " + root + "/ws");
    EXPECT_EQ(statement["_type"], "https://in-toto.io/Statement/v1");
    EXPECT_EQ(statement["predicateType"], "urn:spoor:trail:1");
    EXPECT_EQ(statement["subject"],
              Json::parse(R"([{"name":"dist/out.js","digest":{"sha256":)"
                          R"("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}}])"));
    const Json& predicate = statement["predicate"];
    EXPECT_EQ(predicate["materials"], Json::array({{{"name", "in.txt"}, {"digest", {{"sha256", hello}}}}}));
    EXPECT_EQ(predicate["taskId"], "web:build");
    EXPECT_EQ(predicate["complete"], true);
    ASSERT_EQ(predicate["undigested"].size(), 2u);
    EXPECT_EQ(predicate["undigested"][0]["reason"], "it is not there");
    EXPECT_EQ(predicate["undigested"][1]["name"], "/usr/bin/node");
    EXPECT_EQ(predicate["undigested"][1]["reason"], "it lies outside the workspace");
}

TEST_F(Report, StatementNeedsASubject) {
    put("web:build");
    write("ws/in.txt", "hello");
    refused("--format intoto --root " + root + "/ws", "has to have a subject");
    refused("--format intoto --root " + root + "/nowhere", "--root");
    // One of two tasks has one.
    Json other = report_of("api:build");
    other["outputs"] = {"in.txt"};
    put(other, "api:build");
    Output both = run("--format intoto --root " + root + "/ws");
    EXPECT_EQ(both.code, 0);
    EXPECT_THAT(both.text, HasSubstr("spoorctl: task web:build: a statement has to have a subject"));
}

TEST_F(Report, StatementDoesNotVouchForWhatTheTaskChanged) {
    Json report = report_of("web:build");
    report["inputs"] = {"dist/out.js", "in.txt"};
    report["spoor"]["started"] = "2000-01-01T00:00:00.000000Z";
    put(report, "web:build");
    write("ws/dist/out.js", "hello");
    write("ws/in.txt", "hello");
    Json predicate = json("--format intoto --root " + root + "/ws")["predicate"];
    EXPECT_EQ(predicate["materials"], Json::array());
    EXPECT_EQ(predicate["undigested"][0]["reason"], "the task has written it after it had read it");
    EXPECT_EQ(predicate["undigested"][1]["reason"], "it was changed after 2000-01-01T00:00:00.000000Z");
}

class Digests : public InDirectory {
protected:
    [[nodiscard]] std::string digest(const std::string& path) const {
        auto hex = FileDigests::open(root + "/ws")->sha256(path, "2199");
        return hex ? *hex : hex.error().message;
    }
};

TEST_F(Digests, StayBeneathTheRoot) {
    write("secret", "hello");
    write("ws/file", "hello");
    ASSERT_EQ(::symlink("../secret", (root + "/ws/out").c_str()), 0);
    ASSERT_EQ(::symlink((root + "/secret").c_str(), (root + "/ws/absolute").c_str()), 0);
    ASSERT_EQ(::symlink("..", (root + "/ws/up").c_str()), 0);
    ASSERT_EQ(::symlink("file", (root + "/ws/within").c_str()), 0);
    ASSERT_EQ(::mkfifo((root + "/ws/fifo").c_str(), 0644), 0);
    EXPECT_EQ(digest("file"), hello);
    EXPECT_EQ(digest("within"), hello);
    for (const char* path : {"../secret", "out", "absolute", "up/secret", "/etc/passwd"})
        EXPECT_EQ(digest(path), "it leads out of the root") << path;
    for (const char* path : {"fifo", "."}) EXPECT_EQ(digest(path), "it is no regular file") << path;
    for (const char* path : {"missing", "file/x"}) EXPECT_EQ(digest(path), "it is not there") << path;
}

TEST_F(Report, WritesAWholeFileOrNone) {
    put("web:build");
    const std::string file = root + "/report.json";
    EXPECT_EQ(run("--output " + file).text, "");
    EXPECT_EQ(Json::parse(read_file(file, 1u << 20).value_or("")), Json::array({report_of("web:build")}));
    EXPECT_EQ(run("--output -").text, run("").text);
    write("trace/tasks/bad.json", "{");
    EXPECT_EQ(run("--output " + file).code, 1);
    EXPECT_EQ(Json::parse(read_file(file, 1u << 20).value_or("")).size(), 1u) << "left alone";
    ASSERT_EQ(::symlink(file.c_str(), (root + "/link").c_str()), 0);
    refused("--task web:build --output " + root + "/link", "not a regular file");
    refused("--task web:build --output /dev/null", "not a regular file");
    refused("--task web:build --output " + root + "/no/where", "");
    EXPECT_EQ(run("--task web:build > /dev/full").code, 1);
}

TEST_F(Report, HostileReportsAreErrors) {
    auto bad = [&](const std::string& text, const char* why) {
        write("trace/tasks/web:build.json", text);
        for (const char* format : {"json", "nx-sandbox", "csv"})
            refused(std::string("--format ") + format, why);
    };
    bad("", "no JSON object");
    bad("[]", "no JSON object");
    bad("{\"schema\":\"spoor.report/1\"", "no JSON object");
    bad(std::string(100'000, '['), "no JSON object");
    bad("{\"a\":" + std::string(50, '[') + std::string(50, ']') + "}", "no JSON object");
    bad("{}", "not of schema spoor.report/1");
    auto changed = [&](const char* pointer, const Json& value, const char* why) {
        Json report = report_of("web:build");
        report[Json::json_pointer(pointer)] = value;
        bad(report.dump(), why);
    };
    changed("/taskId", 7, "taskId is of type number");
    changed("/taskId", "api:test", "that of another task");
    changed("/spoor", "x", "spoor is of type string");
    changed("/spoor/complete", "yes", "complete is of type string");
    changed("/inputs", "x", "inputs is of type string");
    changed("/inputs/0", 5, "inputs holds a value of type number");
    changed("/inputs/0", std::string("in.txt\0x", 8), "cannot be one");
    changed("/outputs/0", "", "cannot be one");
    changed("/filesRead/0", "x", "filesRead holds a value of type string");
    changed("/filesRead/0/pid", -1, "pid is of type number");
    changed("/filesRead/0/pid", 1ull << 32, "pid is too large");
    changed("/filesRead/0/path", nullptr, "path is of type null");
    changed("/filesRead/0/pathBytes", "?", "no base64");
    changed("/spoor/listed", {{"a", 1}}, "listed is of type object");
    changed("/spoor/inputsBytes", {{{"index", 9}, {"bytes", "YQ=="}}}, "an index past the end");
    changed("/processTree/0", Json::object(), "pid is missing");
}

// What the recorder's own library writes, with all that a report can hold.
TEST_F(Report, ReadsWhatTheRecorderWrites) {
    write("sample/x", "");
    ASSERT_EQ(std::system((std::string(SIGNAL_SAMPLE) + " " + root + "/sample").c_str()), 0);
    auto sample = [&](const std::string& options) {
        return spoorctl("report " + options + " " + root + "/sample/full 2>/dev/null");
    };
    Json tasks = Json::parse(sample("--format nx-sandbox").text, nullptr, false);
    ASSERT_EQ(tasks.size(), 2u);
    EXPECT_EQ(tasks[0]["taskId"], "outer");
    EXPECT_EQ(tasks[1]["taskId"], "web:build");
    EXPECT_EQ(tasks[1]["unexpectedReads"][0]["path"], "web/secret");
    const std::string csv = sample("--format csv --task=- --task web:build").text;
    EXPECT_THAT(csv, HasSubstr("-,read,/w/read%FF%0A,2,percent\r\n"));
    EXPECT_THAT(csv, HasSubstr("-,absent,/w/absent,2,\r\n"));
    EXPECT_THAT(csv, HasSubstr("-,list,/w/list,2,\r\n"));
    EXPECT_THAT(csv, HasSubstr("web:build,unexpected-read,%FF,21,percent\r\n"));
    EXPECT_THAT(csv, HasSubstr("web:build,expected-input-not-read,unread,,\r\n"));
    Output cache = spoorctl("report --format ultracache --commit " + commit + " " + root + "/sample/full");
    EXPECT_EQ(cache.code, 1) << cache.text;
}

TEST_F(Report, HugeAndSpecialFilesAreErrors) {
    put("web:build");
    ASSERT_EQ(::truncate((root + "/trace/tasks/web:build.json").c_str(), (512ll << 20) + 1), 0);
    refused("", "larger than");
    ASSERT_EQ(::unlink((root + "/trace/tasks/web:build.json").c_str()), 0);
    ASSERT_EQ(::mkfifo((root + "/trace/tasks/web:build.json").c_str(), 0644), 0);
    refused("", "not a regular file");
    ASSERT_EQ(::unlink((root + "/trace/tasks/web:build.json").c_str()), 0);
    ASSERT_EQ(::symlink("/etc/passwd", (root + "/trace/tasks/web:build.json").c_str()), 0);
    refused("", "web:build.json");
}

}  // namespace
}  // namespace spoor::ctl
