#include "shim/ctl/table.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <sstream>

#include "shim/ctl/text.h"

namespace spoor::ctl {
namespace {

Style style(size_t columns, size_t rows = 20) {
    return Style{.columns = columns, .row_limit = rows, .colour = false};
}

std::vector<std::string> lines(const std::string& text) {
    std::istringstream in(text);
    std::vector<std::string> out;
    for (std::string line; std::getline(in, line);) out.push_back(line);
    return out;
}

Table paths(size_t count) {
    Table table("inputs", {{"PID", Align::right}, {"PATH", Align::left, true}});
    for (size_t i = 0; i < count; ++i)
        table.add({std::to_string(i), "/a/rather/long/path/of/file" + std::to_string(i)});
    return table;
}

TEST(Table, AlignsColumns) {
    Table table("processes", {{"PID", Align::right}, {"EXIT"}, {"COMMAND", Align::left, true}});
    table.add({"1", "0", "make"});
    table.add({"1000", "SIGKILL", "cc -c a.c"});
    EXPECT_EQ(table.text(style(80)),
              "processes (2)\n"
              "   PID  EXIT     COMMAND\n"
              "     1  0        make\n"
              "  1000  SIGKILL  cc -c a.c\n");
}

TEST(Table, AnEmptyOneIsItsHeading) { EXPECT_EQ(paths(0).text(style(80)), "inputs (0)\n"); }

TEST(Table, LimitsRowsAndSaysHowManyAreLeft) {
    auto text = lines(paths(30).text(style(80, 20)));
    ASSERT_EQ(text.size(), 1u + 1 + 20 + 1);
    EXPECT_EQ(text.back(), "  … and 10 more (--all shows them)");
    EXPECT_EQ(lines(paths(30).text(style(80, 0))).size(), 32u);
}

TEST(Table, NeverHidesASingleRow) {
    auto text = lines(paths(21).text(style(80, 20)));
    EXPECT_EQ(text.size(), 2u + 21);
    EXPECT_NE(text.back().find("file20"), std::string::npos);
}

TEST(Table, FitsTheTerminal) {
    for (size_t columns : {40u, 30u, 24u}) {
        for (const auto& line : lines(paths(3).text(style(columns))))
            EXPECT_LE(display_width(line), columns) << line;
    }
    EXPECT_NE(paths(3).text(style(30)).find("file2"), std::string::npos)
        << "the end of a path tells it apart";
}

TEST(Table, TakesFromTheWidestColumnFirst) {
    Table table("t", {{"A", Align::left, true}, {"B", Align::left, true}});
    table.add({std::string(20, 'a'), std::string(200, 'b')});
    EXPECT_NE(table.text(style(80)).find(std::string(20, 'a')), std::string::npos);
}

TEST(Table, CellsAreEscaped) {
    Table table("t", {{"PATH", Align::left, true}});
    table.add({"a\x1b]0;x\x07\nb"});
    EXPECT_EQ(table.text(style(80)), "t (1)\n  PATH\n  a\\x1b]0;x\\x07\\nb\n");
}

TEST(Painted, OnlyWithColour) {
    Style with = style(80);
    with.colour = true;
    EXPECT_EQ(painted("x", Paint::red, style(80)), "x");
    EXPECT_EQ(painted("x", Paint::red, with), "\033[31mx\033[0m");
}

TEST(Style, IsPlainWithoutATerminal) {
    // The test's own standard output is a pipe or a file under ctest; the variable decides the width.
    if (::isatty(1)) return;
    ::setenv("COLUMNS", "77", 1);
    EXPECT_EQ(Style::of_stdout().columns, 77u);
    EXPECT_FALSE(Style::of_stdout().colour);
    ::setenv("COLUMNS", "nonsense", 1);
    EXPECT_EQ(Style::of_stdout().columns, 100u);
    ::unsetenv("COLUMNS");
}

}  // namespace
}  // namespace spoor::ctl
