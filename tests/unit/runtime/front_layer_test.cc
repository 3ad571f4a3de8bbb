// Layers of spoor.yaml as the front reads them (shim/front/layer.c) against what the parser sees: it may
// doubt, and must never be certain of what the parser sees otherwise.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "config/config.h"
#include "config/tenants.h"
#include "shim/front/certain.h"
#include "tests/support/temp_dir.h"

namespace spoor {
namespace {

struct Settings {
    bool certain = false;
    bool trace = true;
    bool off = false;
    bool limits_modes = false;
    bool operator==(const Settings&) const = default;
};

Settings read_as_front(const std::string& yaml, bool operators) {
    front_settings settings{true, false, false};
    const bool certain = front_read_layer(yaml.data(), yaml.size(), operators, &settings);
    return certain ? Settings{true, settings.trace, settings.off, settings.limits_modes} : Settings{};
}

// parse_config() reads text as the operator's, load_config() a named file as a user's.
LoadedConfig read_as_runtime(const std::string& yaml, bool operators, const test::TempDir& dir) {
    if (operators) return parse_config(yaml, "spoor.yaml");
    ConfigEnvironment environment;
    environment.system_file = dir / "nonexistent";
    environment.spoor_config = dir.write("spoor.yaml", yaml);
    return load_config(environment);
}

void expect_agreement(const std::string& yaml, bool operators, const test::TempDir& dir) {
    const Settings front = read_as_front(yaml, operators);
    if (!front.certain) return;
    const auto loaded = read_as_runtime(yaml, operators, dir);
    const std::string shown = (operators ? "operator's:\n" : "user's:\n") + yaml;
    ASSERT_TRUE(loaded.errors.empty()) << shown << loaded.errors.front().message;
    EXPECT_EQ(front.trace, loaded.config.trace) << shown;
    EXPECT_EQ(front.off, loaded.config.mode == Mode::off) << shown;
    EXPECT_EQ(loaded.config.runtime, Config{}.runtime) << shown;
    EXPECT_EQ(loaded.config.on_unavailable, OnUnavailable::run) << shown;
    for (const TenantRule& rule : loaded.config.tenants) {
        EXPECT_TRUE(rule.annotations.value.empty()) << shown;
        EXPECT_FALSE(rule.on_unavailable.value) << shown;
        if (rule.modes.value == all_modes) continue;
        EXPECT_TRUE(front.limits_modes) << shown;
        EXPECT_FALSE(allows(rule.modes.value, Mode::off)) << shown;
    }
}

struct Layer {
    const char* yaml;
    Settings expected;
};

constexpr Settings doubt{};
constexpr Settings silent{true, true, false};
constexpr Settings not_traced{true, false, false};
constexpr Settings switched_off{true, true, true};
constexpr Settings limited{true, true, false, true};

class FrontLayer : public testing::TestWithParam<Layer> {};

TEST_P(FrontLayer, IsReadAsTheParserReadsIt) {
    const test::TempDir dir;
    EXPECT_EQ(read_as_front(GetParam().yaml, true), GetParam().expected);
    for (const bool operators : {true, false}) expect_agreement(GetParam().yaml, operators, dir);
}

INSTANTIATE_TEST_SUITE_P(
    Plain, FrontLayer,
    testing::Values(
        Layer{"", silent}, Layer{"\n  \n", silent}, Layer{"# trace: false\n", silent},
        Layer{"trace: false", not_traced}, Layer{"trace: false\n", not_traced},
        Layer{"# c\n\n  # d\ntrace:   false  # why\n", not_traced}, Layer{"trace: true\n", silent},
        Layer{"mode: off\n", switched_off}, Layer{"mode: strict\n", silent},
        Layer{"mode: off\ntrace: false\n", Settings{true, false, true}},
        Layer{"on_unavailable: run\ntrace: false\n", not_traced}, Layer{"volumes:\n  keep: 4\n", silent},
        Layer{"volumes: # few\n    keep: 4\n\n# no\ntrace: false\n", not_traced},
        Layer{"audit:\n  file: /var/log/spoor/audit.jsonl\n  rotate: 64MiB\n  keep: 4\ntrace: false\n"
              "metrics:\n  socket: /run/spoord/metrics.sock\n",
              not_traced},
        Layer{"audit:\n # c\n  file: journal\n # d\nmode: off\n", switched_off},
        Layer{"volumes:\n  keep: 123456789\nsetup_deadline: 99s\n", silent}));

INSTANTIATE_TEST_SUITE_P(
    Doubtful, FrontLayer,
    testing::Values(
        Layer{"trace: no\n", doubt}, Layer{"trace: \"false\"\n", doubt}, Layer{"trace:false\n", doubt},
        Layer{"trace: false#\n", doubt}, Layer{"trace: false more\n", doubt},
        Layer{"trace: false\n  more\n", doubt}, Layer{"trace: false\ntrace: true\n", doubt},
        Layer{"trace:\n  false\n", doubt}, Layer{"trace:\n", doubt}, Layer{"trace: !!str false\n", doubt},
        Layer{"{trace: false}\n", doubt}, Layer{"- trace: false\n", doubt}, Layer{" trace: false\n", doubt},
        Layer{"trace: false\r\n", doubt}, Layer{"trace:\tfalse\n", doubt},
        Layer{"---\ntrace: false\n", doubt}, Layer{"trace: false\n...\ntrace: true\n", doubt},
        Layer{"# \x04\ntrace: false\n", doubt}, Layer{"\xef\xbb\xbftrace: false\n", doubt},
        Layer{"# \xc2\x85trace: false\n", doubt}, Layer{"trace: false\ntenants: []\n", doubt},
        Layer{"trace: false\nruntime: /usr/bin/runc\n", doubt},
        Layer{"trace: false\non_unavailable: refuse\n", doubt}, Layer{"trace: false\nunknown: 1\n", doubt},
        Layer{"trace: false\nvolumes:\n", doubt}, Layer{"trace: false\nvolumes:\n  # nothing\n", doubt},
        Layer{"volumes:\ntrace: false\n", doubt}, Layer{"volumes:\n  keep: 4\n   keep: 5\n", doubt},
        Layer{"volumes:\n  keep: 4\n  keep: 4\n", doubt},
        Layer{"volumes:\n  keep: 4\nvolumes:\n  keep: 4\n", doubt}, Layer{"volumes:\n  keep: many\n", doubt},
        Layer{"volumes:\n  keep: 4\n  trace: false\n", doubt}, Layer{"  keep: 4\n", doubt},
        Layer{"audit:\n  keep: 1001\n", doubt}, Layer{"audit:\n  file: relative\n", doubt},
        Layer{"audit:\n  rotate: 99999999999GiB\n", doubt}, Layer{"volumes: 4\n", doubt},
        Layer{"keep: 4\n", doubt}, Layer{": false\n", doubt}, Layer{"mode: off: x\n", doubt},
        Layer{"setup_deadline: 0s\n", doubt}, Layer{"setup_deadline: 02s\n", doubt},
        Layer{"setup_deadline: 100s\n", doubt}, Layer{"setup_deadline: 300ms\n", doubt},
        Layer{"volumes:\n  keep: 1234567890\n", doubt}, Layer{"ring:\n  initial: 16MiB\n", doubt}));

INSTANTIATE_TEST_SUITE_P(
    Rules, FrontLayer,
    testing::Values(
        Layer{"tenants:\n  - name: a\n", silent},
        Layer{"tenants: # few\n  - name: a # c\n    uid: 5\n  # c\n\n  -  name: b\n     gid: [5, 6-7]\n",
              silent},
        Layer{"tenants:\n  - uid: [1000, 2000-2999] # c\n    name: a\n    account: together\n  - name: "
              "default\n"
              "    containers: 20\ntrace: false\n",
              not_traced},
        Layer{"tenants:\n  - name: a\n    uid: 0\n    cgroup: [\"/k.slice/*pay?*\", /a, \"*\"]\n    "
              "containers: 200\n"
              "    ring_bytes: 1GiB\n    ring_bytes_each: 64KiB\n    dedupe_entries: 5\n"
              "    dedupe_entries_each: 1024\n    connections: 0\n    requests: 9\n    account: each\n",
              silent},
        Layer{"tenants:\n  - name: a\n    modes: [warn,strict]\nvolumes:\n  keep: 4\n", limited},
        Layer{"tenants:\n  - name: a\n    uid: 1\n    modes: strict\n  - name: b\n", limited}));

INSTANTIATE_TEST_SUITE_P(
    DoubtfulRules, FrontLayer,
    testing::Values(
        Layer{"tenants:\n", doubt}, Layer{"tenants: []\n", doubt}, Layer{"tenants:\n- name: a\n", doubt},
        Layer{"tenants:\n  -\n", doubt}, Layer{"tenants:\n  -name: a\n", doubt},
        Layer{"tenants:\n  name: a\n", doubt}, Layer{"tenants:\n  - name: a\n  uid: 5\n", doubt},
        Layer{"tenants:\n  - name: a\n     uid: 5\n", doubt},
        Layer{"tenants:\n  - name: a\n    uid: 5\n   - name: b\n", doubt},
        Layer{"tenants:\n  - - name: a\n", doubt}, Layer{"tenants:\n  - name: a\n    name: a\n", doubt},
        Layer{"tenants:\n  - uid: 5\n", doubt}, Layer{"tenants:\n  - uid: 5\ntrace: false\n", doubt},
        Layer{"tenants:\n  - uid: 5\n  - name: b\n", doubt},
        Layer{"tenants:\n  - name: a\n    uid: 5\n  - name: a\n", doubt},
        Layer{"tenants:\n  - name: a\n  - name: b\n", doubt},
        Layer{"tenants:\n  - name: default\n    uid: 5\n", doubt},
        Layer{"tenants:\n  - name: a\ntenants:\n  - name: b\n", doubt},
        Layer{"tenants:\n  - name: null\n", doubt}, Layer{"tenants:\n  - name: -a\n", doubt},
        Layer{"tenants:\n  - name: a/b\n", doubt}, Layer{"tenants:\n  - name: a\n    uid: 7-6\n", doubt},
        Layer{"tenants:\n  - name: a\n    uid: 7-\n", doubt},
        Layer{"tenants:\n  - name: a\n    uid: []\n", doubt},
        Layer{"tenants:\n  - name: a\n    uid: [5\n", doubt},
        Layer{"tenants:\n  - name: a\n    uid: [5,]\n", doubt},
        Layer{"tenants:\n  - name: a\n    uid: [5]6\n", doubt},
        Layer{"tenants:\n  - name: a\n    uid: [5]#\n", doubt},
        Layer{"tenants:\n  - name: a\n    uid: [ 5 ]\n", doubt},
        Layer{"tenants:\n  - name: a\n    cgroup: a\n", doubt},
        Layer{"tenants:\n  - name: a\n    cgroup: *a\n", doubt},
        Layer{"tenants:\n  - name: a\n    cgroup: \"/a\\\\\"\n", doubt},
        Layer{"tenants:\n  - name: a\n    cgroup: \"\"\n", doubt},
        Layer{"tenants:\n  - name: a\n    ring_bytes_each: 3MiB\n", doubt},
        Layer{"tenants:\n  - name: a\n    ring_bytes_each: 32KiB\n", doubt},
        Layer{"tenants:\n  - name: a\n    ring_bytes_each: 2GiB\n", doubt},
        Layer{"tenants:\n  - name: a\n    dedupe_entries_each: 1000\n", doubt},
        Layer{"tenants:\n  - name: a\n    dedupe_entries_each: 512\n", doubt},
        Layer{"tenants:\n  - name: a\n    modes: off\n", doubt},
        Layer{"tenants:\n  - name: a\n    modes: [off, warn]\n", doubt},
        Layer{"tenants:\n  - name: a\n    on_unavailable: run\n", doubt},
        Layer{"tenants:\n  - name: a\n    annotations: {io.spoor.mode: strict}\n", doubt},
        Layer{"tenants:\n  - name: a\n    annotations:\n      io.spoor.mode: strict\n", doubt}));

TEST(FrontLayer, KnowsSoManyRules) {
    std::string yaml = "tenants:\n";
    for (int i = 0; i < 64; ++i) yaml += "  - name: a" + std::to_string(i) + "\n    uid: 5\n";
    EXPECT_TRUE(read_as_front(yaml, true).certain);
    expect_agreement(yaml, true, test::TempDir());
    EXPECT_FALSE(read_as_front(yaml + "  - name: b\n", true).certain);
}

TEST(FrontLayer, LeavesTheOperatorsKeysToTheOperator) {
    EXPECT_FALSE(read_as_front("tenants:\n  - name: a\n", false).certain);
    EXPECT_FALSE(read_as_front("trace: false\naudit:\n  file: stderr\n", false).certain);
    EXPECT_TRUE(read_as_front("trace: false\naudit:\n  file: stderr\n", true).certain);
}

void expect_agreement_on_lines_in_every_order(const std::vector<std::string>& lines, const std::string& first,
                                              unsigned most) {
    const test::TempDir dir;
    std::mt19937 random(1);
    size_t certain = 0;
    for (int round = 0; round < 20'000; ++round) {
        std::string yaml = first;
        for (size_t count = random() % most; count > 0; --count) yaml += lines[random() % lines.size()];
        certain += read_as_front(yaml, true).certain ? 1 : 0;
        expect_agreement(yaml, true, dir);
        if (testing::Test::HasFailure()) return;
    }
    EXPECT_GT(certain, 1000u);
}

TEST(FrontLayer, AgreesOnWhateverItIsCertainOf) {
    const std::vector<std::string> lines{"trace: false\n",
                                         "trace: true\n",
                                         "mode: off\n",
                                         "mode: strict\n",
                                         "setup_deadline: 5s\n",
                                         "volumes:\n",
                                         "  keep: 4\n",
                                         "    keep: 5\n",
                                         "audit:\n",
                                         "  file: stderr\n",
                                         "  rotate: 4KiB\n",
                                         "log:\n",
                                         "  file: /l\n",
                                         "# c\n",
                                         "  # c\n",
                                         "\n",
                                         " \n",
                                         "- x\n",
                                         "  - x\n",
                                         "accesses:\n",
                                         "  write: false\n",
                                         "---\n",
                                         "  trace: false\n",
                                         "keep: 4\n",
                                         "|\n",
                                         "trace: false ",
                                         "#",
                                         "  ",
                                         "on_unavailable: ",
                                         "run\n",
                                         "volumes: "};
    expect_agreement_on_lines_in_every_order(lines, "", 6);
}

TEST(FrontLayer, AgreesOnRules) {
    const std::vector<std::string> lines{"  - name: a\n",
                                         "  - name: b\n",
                                         "  - name: default\n",
                                         "  - uid: 5\n",
                                         "    name: c\n",
                                         "    uid: [5, 6-7]\n",
                                         "    gid: 5\n",
                                         "    cgroup: [\"*a\", /b]\n",
                                         "    containers: 5 # c\n",
                                         "    containers: 010\n",
                                         "    ring_bytes: 1MiB\n",
                                         "    ring_bytes_each: 128KiB\n",
                                         "    dedupe_entries_each: 2048\n",
                                         "    account: together\n",
                                         "    modes: [warn, strict]\n",
                                         "    modes: warn\n",
                                         "   - name: d\n",
                                         "  -   name: e\n",
                                         "      uid: 8\n",
                                         "    - x\n",
                                         "# c\n",
                                         "      # c\n",
                                         "\n",
                                         "trace: false\n",
                                         "tenants:\n"};
    expect_agreement_on_lines_in_every_order(lines, "tenants:\n", 5);
}

}  // namespace
}  // namespace spoor
