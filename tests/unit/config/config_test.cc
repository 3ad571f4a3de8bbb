#include "config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/support/temp_dir.h"

namespace spoor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

class Layers : public testing::Test {
protected:
    Layers() { environment_.system_file = root_ / "etc/spoor.yaml"; }

    std::string write(const std::string& name, const std::string& text) { return root_.write(name, text); }

    test::TempDir root_;
    ConfigEnvironment environment_;
};

std::string first_error(std::string_view yaml) {
    const auto loaded = parse_config(yaml, "f.yaml");
    return loaded.errors.empty() ? "" : loaded.errors.front().message;
}

TEST_F(Layers, NoneGivesTheDefaults) {
    const auto loaded = load_config(environment_);
    EXPECT_THAT(loaded.errors, IsEmpty());
    EXPECT_THAT(loaded.files, IsEmpty());
    EXPECT_EQ(loaded.config.runtime, "/usr/bin/crun");
    EXPECT_TRUE(loaded.config.trace);
    EXPECT_EQ(loaded.config.mount, "/run/spoor");
    EXPECT_EQ(loaded.config.on_unavailable, OnUnavailable::run);
}

TEST_F(Layers, LaterOnesWinKeyByKey) {
    write("etc/spoor.yaml",
          "runtime: /a\nring: {initial: 1MiB, max: 16MiB}\nvolumes: {roots: [/one, /two], keep: 3}\n");
    write("xdg/spoor/spoor.yaml", "runtime: /b\nring: {initial: 2MiB}\nvolumes: {roots: [/three]}\n");
    environment_.xdg_config_home = root_ / "xdg";
    environment_.spoor_config = write("last.yaml", "mode: strict\n");
    const auto loaded = load_config(environment_);
    ASSERT_THAT(loaded.errors, IsEmpty());
    EXPECT_THAT(loaded.files, SizeIs(3));
    EXPECT_EQ(loaded.config.runtime, "/b");
    EXPECT_EQ(loaded.config.ring.initial, 2u << 20);
    EXPECT_EQ(loaded.config.ring.max, 16u << 20);
    EXPECT_THAT(loaded.config.volumes.roots, ElementsAre("/three"));
    EXPECT_EQ(loaded.config.volumes.keep, 3u);
    EXPECT_EQ(loaded.config.mode, Mode::strict);
}

TEST_F(Layers, OnlyTheFirstIsTheOperators) {
    write("etc/spoor.yaml", "tenants: [{name: a, uid: 1}]\naudit: {file: /a}\nmetrics: {socket: /m}\n");
    const auto theirs = load_config(environment_);
    ASSERT_THAT(theirs.errors, IsEmpty());
    EXPECT_THAT(theirs.config.tenants, SizeIs(1));
    EXPECT_EQ(theirs.config.audit.file, "/a");
    EXPECT_EQ(theirs.config.metrics.socket, "/m");

    environment_.xdg_config_home = root_ / "xdg";
    for (const char* key : {"tenants: []", "audit: {file: /b}", "metrics: {}"}) {
        const std::string user = write("xdg/spoor/spoor.yaml", std::string("mode: strict\n") + key + "\n");
        const auto loaded = load_config(environment_);
        ASSERT_THAT(loaded.errors, SizeIs(1)) << key;
        EXPECT_THAT(loaded.errors[0].message, StartsWith(user + ":2:1: '"));
        EXPECT_THAT(loaded.errors[0].message, HasSubstr("is the operator's to say"));
        EXPECT_THAT(loaded.config.tenants, SizeIs(1));
        EXPECT_EQ(loaded.config.audit.file, "/a");
    }
}

