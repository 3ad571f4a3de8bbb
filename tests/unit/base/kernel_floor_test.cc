#include "base/kernel_floor.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string_view>

#include "tests/support/temp_dir.h"

namespace spoor {
namespace {

struct KernelFloor : ::testing::Test {
    test::TempDir directory;

    Status check(std::string_view names) {
        return check_kernel_floor(directory.write("vmlinux", std::string(names)), "5.10.0-test");
    }
};

using std::string_view_literals::operator""sv;

TEST_F(KernelFloor, HasAll) {
    EXPECT_TRUE(check("int\0BPF_FUNC_map_lookup_elem\0BPF_FUNC_find_vma\0BPF_FUNC_loop\0long"sv));
}

TEST_F(KernelFloor, TooOldNamesKernelAndWhatIsMissing) {
    auto both = check("int\0BPF_FUNC_map_lookup_elem\0long"sv);
    ASSERT_FALSE(both);
    EXPECT_EQ(both.error().code, EOPNOTSUPP);
    EXPECT_EQ(
        both.error().message,
        "kernel 5.10.0-test is too old: it has no bpf_loop and bpf_find_vma (Linux 5.17, or an older one "
        "of a distribution that brought them over)");
    auto one = check("int\0BPF_FUNC_find_vma\0long"sv);
    ASSERT_FALSE(one);
    EXPECT_NE(one.error().message.find("no bpf_loop ("), std::string::npos);
}

TEST_F(KernelFloor, PartOfALongerNameIsNoMatch) {
    EXPECT_FALSE(check("int\0BPF_FUNC_loop_more\0BPF_FUNC_find_vma\0"sv));
}

TEST_F(KernelFloor, NoTypeInformation) {
    auto none = check_kernel_floor(directory / "absent", "6.1.0-test");
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, ENOENT);
    EXPECT_NE(none.error().message.find("CONFIG_DEBUG_INFO_BTF"), std::string::npos);
}

TEST(KernelFloorHere, TheKernelThatTheTestsRunOnHasIt) { EXPECT_TRUE(check_kernel_floor()); }

}  // namespace
}  // namespace spoor
