// The program itself, run beside the runtime that it wraps: what that is given must be the same.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "base/files.h"
#include "tests/support/temp_dir.h"

namespace spoor {
namespace {

using testing::HasSubstr;
using Words = std::vector<std::string>;

struct Outcome {
    int code = -1;
    std::string out;
    std::string err;
    bool operator==(const Outcome&) const = default;
};

void PrintTo(const Outcome& outcome, std::ostream* stream) {
    *stream << outcome.code << "\n" << outcome.out << "--\n" << outcome.err;
}

class Program : public testing::Test {
protected:
    void SetUp() override { configure(""); }

    // A runtime that tells how it was called.
    std::string telling_runtime() const {
        return dir_.write("crun",
                          "#!/bin/sh\nfor a; do echo \"arg $a\"; done\ni=0\n"
                          "while [ $i -lt 64 ]; do [ -e /proc/$$/fd/$i ] && echo fd $i; i=$((i+1)); done\n"
                          // Read by the shell itself: while it starts a program it blocks signals.
                          "while read -r l; do case $l in SigBlk*|SigIgn*) echo $l; esac; done "
                          "</proc/$$/status\numask\npwd\nenv | grep -v ^_= | sort\n",
                          true);
    }

    void configure(const std::string& yaml) {
        config_ = dir_.write("spoor.yaml", "state_root: " + (dir_ / "state") + "\n" + yaml);
    }

