#include "shim/ctl/text.h"

#include <gtest/gtest.h>

namespace spoor::ctl {
namespace {

TEST(Printable, LeavesTextAlone) {
    EXPECT_EQ(printable("/usr/lib/ä/日本/🦡 x\\y"), "/usr/lib/ä/日本/🦡 x\\y");
    EXPECT_EQ(printable(""), "");
}

TEST(Printable, NothingReachesTheTerminalThatMovesIt) {
    EXPECT_EQ(printable("a\nb\tc\x1b[31m\x7f"), "a\\nb\\tc\\x1b[31m\\x7f");
    EXPECT_EQ(printable(std::string("a\0b", 3)), "a\\x00b");
    EXPECT_EQ(printable("\xc2\x9b"
                        "31m"),
              "\\xc2\\x9b31m");  // CSI of C1
    EXPECT_EQ(printable("\xe2\x80\xae"
                        "gpj.exe"),
              "\\xe2\\x80\\xaegpj.exe");                      // right-to-left override
    EXPECT_EQ(printable("\xe2\x80\xa8"), "\\xe2\\x80\\xa8");  // line separator
}

TEST(Printable, BrokenUtf8IsShownByteByByte) {
    EXPECT_EQ(printable("\xff\xfe/x"), "\\xff\\xfe/x");
    EXPECT_EQ(printable("\xc3"), "\\xc3");
    EXPECT_EQ(printable("\xc0\xaf"), "\\xc0\\xaf");           // overlong
    EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // surrogate
    EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
    EXPECT_EQ(printable("a\xe6\x97/b"), "a\\xe6\\x97/b");
}

TEST(DisplayWidth, CountsColumns) {
    EXPECT_EQ(display_width("abc"), 3u);
    EXPECT_EQ(display_width("ä"), 1u);
    EXPECT_EQ(display_width("a\xcc\x88"), 1u);  // a combining mark takes none
    EXPECT_EQ(display_width("日本"), 4u);
}

TEST(Cut, FitsAndKeepsBothEnds) {
    EXPECT_EQ(cut_middle("/short", 6), "/short");
    EXPECT_EQ(cut_middle("/usr/lib/node/index.js", 10), "/us…dex.js");
    EXPECT_EQ(cut_end("abcdef", 4), "abc…");
    EXPECT_EQ(cut_end("abcdef", 0), "");
    for (size_t columns = 1; columns < 12; ++columns) {
        EXPECT_LE(display_width(cut_middle("日本語日本語", columns)), columns);
        EXPECT_EQ(printable(cut_middle("日本語日本語", columns)), cut_middle("日本語日本語", columns))
            << columns;
    }
}

TEST(Counted, KnowsOneFromMany) {
    EXPECT_EQ(counted(1, "process", "processes"), "1 process");
    EXPECT_EQ(counted(0, "process", "processes"), "0 processes");
}

}  // namespace
}  // namespace spoor::ctl
