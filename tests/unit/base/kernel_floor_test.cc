#include "base/kernel_floor.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string_view>

#include "tests/support/temp_dir.h"

namespace spoor {
namespace {

struct KernelFloor : ::testing::Test {
    test::TempDir directory;

    Result<KernelLevel> level(std::string_view names) {
        return kernel_level(directory.write("vmlinux", std::string(names)), "5.9.0-test");
    }
};

using std::string_view_literals::operator""sv;

// Of one that lacks a helper only. The programs for those know x86-64's registers.
void expect_reduced(const Result<KernelLevel>& level) {
#if defined(__x86_64__)
    ASSERT_TRUE(level);
    EXPECT_EQ(*level, KernelLevel::reduced);
#else
    ASSERT_FALSE(level);
    EXPECT_EQ(level.error().code, EOPNOTSUPP);
    EXPECT_EQ(level.error().message,
              "kernel 5.9.0-test is too old: on this architecture it takes Linux 5.17");
#endif
}

TEST_F(KernelFloor, HasAll) {
    auto all = level("\0BPF_FUNC_ringbuf_output\0BPF_F_INNER_MAP\0BPF_FUNC_find_vma\0BPF_FUNC_loop\0long"sv);
    ASSERT_TRUE(all);
    EXPECT_EQ(*all, KernelLevel::full);
}

TEST_F(KernelFloor, ReducedWithoutAHelper) {
    for (auto names : {"\0BPF_F_INNER_MAP\0BPF_FUNC_ringbuf_output\0BPF_FUNC_loop\0"sv,
                       "\0BPF_F_INNER_MAP\0BPF_FUNC_ringbuf_output\0BPF_FUNC_find_vma\0"sv,
                       "\0BPF_F_INNER_MAP\0BPF_FUNC_ringbuf_output\0"sv})
        expect_reduced(level(names));
}

TEST_F(KernelFloor, TooOldNamesKernelAndWhatIsMissing) {
    auto both = level("int\0BPF_FUNC_map_lookup_elem\0BPF_FUNC_loop\0BPF_FUNC_find_vma\0long"sv);
    ASSERT_FALSE(both);
    EXPECT_EQ(both.error().code, EOPNOTSUPP);
    EXPECT_EQ(both.error().message,
              "kernel 5.9.0-test is too old: it has no BPF ring buffers (Linux 5.8) and BPF arrays of any "
              "size in maps "
              "(Linux 5.10)");
    auto one = level("int\0BPF_FUNC_ringbuf_output\0long"sv);
    ASSERT_FALSE(one);
    EXPECT_EQ(one.error().message,
              "kernel 5.9.0-test is too old: it has no BPF arrays of any size in maps (Linux 5.10)");
}

TEST_F(KernelFloor, PartOfALongerNameIsNoMatch) {
    expect_reduced(
        level("\0BPF_F_INNER_MAP\0BPF_FUNC_ringbuf_output\0BPF_FUNC_loop_more\0BPF_FUNC_find_vma\0"sv));
    EXPECT_FALSE(level("\0BPF_F_INNER_MAP\0BPF_FUNC_ringbuf_output_more\0"sv));
}

TEST_F(KernelFloor, NoTypeInformation) {
    auto none = kernel_level(directory / "absent", "6.1.0-test");
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, ENOENT);
    EXPECT_NE(none.error().message.find("CONFIG_DEBUG_INFO_BTF"), std::string::npos);
}

TEST(KernelFloorHere, TheKernelThatTheTestsRunOnHasIt) { EXPECT_TRUE(kernel_level()); }

}  // namespace
}  // namespace spoor