TEST_F(Layers, AreFoundAsTheXdgSpecificationSays) {
    environment_.home = "/home/u";
    EXPECT_THAT(environment_.layers(),
                ElementsAre(environment_.system_file, "/home/u/.config/spoor/spoor.yaml"));
    environment_.xdg_config_home = "/xdg";
    EXPECT_THAT(environment_.layers(), ElementsAre(environment_.system_file, "/xdg/spoor/spoor.yaml"));
    environment_.xdg_config_home = "relative";
    EXPECT_THAT(environment_.layers(), ElementsAre(environment_.system_file));
    environment_.spoor_config = "/x.yaml";
    EXPECT_THAT(environment_.layers(), ElementsAre(environment_.system_file, "/x.yaml"));
}

TEST_F(Layers, TheOneThatIsNamedMustExist) {
    environment_.spoor_config = root_ / "nothing.yaml";
    const auto loaded = load_config(environment_);
    ASSERT_THAT(loaded.errors, SizeIs(1));
    EXPECT_THAT(loaded.errors[0].message, HasSubstr("nothing.yaml: No such file"));
}

TEST_F(Layers, AFaultNamesItsFileAndLeavesTheRest) {
    write("etc/spoor.yaml", "runtime: /a\ntrace: 7\n");
    environment_.spoor_config = write("last.yaml", "mode: warn\n");
    const auto loaded = load_config(environment_);
    ASSERT_THAT(loaded.errors, SizeIs(1));
    EXPECT_THAT(loaded.errors[0].message, StartsWith(root_ / "etc/spoor.yaml:2:8: "));
    EXPECT_EQ(loaded.config.runtime, "/a");
    EXPECT_EQ(loaded.config.mode, Mode::warn);
}

TEST_F(Layers, SecretsAddUp) {
    ConfigEnvironment environment;
    environment.system_file = write("system.yaml", "secrets: {names: [corpkey], prefixes: [corp_]}\n");
    environment.spoor_config = write("own.yaml", "secrets: {names: [mykey], prefixes: []}\n");
    const auto loaded = load_config(environment);
    ASSERT_THAT(loaded.errors, IsEmpty());
    EXPECT_THAT(loaded.config.secrets.names, ElementsAre("corpkey", "mykey"));
    EXPECT_THAT(loaded.config.secrets.prefixes, ElementsAre("corp_"));
}

TEST_F(Layers, AFileAlone) {
    const auto config = load_config_file(write("a.yaml", "trace: false\n"));
    ASSERT_TRUE(config);
    EXPECT_FALSE(config->trace);
    EXPECT_EQ(load_config_file(root_ / "none").error().code, ENOENT);
    EXPECT_FALSE(load_config_file(write("b.yaml", "trace: 1\n")));
    // A fifo in the place of the file must not hold the container's start up.
    ASSERT_EQ(std::system(("mkfifo " + root_ / "fifo").c_str()), 0);
    EXPECT_TRUE(load_config_file(root_ / "fifo"));
}

