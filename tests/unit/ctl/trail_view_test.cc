#include "shim/ctl/trail_view.h"

#include <gmock/gmock.h>

#include "shim/ctl/print.h"
#include "support.h"

namespace spoor::ctl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* processes =
    R"({"time":"t","pid":7,"start":70,"ppid":1,"parentStart":10,"argv":["cc","a.c"],"exe":"/usr/bin/cc","cwd":"/w","exit":{"signal":9},"end":"t","task":"-"})"
    "\n"
    R"({"time":"t","pid":1,"start":10,"ppid":0,"parentStart":null,"argv":["make"],"exe":"/usr/bin/make","cwd":"/w","exit":{"code":2},"end":"t","task":"-"})"
    "\n"
    R"({"time":"t","pid":8,"start":80,"ppid":1,"parentStart":10,"argv":["make"],"exe":"/usr/bin/make","cwd":"/w","forkOnly":true,"exit":null,"end":null,"task":"-"})"
    "\n";

std::string access(int pid, const std::string& op, const std::string& path, const std::string& more = "") {
    return R"({"time":"t","pid":)" + std::to_string(pid) + R"(,"start":1,"op":")" + op + R"(","path":")" +
           path + "\"" + more + "}\n";
}

class View : public InDirectory {
protected:
    TrailView view() {
        auto volume = VolumeReader::open(root);
        EXPECT_TRUE(volume);
        return view_trail(*volume);
    }
    static std::vector<std::string> paths(const std::vector<PathRow>& rows) {
        std::vector<std::string> out;
        for (const auto& row : rows) out.push_back(row.path);
        return out;
    }
    Style plain{.columns = 100, .row_limit = 20, .colour = false};
};

TEST_F(View, ProcessesComeInOrderOfTheirStart) {
    make_session();
    write("trace/processes.jsonl", processes);
    write("trace/accesses.jsonl", "");
    TrailView trail = view();
    ASSERT_EQ(trail.processes.size(), 3u);
    EXPECT_EQ(trail.processes[0].command, "make");
    EXPECT_EQ(trail.processes[0].exit, "2");
    EXPECT_EQ(trail.processes[1].exit, "SIGKILL");
    EXPECT_EQ(trail.processes[2].command, "(fork) make");
    EXPECT_EQ(trail.processes[2].exit, "");
    EXPECT_THAT(trail.notes, IsEmpty());
}

TEST_F(View, AccessesAreAddedUpWithoutAReport) {
    make_session(R"("state":"tracing")");
    write("trace/processes.jsonl", "");
    write("trace/accesses.jsonl", access(7, "read", "/w/a.c") + access(7, "create", "/w/a.o") +
                                      access(7, "write", "/w/a.o") + access(8, "read", "/w/a.o") +
                                      access(8, "read", "/w/denied", R"(,"error":"EACCES")") +
                                      access(8, "absent", "/w/none", R"(,"error":"ENOENT")") +
                                      access(8, "rename", "/w/a.o", R"(,"to":"/w/b.o")"));
    TrailView trail = view();
    EXPECT_THAT(paths(trail.inputs), ElementsAre("/w/a.c"));
    EXPECT_THAT(paths(trail.outputs), ElementsAre("/w/b.o"));
    EXPECT_THAT(paths(trail.absent), ElementsAre("/w/none"));
    EXPECT_EQ(trail.inputs[0].pid, 7u);
}

TEST_F(View, TheReportHasTheLastWord) {
    make_session();
    write("trace/processes.jsonl", processes);
    write("trace/accesses.jsonl", access(7, "read", "/w/from-log"));
    write("trace/tasks/-.json",
          R"({"schema":"spoor.report/1","inputs":["/w/in","/w/?"],"outputs":["/w/out"],
              "filesRead":[{"path":"/w/in","pid":7}],"filesWritten":[{"path":"/w/out","pid":8}],
              "spoor":{"inputsBytes":[{"index":1,"bytes":"L3cv/w=="},{"index":99,"bytes":"L3cv/w=="},{"index":0}],
                       "absent":[{"path":"/w/none","pid":7},{"nonsense":1},3],"omittedAccesses":5}})");
    TrailView trail = view();
    EXPECT_THAT(paths(trail.inputs), ElementsAre("/w/in", "/w/\xff"));
    EXPECT_EQ(trail.inputs[0].pid, 7u);
    EXPECT_EQ(trail.inputs[1].pid, 0u);
    EXPECT_THAT(paths(trail.outputs), ElementsAre("/w/out"));
    EXPECT_THAT(paths(trail.absent), ElementsAre("/w/none"));
    EXPECT_THAT(trail.notes, ElementsAre(HasSubstr("leaves out 5 accesses")));
}

