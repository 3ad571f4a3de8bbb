// What is said of each operation follows from the programs that are attached; which of them a kernel takes is
// tested on real ones (tests/vm).
#include "bpf/hooks.h"

#include <gtest/gtest.h>

#include "bpf/abi.h"

namespace spoor::bpf {
namespace {

constexpr uint64_t every_op = (uint64_t{2} << SPOOR_OP_LAST) - 2;

bool is_exact(const Coverage& coverage, spoor_op op) { return coverage.exact_ops >> op & 1; }

std::vector<std::string> all_of(const std::string& kind) {
    std::vector<std::string> names{"on_sys_exit", "fexit_filename_lookup"};
    for (const char* hook : {"unlink", "rmdir", "mkdir", "mknod", "symlink", "link", "rename"})
        names.push_back(kind + "_path_" + hook);
    return names;
}

TEST(Hooks, NamesAreLexicalWithoutThem) {
    const Coverage coverage = coverage_of({"on_sys_enter", "on_sys_exit", "on_exec"});
    EXPECT_EQ(coverage.family, HookFamily::syscall_exit);
    EXPECT_TRUE(is_exact(coverage, SPOOR_OP_READ));
    EXPECT_FALSE(is_exact(coverage, SPOOR_OP_DELETE));
    EXPECT_FALSE(is_exact(coverage, SPOOR_OP_PROBE));
    EXPECT_EQ(coverage.exact_ops | coverage.lexical_ops, every_op);
}

TEST(Hooks, AWholeFamilyLeavesWhatIsNotThere) {
    for (const auto& [kind, family] :
         {std::pair{"lsm", HookFamily::lsm}, std::pair{"fentry", HookFamily::fentry}}) {
        const Coverage coverage = coverage_of(all_of(kind));
        EXPECT_EQ(coverage.family, family);
        EXPECT_EQ(coverage.lexical_ops, uint64_t{1} << SPOOR_OP_ABSENT);
        EXPECT_EQ(coverage.exact_ops, every_op & ~coverage.lexical_ops);
    }
}

TEST(Hooks, EachOperationHasWhatItsOwnHooksTell) {
    const Coverage coverage =
        coverage_of({"on_sys_exit", "lsm_path_unlink", "lsm_path_link", "fentry_path_mkdir"});
    EXPECT_EQ(coverage.family, HookFamily::lsm);
    EXPECT_TRUE(is_exact(coverage, SPOOR_OP_DELETE));
    EXPECT_TRUE(is_exact(coverage, SPOOR_OP_MKDIR));
    EXPECT_FALSE(is_exact(coverage, SPOOR_OP_LINK)) << "its old name is looked up";
    EXPECT_FALSE(is_exact(coverage, SPOOR_OP_RENAME));
    EXPECT_FALSE(is_exact(coverage, SPOOR_OP_METADATA));
}

}  // namespace
}  // namespace spoor::bpf
