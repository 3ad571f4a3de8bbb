#include "shim/ctl/host.h"

#include <unistd.h>

#include "support.h"

namespace spoor::ctl {
namespace {

class Host : public InDirectory {
protected:
    Host() { ::unsetenv("XDG_RUNTIME_DIR"); }  // no systemd user manager
};

TEST_F(Host, FindsACgroupV2Tree) {
    write("fs/cgroup.controllers", "cpu memory pids\n");
    write("fs/a/b/cgroup.controllers", "memory pids\n");
    write("fs/a/b/cgroup.procs", "");
    write("self", "0::/a/b\n");
    Cgroups found = probe_cgroups(root + "/fs", root + "/self");
    EXPECT_EQ(found.layout, CgroupLayout::v2);
    EXPECT_EQ(found.own, root + "/fs/a/b");
    EXPECT_TRUE(found.delegated);  // ours to write, or root's
}

TEST_F(Host, KnowsWhetherThereIsAPidsController) {
    write("fs/cgroup.controllers", "cpu pids\n");
    write("fs/a/cgroup.controllers", "cpu mypids pids2\n");
    write("self", "0::/a\n");
    EXPECT_FALSE(probe_cgroups(root + "/fs", root + "/self").pids);
    write("self", "0::/\n");
    EXPECT_TRUE(probe_cgroups(root + "/fs", root + "/self").pids);
}

TEST_F(Host, TellsV1AndHybridApart) {
    write("v1/pids/tasks", "");
    write("hybrid/pids/tasks", "");
    write("hybrid/unified/cgroup.controllers", "\n");
    write("self", "8:pids:/\n0::/\n");
    EXPECT_EQ(probe_cgroups(root + "/v1", root + "/self").layout, CgroupLayout::v1);
    EXPECT_TRUE(probe_cgroups(root + "/v1", root + "/self").pids);
    EXPECT_EQ(probe_cgroups(root + "/hybrid", root + "/self").layout, CgroupLayout::hybrid);
    EXPECT_EQ(probe_cgroups(root + "/nothing", root + "/self").layout, CgroupLayout::none);
    EXPECT_FALSE(probe_cgroups(root + "/nothing", root + "/self").delegated);
}

TEST_F(Host, ShowsTheHostsDirectoriesAndLinks) {
    for (const char* name : {"usr/bin/x", "etc/x", "lib/x"}) write(name, "");
    ASSERT_EQ(::symlink("usr/bin", (root + "/bin").c_str()), 0);
    ASSERT_EQ(::symlink("/elsewhere", (root + "/opt").c_str()), 0);  // a link is no directory to show
    HostView view = host_view(root);
    EXPECT_EQ(view.read_only, (std::vector<std::string>{root + "/usr", root + "/etc", root + "/lib"}));
    ASSERT_EQ(view.links.size(), 1u);
    EXPECT_EQ(view.links[0].name, "bin");
    EXPECT_EQ(view.links[0].target, "usr/bin");
}

TEST_F(Host, FindsPrograms) {
    write("tool", "#!/bin/sh\n");
    write("plain", "");
    ASSERT_EQ(::chmod((root + "/tool").c_str(), 0755), 0);
    EXPECT_EQ(find_program(root + "/tool", false).value_or(""), root + "/tool");
    EXPECT_FALSE(find_program(root + "/plain", false));
    EXPECT_FALSE(find_program(root, false));
    EXPECT_FALSE(find_program("no-such-program-anywhere", true));
    EXPECT_EQ(find_program("no-such-program-anywhere", true).error().code, ENOENT);

    ::setenv("PATH", (":relative:" + root).c_str(), 1);
    EXPECT_EQ(find_program("tool", false).value_or(""), root + "/tool");
    EXPECT_FALSE(find_program("plain", false));
    ::setenv("PATH", "/usr/bin:/bin", 1);
    // The test program's own directory counts only where it is asked for.
    EXPECT_TRUE(find_program("unit_ctl", true));
    EXPECT_FALSE(find_program("unit_ctl", false));
}

TEST_F(Host, ARelativeProgramBecomesAbsolute) {
    write("sub/tool", "");
    ASSERT_EQ(::chmod((root + "/sub/tool").c_str(), 0755), 0);
    char before[4096];
    ASSERT_TRUE(::getcwd(before, sizeof before));
    ASSERT_EQ(::chdir(root.c_str()), 0);
    auto found = find_program("sub/tool", false);
    ASSERT_EQ(::chdir(before), 0);
    EXPECT_EQ(found.value_or(""), root + "/sub/tool");
}

}  // namespace
}  // namespace spoor::ctl