TEST_F(View, AReportThatMakesNoSenseIsReplacedAndNamed) {
    make_session();
    write("trace/processes.jsonl", processes);
    write("trace/accesses.jsonl", access(7, "read", "/w/from-log"));
    std::string deep = R"({"schema":"spoor.report/1","spoor":{},"inputs":)" + std::string(100'000, '[') +
                       std::string(100'000, ']') + "}";
    for (const std::string& report :
         {std::string("{"), std::string("[]"), std::string(R"({"schema":"other"})"),
          std::string(R"({"schema":"spoor.report/1","spoor":3})"), deep}) {
        write("trace/tasks/-.json", report);
        TrailView trail = view();
        EXPECT_THAT(paths(trail.inputs), ElementsAre("/w/from-log")) << report.substr(0, 40);
        EXPECT_THAT(trail.notes, ElementsAre(HasSubstr("added up from accesses.jsonl")))
            << report.substr(0, 40);
    }
}

TEST_F(View, LinesThatMakeNoSenseAreCounted) {
    make_session();
    write("trace/processes.jsonl", std::string("{}\nnonsense\n") + processes);
    write("trace/accesses.jsonl",
          "[1]\n" + access(7, "read", "/w/a") + access(7, "a-later-operation", "/w/b"));
    TrailView trail = view();
    EXPECT_EQ(trail.processes.size(), 3u);
    EXPECT_THAT(paths(trail.inputs), ElementsAre("/w/a"));
    EXPECT_THAT(trail.notes, ElementsAre(HasSubstr("processes.jsonl: skipped 2 lines"),
                                         HasSubstr("accesses.jsonl: skipped 1 line ")));
}

TEST_F(View, NoSessionIsSaid) {
    write("trace/session.json", "{\"schema\":\"spoor.session/1\"");
    TrailView trail = view();
    EXPECT_FALSE(trail.has_session);
    EXPECT_THAT(trail_text(trail, Sections{}, "", plain), HasSubstr("no trail"));
}

TEST_F(View, TheVerdictSaysWhetherTheTrailCanBeReliedOn) {
    write("trace/processes.jsonl", "");
    write("trace/accesses.jsonl", "");
    make_session();
    EXPECT_THAT(verdict(view(), plain), HasSubstr("complete: nothing was lost"));

    make_session(R"("state":"finished","lostByCause":{"ringFull":3})");
    EXPECT_THAT(verdict(view(), plain),
                testing::AllOf(HasSubstr("NOT COMPLETE"), HasSubstr("3 records were lost")));

    make_session(R"("state":"untraced","reasons":["no spoord at \u001b[2J"])");
    std::string text = trail_text(view(), Sections{}, "", plain);
    EXPECT_THAT(text, testing::AllOf(HasSubstr("NOT TRACED"), HasSubstr("no spoord at \\x1b[2J"),
                                     Not(HasSubstr("inputs"))));

    make_session(R"("state":"degraded","reasons":["spoord ended"])");
    EXPECT_THAT(verdict(view(), plain), testing::AllOf(HasSubstr("NOT COMPLETE"), HasSubstr("spoord ended")));

    make_session(R"("state":"tracing")");
    EXPECT_THAT(verdict(view(), plain), HasSubstr("the recorder ended before the container"));
}

TEST_F(View, PathsOfTheWorkingDirectoryStandFirst) {
    TrailView trail;
    trail.has_session = true;
    trail.session.state = SessionState::finished;
    trail.inputs = {{"/etc/passwd", 1}, {"/w/a", 1}, {"/work/b", 1}};
    trail.processes.resize(1);
    std::string text = trail_text(trail, Sections{}, "/w", plain);
    EXPECT_LT(text.find("/w/a"), text.find("/etc/passwd"));
    EXPECT_LT(text.find("/etc/passwd"), text.find("/work/b"));
}

TEST_F(View, AContainerInWhichNothingRanHasNoTables) {
    TrailView trail;
    trail.has_session = true;
    trail.session.state = SessionState::finished;
    EXPECT_THAT(trail_text(trail, Sections{}, "", plain),
                testing::AllOf(HasSubstr("no program ran"), Not(HasSubstr("inputs"))));
}

TEST_F(View, SectionsCanBeChosen) {
    TrailView trail;
    trail.has_session = true;
    trail.session.state = SessionState::finished;
    trail.processes.resize(1);
    std::string text = trail_text(
        trail, Sections{.processes = false, .inputs = false, .outputs = true, .absent = false}, "", plain);
    EXPECT_THAT(text, HasSubstr("outputs (0)"));
    EXPECT_THAT(text, Not(HasSubstr("inputs")));
}

}  // namespace
}  // namespace spoor::ctl
