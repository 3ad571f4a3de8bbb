#include "shim/runtime/tenancy.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

#include "tests/support/temp_dir.h"

namespace spoor {
namespace {

TEST(Tenancy, IdsAreTheHosts) {
    test::TempDir proc;
    const auto uid = std::to_string(::geteuid()), gid = std::to_string(::getegid());
    proc.write("self/uid_map", "         " + uid + "       1234          1\n");
    proc.write("self/gid_map", "         " + gid + "       4321          1\n");
    const Tenant tenant = this_tenant(proc.path());
    EXPECT_EQ(tenant.uid, 1234u);
    EXPECT_TRUE(std::find(tenant.gids.begin(), tenant.gids.end(), 4321u) != tenant.gids.end());
    EXPECT_EQ(tenant.cgroup, "");
}

TEST(Tenancy, MapsAreReadAsTheKernelWritesThem) {
    const char* rootless = "         0       1000          1\n         1     100000      65536\n";
    EXPECT_EQ(outside_id(rootless, 0), 1000u);
    EXPECT_EQ(outside_id(rootless, 1), 100000u);
    EXPECT_EQ(outside_id(rootless, 65536), 165535u);
    EXPECT_EQ(outside_id(rootless, 65537), std::nullopt);
    EXPECT_EQ(outside_id("0 0 4294967295\n", 1000), 1000u);
    EXPECT_EQ(outside_id("", 0), std::nullopt);
}

TEST(Tenancy, CgroupsAreThoseOfTheManagers) {
    EXPECT_EQ(cgroup_of_spec("/kubepods/burstable/pod1/c"), "/kubepods/burstable/pod1/c");
    EXPECT_EQ(cgroup_of_spec("machine.slice:libpod:abc"), "/machine.slice/libpod-abc.scope");
    EXPECT_EQ(
        cgroup_of_spec("kubepods-burstable-pod1.slice:cri-containerd:abc"),
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-abc.scope");
    EXPECT_EQ(cgroup_of_spec("-.slice::abc"), "/abc.scope");
    EXPECT_EQ(cgroup_of_spec(""), "");
    EXPECT_EQ(cgroup_of_spec("relative/path"), "");
    EXPECT_EQ(cgroup_of_spec("a:b"), "");
}

}  // namespace
}  // namespace spoor