TEST(Yaml, EveryKey) {
    const auto loaded = parse_config(R"(
runtime: /usr/sbin/runc
trace: false
mode: strict
on_unavailable: refuse
on_pressure: freeze
tasks:
  default_exclusions: false
  exclude_reads: ["**/*.log"]
  variables: {project: MY_PROJECT, configuration: ""}
setup_deadline: 750ms
state_root: /var/lib/spoor
mount: /trail
recorder: /opt/recorder
broker:
  socket: /run/s.sock
  program: /opt/spoord
  private: never
volumes:
  keep: 5
  roots: [/srv/volumes]
ring:
  initial: 64KiB
  max: 1MiB
accesses:
  write: false
  rotate: 10MiB
secrets: {names: [Corp-Key], prefixes: [corp_, corp_]}
log:
  file: /var/log/spoor.log
  level: debug
)",
                                     "f.yaml");
    ASSERT_THAT(loaded.errors, IsEmpty());
    const Config& config = loaded.config;
    EXPECT_EQ(config.runtime, "/usr/sbin/runc");
    EXPECT_FALSE(config.trace);
    EXPECT_EQ(config.mode, Mode::strict);
    EXPECT_EQ(config.on_unavailable, OnUnavailable::refuse);
    EXPECT_EQ(config.on_pressure, OnPressure::freeze);
    EXPECT_FALSE(config.tasks.default_exclusions);
    EXPECT_THAT(config.tasks.exclude_reads, ElementsAre("**/*.log"));
    EXPECT_THAT(config.secrets.names, ElementsAre("Corp-Key"));
    EXPECT_THAT(config.secrets.prefixes, ElementsAre("corp_"));
    EXPECT_EQ(config.tasks.variables.project, "MY_PROJECT");
    EXPECT_EQ(config.tasks.variables.target, "NX_TASK_TARGET_TARGET");
    EXPECT_EQ(config.tasks.variables.configuration, "");
    EXPECT_EQ(config.setup_deadline.count(), 750);
    EXPECT_EQ(config.state_root, "/var/lib/spoor");
    EXPECT_EQ(config.mount, "/trail");
    EXPECT_EQ(config.recorder, "/opt/recorder");
    EXPECT_EQ(config.broker.socket, "/run/s.sock");
    EXPECT_EQ(config.broker.program, "/opt/spoord");
    EXPECT_FALSE(config.broker.start_private);
    EXPECT_EQ(config.volumes.keep, 5u);
    EXPECT_THAT(config.volumes.roots, ElementsAre("/srv/volumes"));
    EXPECT_EQ(config.ring.initial, 65536u);
    EXPECT_EQ(config.ring.max, 1048576u);
    EXPECT_FALSE(config.accesses.write);
    EXPECT_EQ(config.accesses.rotate, 10485760u);
    EXPECT_EQ(config.log.file, "/var/log/spoor.log");
    EXPECT_EQ(config.log.level, "debug");
}

TEST(Yaml, NothingIsNothing) {
    for (const char* yaml : {"", "# only a comment\n", "---\n", "{}", "broker:\n  # socket: /x\nlog:\n"})
        EXPECT_EQ(first_error(yaml), "") << yaml;
}

struct Fault {
    const char* yaml;
    const char* where;
    const char* what;
};

class Faults : public testing::TestWithParam<Fault> {};

