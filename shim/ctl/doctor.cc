#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/kernel_floor.h"
#include "base/number.h"
#include "config/config.h"
#include "shim/ctl/commands.h"
#include "shim/ctl/host.h"
#include "shim/ctl/text.h"
#include "shim/ipc/broker_client.h"
#include "signal/names.h"

namespace spoor::ctl {
namespace {

class Findings {
public:
    enum class Level { ok, note, bad };

    void add(Level level, const std::string& topic, const std::string& text) {
        failed_ |= level == Level::bad;
        const char* word = level == Level::ok ? "ok" : level == Level::note ? "note" : "FAIL";
        Paint paint = level == Level::ok ? Paint::green : level == Level::note ? Paint::yellow : Paint::red;
        std::string label(word);
        label.resize(4, ' ');
        std::string name = topic;
        name.resize(std::max<size_t>(name.size(), 16), ' ');
        std::string line = painted(label, paint, style_) + "  " + name + "  " + printable(text) + "\n";
        std::fwrite(line.data(), 1, line.size(), stdout);
    }
    void hint(const std::string& text) { hints_.push_back(text); }
    [[nodiscard]] bool failed() const { return failed_; }
    [[nodiscard]] const std::vector<std::string>& hints() const { return hints_; }

private:
    Style style_ = Style::of_stdout();
    bool failed_ = false;
    std::vector<std::string> hints_;
};
using Level = Findings::Level;

std::string names_of_ops(uint64_t bits) {
    std::string out;
    for (int op = 1; op <= last_op; ++op)
        if (bits >> op & 1) out += (out.empty() ? "" : " ") + std::string(name_of(static_cast<Op>(op)));
    return out;
}

bool may_load_bpf() {
    __user_cap_header_struct head{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
    if (::syscall(SYS_capget, &head, data) < 0) return false;
    auto has = [&](unsigned capability) { return data[capability / 32].effective >> (capability % 32) & 1; };
    return has(CAP_BPF) && has(CAP_PERFMON);
}

void check_config(const LoadedConfig& loaded, Findings& findings) {
    for (const Error& error : loaded.errors) findings.add(Level::bad, "configuration", error.message);
    if (!loaded.errors.empty()) return;
    std::string from = loaded.files.empty() ? "defaults" : "";
    for (const std::string& file : loaded.files) from += (from.empty() ? "" : ", ") + file;
    findings.add(Level::ok, "configuration", from);
    if (!loaded.config.trace)
        findings.add(Level::note, "configuration",
                     "'trace: false': only containers with io.spoor.trace=true are traced");
}

void check_kernel(Findings& findings) {
    utsname name{};
    ::uname(&name);
    const auto level = kernel_level();
    if (!level)
        findings.add(Level::bad, "kernel", level.error().message);
    else if (*level == KernelLevel::full)
        findings.add(Level::ok, "kernel", std::string(name.release) + ", with BTF and all helpers");
    else
        findings.add(Level::note, "kernel",
                     std::string(name.release) +
                         ", reduced: it has no bpf_loop and bpf_find_vma (Linux 5.17). No refusal in place; "
                         "io_uring and "
                         "mprotect of several threads make a session incomplete (docs/kernels.md)");
}

// Which hook family it is, and what would have to change on the node for a better one.
void check_family(broker::Family family, Findings& findings) {
    const std::string name = broker::name_of(family);
    switch (family) {
        case broker::Family::none:
            return findings.add(Level::bad, "hook family", name);
        case broker::Family::lsm:
            return findings.add(Level::ok, "hook family", name);
        case broker::Family::fentry:
            findings.add(Level::ok, "hook family", name + "; BPF LSM is not active");
            break;
        case broker::Family::syscall_exit:
            findings.add(Level::note, "hook family",
                         name +
                             ": the kernel refused fentry and BPF LSM, or spoord was told "
                             "so (--family)");
            break;
    }
    auto modules = read_file("/sys/kernel/security/lsm", 4096);
    if (!modules) return;
    std::string active = *modules;
    while (!active.empty() && active.back() == '\n') active.pop_back();
    if (("," + active + ",").find(",bpf,") == std::string::npos)
        findings.hint("for the lsm family boot with lsm=" + active + (active.empty() ? "" : ",") +
                      "bpf (the kernel needs CONFIG_BPF_LSM)");
}

void check_broker(const Config& config, Findings& findings) {
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(2);
    auto client = broker::Client::connect(config.broker.socket, deadline);
    if (client) {
        const broker::Coverage& coverage = client->coverage();
        findings.add(Level::ok, "spoord", "answers at " + config.broker.socket);
        check_family(coverage.family, findings);
        if (coverage.exact_ops) findings.add(Level::ok, "exact", names_of_ops(coverage.exact_ops));
        if (coverage.lexical_ops) findings.add(Level::ok, "lexical", names_of_ops(coverage.lexical_ops));
        uint64_t all = (2ull << last_op) - 2;
        if (uint64_t none = all & ~(coverage.exact_ops | coverage.lexical_ops))
            findings.add(Level::note, "not traced", names_of_ops(none));
        return;
    }
    std::string why = client.error().message;
    bool could_start = config.broker.start_private && may_load_bpf();
    auto program = find_program(config.broker.program.empty() ? "spoord" : config.broker.program, true);
    if (!program) program = find_program("/usr/libexec/spoor/spoord", false);
    if (could_start && program) {
        findings.add(Level::ok, "spoord",
                     "no service (" + why + "); a private one can be started: " + *program);
        return;
    }
    findings.add(Level::bad, "spoord", "no service: " + why);
    findings.hint("start the broker: systemctl enable --now spoord.socket");
    if (could_start)
        findings.hint("or install spoord beside spoor: then a private one is started when needed");
}

void check_cgroups(Findings& findings) {
    Cgroups cgroups = probe_cgroups();
    std::string text =
        std::string(name_of(cgroups.layout)) + "; for containers of this user: " + cgroups.delegation;
    if (cgroups.layout == CgroupLayout::none) {
        findings.add(Level::bad, "cgroups", "none: " + cgroups.delegation);
    } else if (!cgroups.delegated) {
        findings.add(Level::bad, "cgroups", text);
        findings.hint(
            "rootless containers need a delegated v2 cgroup: log in through systemd, "
            "or set Delegate=yes for the unit that this runs in");
    } else {
        findings.add(Level::ok, "cgroups",
                     text + (cgroups.pids ? "" : "; no pids controller (no --pids-limit)"));
    }
}

// A recorder takes one inotify descriptor; systemd, Kubernetes and the like take some of the same user's,
// too.
void check_inotify(Findings& findings) {
    constexpr uint64_t enough = 512;  // containers of the rule that applies where there is none
    const auto text = read_file("/proc/sys/fs/inotify/max_user_instances", 64);
    const auto limit =
        text ? number_in<uint64_t>(std::string_view(*text).substr(0, text->find('\n'))) : std::nullopt;
    if (!limit || *limit >= enough) return;
    findings.add(Level::note, "task signals",
                 "are seen at once of less than " + std::to_string(*limit) +
                     " traced containers of a user; of more, late");
    findings.hint("more containers with tasks: sysctl fs.inotify.max_user_instances=1024");
}

void check_programs(const Config& config, Findings& findings) {
    auto runtime = find_program(config.runtime, false);
    if (runtime)
        findings.add(Level::ok, "wrapped runtime", *runtime);
    else
        findings.add(Level::bad, "wrapped runtime",
                     runtime.error().message + ": install it, or set 'runtime'");
    auto spoor = find_program("spoor", true);
    if (spoor)
        findings.add(Level::ok, "spoor", *spoor);
    else
        findings.add(Level::bad, "spoor", spoor.error().message);
    auto podman = find_program("podman", false);
    if (podman)
        findings.add(Level::ok, "podman", *podman);
    else
        findings.add(Level::note, "podman", "not found: `spoorctl run` needs it");
}

// What podman's configuration says about spoor. Its own parser knows more; the word is enough here.
void check_registration(Findings& findings) {
    std::vector<std::string> files = {"/usr/share/containers/containers.conf",
                                      "/etc/containers/containers.conf",
                                      "/etc/containers/containers.conf.d/spoor.conf"};
    if (const char* config = std::getenv("XDG_CONFIG_HOME"); config && *config)
        files.push_back(std::string(config) + "/containers/containers.conf");
    else if (const char* home = std::getenv("HOME"); home && *home)
        files.push_back(std::string(home) + "/.config/containers/containers.conf");
    if (const char* other = std::getenv("CONTAINERS_CONF"); other && *other) files.push_back(other);
    for (const std::string& file : files) {
        auto text = read_file(file, 1u << 20);
        if (text && text->find("/spoor\"") != std::string::npos) {
            findings.add(Level::ok, "registered", "with podman, in " + file);
            return;
        }
    }
    findings.add(Level::note, "registered", "not with podman; `--runtime PATH` works without");
    findings.hint(
        "podman, all containers: in containers.conf, under [engine.runtimes]: crun = [\"/usr/bin/spoor\"]");
    findings.hint(
        "podman, by name: spoor = [\"/usr/bin/spoor\"] there, and runtime_supports_json and "
        "runtime_supports_nocgroup with \"spoor\" under [engine]");
    findings.hint(
        "containerd: a runtime of type io.containerd.runc.v2 with options BinaryName = \"/usr/bin/spoor\"");
}

}  // namespace

int doctor_command() {
    Findings findings;
    LoadedConfig loaded = load_config(ConfigEnvironment::from_process());
    check_config(loaded, findings);
    check_kernel(findings);
    check_cgroups(findings);
    check_inotify(findings);
    check_programs(loaded.config, findings);
    check_broker(loaded.config, findings);
    check_registration(findings);
    if (!findings.hints().empty()) std::printf("\n");
    for (const std::string& hint : findings.hints()) std::printf("hint: %s\n", hint.c_str());
    std::printf("\n%s\n", findings.failed() ? "Containers cannot be traced here as it stands."
                                            : "Containers can be traced here.");
    return findings.failed() ? exit_failure : 0;
}

}  // namespace spoor::ctl