    Outcome run(const std::string& program, const Words& arguments,
                const std::function<void()>& before = {}) {
        const UniqueFd out(::open((dir_ / "out").c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
        const UniqueFd err(::open((dir_ / "err").c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
        const pid_t child = ::fork();
        if (child == 0) {
            std::string name = program;
            Words copy = arguments;
            std::vector<char*> argv{name.data()};
            for (auto& word : copy) argv.push_back(word.data());
            argv.push_back(nullptr);
            ::dup2(out.get(), 1);
            ::dup2(err.get(), 2);
            ::setenv("SPOOR_CONFIG", config_.c_str(), 1);
            if (::chdir(dir_.path().c_str()) != 0) ::_exit(127);
            if (before) before();
            ::execv(program.c_str(), argv.data());
            ::_exit(127);
        }
        Outcome outcome;
        int status = 0;
        ::waitpid(child, &status, 0);
        outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        outcome.out = dir_.read("out");
        outcome.err = dir_.read("err");
        return outcome;
    }

    test::TempDir dir_;
    std::string config_;
};

TEST_F(Program, PassesEverythingOnUntouched) {
    const std::string runtime = telling_runtime();
    configure("runtime: " + runtime + "\n");
    const auto odd = [] {
        ::umask(027);
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        ::sigprocmask(SIG_BLOCK, &set, nullptr);
        ::signal(SIGPIPE, SIG_IGN);
        ::signal(SIGHUP, SIG_IGN);
        const int fd = ::open("/dev/zero", O_RDONLY | O_CLOEXEC);
        ::dup2(fd, 7);
        ::close(fd);
        ::close(0);
    };
    const Words lines[] = {{"state", "c"},
                           {"--root", "/r", "kill", "c", "9"},
                           {},
                           {"exec", "-t", "c", "run", "x"},
                           {"run", "--bundle", "/nonexistent", "c"}};
    for (const auto& words : lines) EXPECT_EQ(run(SPOOR_PROGRAM, words, odd), run(runtime, words, odd));
}

// shim/front reads no YAML: however the key is spelt, somebody has to notice.
TEST_F(Program, FindsTheRuntimeInAnySpelling) {
    const std::string runtime = dir_.write("crun", "#!/bin/sh\necho mine\n", true);
    const std::string plain = "runtime: " + runtime + "\n";
    std::string utf16 = "\xff\xfe";
    for (const char c : plain) utf16 += {c, '\0'};
    for (const std::string& yaml :
         {plain, "# runtime\n\n  " + plain, "'runtime': " + runtime, R"("\x72untime": )" + runtime,
          "{mode: warn, runtime: " + runtime + "}", "? runtime\n: " + runtime, utf16,
          std::string(20'000, '#') + "\n" + plain}) {
        config_ = dir_.write("spoor.yaml", yaml);
        EXPECT_EQ(run(SPOOR_PROGRAM, {"state", "c"}).out, "mine\n") << yaml.substr(0, 100);
    }
}

// Of a container that is certainly not traced no spoor-runtime has to hear. Here that is a script, beside a
// front of its own.
class Front : public Program {
protected:
    void SetUp() override {
        if (::access("/usr/bin/crun", X_OK) != 0) GTEST_SKIP() << "no crun";
        std::filesystem::copy_file(SPOOR_PROGRAM, dir_ / "spoor");
        dir_.write("spoor-runtime", "#!/bin/sh\necho asked\n", true);
        // crun complains of it, and makes nothing.
        dir_.write("bundle/config.json", R"({"ociVersion":"1.0.0"})");
        config_ = dir_.write("spoor.yaml", "trace: false\n");
    }
    Outcome call(const Words& words) {
        return run(dir_ / "spoor", words, [this] {
            ::setenv("HOME", (dir_ / "home").c_str(), 1);
            ::unsetenv("XDG_CONFIG_HOME");
        });
    }
    void expect_passed_on(const Words& words = {"run", "--bundle", "bundle", "c"}) {
        EXPECT_EQ(call(words), run("/usr/bin/crun", words));
    }
    void expect_asked(const Words& words = {"run", "--bundle", "bundle", "c"}) {
        EXPECT_EQ(call(words), (Outcome{0, "asked\n", ""}));
    }
};

TEST_F(Front, PassesOnWhatIsCertainlyNotTraced) {
    expect_passed_on();
    expect_passed_on({"--log", dir_ / "log", "create", "-b", dir_ / "bundle", "c"});
    dir_.write("home/.config/spoor/spoor.yaml", "trace: true\nmode: strict\n");
    expect_passed_on();
    config_ = dir_.write("spoor.yaml", "");
    expect_asked();
    dir_.write("home/.config/spoor/spoor.yaml", "mode: off\n");
    expect_passed_on();
    dir_.write("home/.config/spoor/spoor.yaml", "");
    dir_.write("bundle/config.json", R"({"annotations":{"io.spoor.trace":"false"}})");
    expect_passed_on();
}

TEST_F(Front, AsksIfAnAnnotationMightWantIt) {
    for (const char* spec :
         {R"({"annotations":{"io.spoor.trace":"true"}})", R"({"annotations":{"io.spoor.x":"y"}})",
          R"({"annotations":{"\u0069o.spoor.trace":"true"}})"}) {
        dir_.write("bundle/config.json", spec);
        expect_asked();
    }
}

TEST_F(Front, AsksIfTheSpecCannotBeHadAsAWhole) {
    const std::string file = dir_ / "bundle/config.json";
    std::filesystem::remove(file);
    expect_asked();
    std::filesystem::create_directory(file);
    expect_asked();
    std::filesystem::remove(file);
    dir_.write("bundle/config.json", std::string(1024 * 1024, ' ') + "{}");
    expect_asked();
    std::filesystem::remove(file);
    // Nobody writes yet, so that to open it would wait; and who writes must not lose his reader.
    ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
    expect_asked();
    const UniqueFd writer(::open(file.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
    ASSERT_EQ(::write(writer.get(), "{}", 2), 2);
    expect_asked();
    char kept[3];
    EXPECT_EQ(::read(writer.get(), kept, sizeof kept), 2);
}

TEST_F(Front, AsksIfALayerIsNotPlain) {
    for (const std::string& yaml :
         {std::string("trace: false\nmode: nonsense\n"), std::string("{trace: false}\n"),
          "trace: false\n" + std::string(20'000, '#'), std::string("trace: false\nruntime: /usr/bin/crun\n"),
          std::string("trace: false\naudit:\n  file: stderr\n")}) {  // the operator's to say
        config_ = dir_.write("spoor.yaml", yaml);
        expect_asked();
    }
    config_ = dir_ / "nonexistent.yaml";
    dir_.write("home/.config/spoor/spoor.yaml", "trace: false\n");
    expect_asked();
}

TEST_F(Front, AsksForOtherWords) {
    expect_asked({"restore", "--bundle", "bundle", "c"});
    expect_asked({"run", "--config", "bundle/config.json", "c"});
    expect_asked({"run", "--bund", "bundle", "c"});
}

TEST_F(Program, GivesATracedContainersRuntimeOnlyAnotherSpec) {
    const std::string runtime = telling_runtime();
    configure("runtime: " + runtime + "\nrecorder: " + dir_.write("rec", "#!/bin/sh\n", true) + "\n");
    dir_.write("bundle/config.json", R"({"ociVersion":"1.0.0"})");
    const auto shimmed = run(SPOOR_PROGRAM, {"create", "--bundle", "bundle", "c"});
    auto plain = run(runtime, {"create", "--bundle", "bundle", "c"});
    const std::string added = "arg --config\narg " + (dir_ / "state/containers/c/config.json") + "\n";
    const size_t at = plain.out.find("arg c\n");
    ASSERT_NE(at, std::string::npos) << plain.out;
    plain.out.insert(at, added);
    EXPECT_EQ(shimmed, plain);
}

TEST_F(Program, SpeaksAsCrunDoes) {
    if (::access("/usr/bin/crun", X_OK) != 0) GTEST_SKIP() << "no crun";
    const Words lines[] = {{"--version"},
                           {"--help"},
                           {"--root", dir_ / "crun", "list"},  // the machine's may change in between
                           {"spec", "--help"},
                           {"nosuchverb"},
                           {"state", "nobody"},
                           {"create"},
                           {"create", "--nosuch", "c"},
                           {"run", "a", "b"},
                           {"--nosuch"},
                           {"delete", "-f", "nobody"},
                           {},
                           {"run", "--help"},
                           {"--log"},
                           {"run", "-b", "/nonexistent", "c"}};
    for (const auto& words : lines) EXPECT_EQ(run(SPOOR_PROGRAM, words), run("/usr/bin/crun", words));
}

TEST_F(Program, SaysThatTheRuntimeIsMissing) {
    configure("runtime: /nonexistent/crun\n");
    dir_.write("bundle/config.json", R"({"ociVersion":"1.0.0"})");
    for (const Words& words :
         {Words{"--log", dir_ / "log", "--log-format=json", "state", "c"},
          Words{"--log", dir_ / "log", "--log-format=json", "run", "-b", "bundle", "c"}}) {
        std::filesystem::remove(dir_ / "log");
        const auto outcome = run(SPOOR_PROGRAM, words);
        EXPECT_EQ(outcome.code, 1);
        EXPECT_EQ(outcome.out, "");
        EXPECT_THAT(outcome.err, HasSubstr("spoor: cannot execute the wrapped runtime /nonexistent/crun"));
        EXPECT_THAT(dir_.read("log"), HasSubstr("\"level\":\"error\""));
        EXPECT_FALSE(std::filesystem::exists(dir_ / "state"));
    }
}

TEST_F(Program, ABrokenConfigurationStopsOnlyWhatItConcerns) {
    const std::string runtime = dir_.write("crun", "#!/bin/sh\necho ran\n", true);
    configure("runtime: " + runtime + "\ntrace: perhaps\n");
    EXPECT_EQ(run(SPOOR_PROGRAM, {"state", "c"}).out, "ran\n");
    const auto outcome = run(SPOOR_PROGRAM, {"run", "c"});
    EXPECT_EQ(outcome.code, 1);
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, HasSubstr("spoor.yaml:3:8: 'trace' wants true or false"));
}

TEST_F(Program, WritesNoErrorIntoAFileOfItsOwn) {
    configure("runtime: /nonexistent/crun\n");
    // With 0 to 2 closed the first file that is opened would become stderr.
    const auto outcome = run(SPOOR_PROGRAM, {"--log", dir_ / "log", "state", "c"}, [] {
        for (int fd = 0; fd < 3; ++fd) ::close(fd);
    });
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(dir_.read("log"), testing::MatchesRegex("spoor: cannot execute[^\n]*\n"));
}

}  // namespace
}  // namespace spoor