TEST_P(Faults, SayWhereAndWhatWasExpected) {
    const std::string message = first_error(GetParam().yaml);
    EXPECT_THAT(message, StartsWith(std::string("f.yaml:") + GetParam().where + ": "));
    EXPECT_THAT(message, HasSubstr(GetParam().what));
    EXPECT_EQ(message.find('\n'), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    Yaml, Faults,
    testing::Values(Fault{"runtme: /x\n", "1:1", "unknown key 'runtme'; did you mean 'runtime'?"},
                    Fault{"broker:\n  sokcet: /x\n", "2:3", "did you mean 'broker.socket'?"},
                    Fault{"trace: yes\n", "1:8", "'trace' wants true or false, not 'yes'"},
                    Fault{"trace: [true]\n", "1:8", "not a list"},
                    Fault{"trace:\n", "1:1", "'trace' wants true or false, not nothing"},
                    Fault{"mode: loud\n", "1:7", "'mode' wants one of off warn strict, not 'loud'"},
                    Fault{"on_unavailable: fail\n", "1:17", "one of run refuse"},
                    Fault{"on_pressure: wait\n", "1:14", "one of report freeze"},
                    Fault{"tasks: {variables: {project: A-B}}\n", "1:30",
                          "the name of an environment variable"},
                    Fault{"secrets: {names: [abc, \"--\"]}\n", "1:24", "a list of words of letters"},
                    Fault{"secrets: {prefixes: [{}]}\n", "1:22", "a list of words of letters"},
                    Fault{"tasks: {exclude_reads: x}\n", "1:9", "a list of words"},
                    Fault{"setup_deadline: 2\n", "1:17", "a duration like 2s or 500ms"},
                    Fault{"setup_deadline: 1h\n", "1:17", "a duration"},
                    Fault{"setup_deadline: 601s\n", "1:17", "to 600s"},
                    Fault{"runtime: crun\n", "1:10", "'runtime' wants an absolute path, not 'crun'"},
                    Fault{"runtime: {a: b}\n", "1:10", "an absolute path, not a map"},
                    Fault{"runtime: \"/a\\nb\"\n", "1:10", "an absolute path"},
                    Fault{"broker: /x\n", "1:9", "'broker' wants a map, not '/x'"},
                    Fault{"broker: {private: sometimes}\n", "1:19", "one of never auto"},
                    Fault{"volumes: {keep: -1}\n", "1:17", "a whole number"},
                    Fault{"volumes: {roots: /x}\n", "1:11", "a list of absolute paths"},
                    Fault{"volumes: {roots: [/x, y]}\n", "1:23", "a list of absolute paths, not 'y'"},
                    Fault{"ring: {initial: 3KiB}\n", "1:17", "a power of two"},
                    Fault{"ring: {initial: 600KiB}\n", "1:17", "a power of two"},
                    Fault{"ring: {max: 2GiB}\n", "1:13", "to 1GiB"},
                    Fault{"accesses: {rotate: many}\n", "1:20", "a size like"},
                    Fault{"log: {level: verbose}\n", "1:14", "one of trace debug info warn error off"},
                    Fault{"trace: true\ntrace: false\n", "2:1", "second time"},
                    Fault{"[a, b]\n", "1:1", "expected a map"},
                    Fault{"? [a]\n: b\n", "1:3", "a key must be a word"},
                    Fault{"trace: {\n", "2:1", "no valid YAML"},
                    Fault{"\"tr\\nace\": true\n", "1:1", "unknown key 'tr?ace'"}));

TEST(Yaml, TheParsersOwnWordsAreOneLineToo) {
    const std::string message = first_error("trace: \"\\\x01\"");
    EXPECT_THAT(message, HasSubstr("no valid YAML: unknown escape character: ?"));
}

TEST(Yaml, EveryFaultIsTold) {
    EXPECT_THAT(parse_config("trace: 1\nmode: x\nfoo: y\n", "f").errors, SizeIs(3));
}

TEST(Yaml, TheRingStartsNoLargerThanItMayGrow) {
    EXPECT_THAT(first_error("ring: {initial: 1MiB, max: 512KiB}"), HasSubstr("larger than 'ring.max'"));
}

// Every key is there, commented out, and what stands there is the default.
TEST(Yaml, AsShipped) {
    std::ifstream file(SPOOR_SHIPPED_CONFIG);
    ASSERT_TRUE(file);
    std::string text;
    for (std::string line; std::getline(file, line); text += "\n") {
        EXPECT_TRUE(line.empty() || line[0] == '#') << line;
        // "#key:" is a setting, "# text" a remark; "#  key:" is one in a section.
        if (line.size() > 1 && (line[1] != ' ' || (line[2] == ' ' && line[4] != '#'))) text += line.substr(1);
    }
    const auto loaded = parse_config(text, "shipped");
    EXPECT_THAT(loaded.errors, IsEmpty());
    const Config standard;
    const Config& shown = loaded.config;
    EXPECT_EQ(shown.runtime, standard.runtime);
    EXPECT_EQ(shown.trace, standard.trace);
    EXPECT_EQ(shown.mode, standard.mode);
    EXPECT_EQ(shown.on_unavailable, standard.on_unavailable);
    EXPECT_EQ(shown.on_pressure, standard.on_pressure);
    EXPECT_EQ(shown.setup_deadline, standard.setup_deadline);
    EXPECT_NE(shown.state_root, standard.state_root);  // these three depend on the machine
    EXPECT_NE(shown.recorder, standard.recorder);
    EXPECT_NE(shown.broker.program, standard.broker.program);
    EXPECT_EQ(shown.mount, standard.mount);
    EXPECT_EQ(shown.broker.socket, standard.broker.socket);
    EXPECT_EQ(shown.broker.start_private, standard.broker.start_private);
    EXPECT_EQ(shown.volumes.keep, standard.volumes.keep);
    EXPECT_EQ(shown.volumes.roots, standard.volumes.roots);
    const TenantRule built_in;
    ASSERT_THAT(shown.tenants, SizeIs(1));
    const TenantRule& rule = shown.tenants[0];
    EXPECT_EQ(rule.name, built_in.name);
    EXPECT_TRUE(rule.for_everybody());
    EXPECT_EQ(rule.containers.value, built_in.containers.value);
    EXPECT_EQ(rule.ring_bytes.value, built_in.ring_bytes.value);
    EXPECT_EQ(rule.ring_bytes_each.value, built_in.ring_bytes_each.value);
    EXPECT_EQ(rule.dedupe_entries.value, built_in.dedupe_entries.value);
    EXPECT_EQ(rule.dedupe_entries_each.value, built_in.dedupe_entries_each.value);
    EXPECT_EQ(rule.connections.value, built_in.connections.value);
    EXPECT_EQ(rule.requests.value, built_in.requests.value);
    EXPECT_EQ(rule.account.value, built_in.account.value);
    EXPECT_EQ(rule.modes.value, built_in.modes.value);
    EXPECT_EQ(rule.on_unavailable.value, built_in.on_unavailable.value);
    EXPECT_EQ(rule.annotations.value, built_in.annotations.value);
    EXPECT_NE(shown.audit.file, standard.audit.file);  // these are off by default
    EXPECT_NE(shown.metrics.socket, standard.metrics.socket);
    EXPECT_EQ(shown.audit.rotate, standard.audit.rotate);
    EXPECT_EQ(shown.audit.keep, standard.audit.keep);
    EXPECT_EQ(shown.metrics.group, standard.metrics.group);
    EXPECT_EQ(shown.metrics.interval, standard.metrics.interval);
    EXPECT_EQ(shown.ring.initial, standard.ring.initial);
    EXPECT_EQ(shown.ring.max, standard.ring.max);
    EXPECT_EQ(shown.accesses.write, standard.accesses.write);
    EXPECT_EQ(shown.accesses.rotate, standard.accesses.rotate);
    EXPECT_NE(shown.log.file, standard.log.file);
    EXPECT_EQ(shown.secrets.names, standard.secrets.names);
    EXPECT_EQ(shown.secrets.prefixes, standard.secrets.prefixes);
    EXPECT_EQ(shown.tasks.default_exclusions, standard.tasks.default_exclusions);
    EXPECT_EQ(shown.tasks.exclude_reads, standard.tasks.exclude_reads);
    EXPECT_EQ(shown.tasks.exclude_writes, standard.tasks.exclude_writes);
    EXPECT_EQ(shown.tasks.variables.project, standard.tasks.variables.project);
    EXPECT_EQ(shown.tasks.variables.target, standard.tasks.variables.target);
    EXPECT_EQ(shown.tasks.variables.configuration, standard.tasks.variables.configuration);
    EXPECT_EQ(shown.tasks.variables.workspace_root, standard.tasks.variables.workspace_root);
    EXPECT_EQ(shown.log.level, standard.log.level);
    EXPECT_FALSE(standard.delivery.on());
    EXPECT_EQ(shown.delivery.spool_max, standard.delivery.spool_max);
    EXPECT_EQ(shown.delivery.max_age, standard.delivery.max_age);
    EXPECT_EQ(shown.delivery.timeout, standard.delivery.timeout);
    EXPECT_EQ(shown.delivery.retry_min, standard.delivery.retry_min);
    EXPECT_EQ(shown.delivery.retry_max, standard.delivery.retry_max);
    EXPECT_TRUE(shown.delivery.on());
}

TEST(Yaml, DepthIsLimited) { EXPECT_NE(first_error(std::string(200'000, '[')), ""); }

TEST(Words, GoBothWays) {
    for (const Mode mode : {Mode::off, Mode::warn, Mode::strict})
        EXPECT_EQ(parse_mode(to_string(mode)), mode);
    EXPECT_EQ(parse_mode("Warn"), std::nullopt);
    EXPECT_STREQ(to_string(OnUnavailable::refuse), "refuse");
}

}  // namespace
}  // namespace spoor
