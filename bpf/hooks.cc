#include "bpf/hooks.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <sstream>
#include <string_view>

#include "base/files.h"
#include "base/unique_fd.h"
#include "bpf/abi.h"
#include "bpf/trial.h"
#include "spoor.skel.h"

namespace spoor::bpf {
namespace {

constexpr const char* active_modules_file = "/sys/kernel/security/lsm";
constexpr std::string_view lookup_program = "fexit_filename_lookup";
// What that program is written for; its result is the argument behind them.
constexpr unsigned lookup_parameters = 5;

constexpr uint64_t bit(spoor_op op) { return uint64_t{1} << op; }

constexpr uint64_t descriptor_ops = bit(SPOOR_OP_READ) | bit(SPOOR_OP_WRITE) | bit(SPOOR_OP_CREATE) |
                                    bit(SPOOR_OP_LIST) | bit(SPOOR_OP_EXEC) | bit(SPOOR_OP_MMAP_EXEC) |
                                    bit(SPOOR_OP_MMAP_WRITE) | bit(SPOOR_OP_CONNECT) | bit(SPOOR_OP_BIND);
constexpr uint64_t looked_up_ops =
    bit(SPOOR_OP_TRUNCATE) | bit(SPOOR_OP_METADATA) | bit(SPOOR_OP_PROBE) | bit(SPOOR_OP_READLINK);

// A hook security_path_* and what it resolves; `link` takes the lookup as well.
struct PathHook {
    std::string_view name;
    spoor_op op;
};
constexpr std::array path_hooks = {
    PathHook{"path_unlink", SPOOR_OP_DELETE},   PathHook{"path_rmdir", SPOOR_OP_RMDIR},
    PathHook{"path_mkdir", SPOOR_OP_MKDIR},     PathHook{"path_mknod", SPOOR_OP_MKNOD},
    PathHook{"path_symlink", SPOOR_OP_SYMLINK}, PathHook{"path_link", SPOOR_OP_LINK},
    PathHook{"path_rename", SPOOR_OP_RENAME},
};
// Where a task in strict mode is refused what it has not declared (refusal.bpf.h).
constexpr std::array refusal_hooks = {"file_open",    "path_mknod", "path_rename",
                                      "path_symlink", "path_link",  "path_truncate"};
constexpr uint64_t every_op = (uint64_t{2} << SPOOR_OP_LAST) - 2;

bool bpf_lsm_is_active() {
    auto modules = read_file(active_modules_file, 4096);
    if (!modules) return false;
    std::istringstream words(*modules);
    for (std::string word; std::getline(words, word, ',');)
        if (word.substr(0, word.find('\n')) == "bpf") return true;
    return false;
}

// Programs that do nothing, at the places where ours would be.
class Trial {
public:
    explicit Trial(const btf* types) : types_(types) {}

    [[nodiscard]] UniqueFd load(bpf_prog_type type, bpf_attach_type where,
                                const std::string& function) const {
        const int id = types_ ? btf__find_by_name_kind(types_, function.c_str(), BTF_KIND_FUNC) : -ENOENT;
        if (id < 0) return UniqueFd();
        bpf_prog_load_opts options{};
        options.sz = sizeof options;
        options.expected_attach_type = where;
        options.attach_btf_id = static_cast<uint32_t>(id);
        return load_trial(type, options);
    }
    [[nodiscard]] UniqueFd load(const bpf_program* program) const {
        const std::string section = bpf_program__section_name(program);
        const std::string function = section.substr(section.find('/') + 1);
        return bpf_program__type(program) == BPF_PROG_TYPE_LSM
                   ? load(BPF_PROG_TYPE_LSM, BPF_LSM_MAC, "bpf_lsm_" + function)
                   : load(BPF_PROG_TYPE_TRACING, bpf_program__expected_attach_type(program), function);
    }
    [[nodiscard]] static bool attaches(const UniqueFd& program) {
        return program && UniqueFd(bpf_raw_tracepoint_open(nullptr, program.get()));
    }
    [[nodiscard]] unsigned parameters(const std::string& function) const {
        const int id = types_ ? btf__find_by_name_kind(types_, function.c_str(), BTF_KIND_FUNC) : -ENOENT;
        if (id < 0) return 0;
        const btf_type* type = btf__type_by_id(types_, static_cast<uint32_t>(id));
        return btf_vlen(btf__type_by_id(types_, type->type));
    }

private:
    const btf* types_;
};

bpf_program* program_of(const spoor_bpf* skeleton, std::string_view family, std::string_view hook) {
    return bpf_object__find_program_by_name(skeleton->obj,
                                            (std::string(family) + "_" + std::string(hook)).c_str());
}

// Attaching is tried once for each kind: what a kernel or a policy refuses, it refuses at all of them.
bool takes_lookup(const Trial& trial, const bpf_program* program) {
    return trial.parameters("filename_lookup") == lookup_parameters && Trial::attaches(trial.load(program));
}

// Has the programs of one kind loaded at those path hooks that the kernel has. Returns whether there are any.
bool choose_path_hooks(const Trial& trial, const spoor_bpf* skeleton, std::string_view kind) {
    if (!Trial::attaches(trial.load(program_of(skeleton, kind, path_hooks.front().name)))) return false;
    for (const PathHook& hook : path_hooks) {
        bpf_program* program = program_of(skeleton, kind, hook.name);
        bpf_program__set_autoload(program, static_cast<bool>(trial.load(program)));
    }
    return true;
}

// With hooks at which renames and chroot(2) have not yet changed what names count from, nothing has to be
// noted when a call begins: every call of everybody is spared one program.
void spare_sys_enter(const Trial& trial, const spoor_bpf* skeleton) {
    const auto& programs = skeleton->progs;
    if (!bpf_program__autoload(programs.lsm_path_rename) || !trial.load(programs.lsm_path_chroot)) return;
    bpf_program__set_autoload(programs.lsm_path_chroot, true);
    bpf_program__set_autoload(programs.on_sys_enter, false);
    bpf_program__set_autoload(programs.at_sys_enter, false);
    skeleton->rodata->notes_bases = false;
}

}  // namespace

Status choose_hooks(spoor_bpf* skeleton, const btf* types, std::optional<HookFamily> wanted,
                    bool may_refuse) {
    skeleton->rodata->resolves_names = false;
    skeleton->rodata->notes_bases = true;
    if (wanted == HookFamily::syscall_exit) return {};
    const Trial trial(types);
    const bool may_lsm = wanted != HookFamily::fentry && bpf_lsm_is_active();
    const bool lsm = may_lsm && choose_path_hooks(trial, skeleton, "lsm");
    if (wanted == HookFamily::lsm && !lsm)
        return Error{ENOTSUP, may_lsm ? "this kernel refuses programs of BPF LSM"
                                      : "BPF LSM is not active: boot with 'bpf' in the parameter lsm="};
    if (lsm && may_refuse) {
        for (const char* hook : refusal_hooks) {
            bpf_program* program = program_of(skeleton, "refuse", hook);
            bpf_program__set_autoload(program, static_cast<bool>(trial.load(program)));
        }
    }
    if (lsm) spare_sys_enter(trial, skeleton);
    const bool fentry = !lsm && choose_path_hooks(trial, skeleton, "fentry");
    const bool lookup = takes_lookup(trial, skeleton->progs.fexit_filename_lookup);
    bpf_program__set_autoload(skeleton->progs.fexit_filename_lookup, lookup);
    bpf_program__set_autoload(skeleton->progs.fexit_filename_lookup_again,
                              lookup && bpf_program__autoload(skeleton->progs.at_sys_exit));
    if (wanted == HookFamily::fentry && !fentry)
        return Error{ENOTSUP, "this kernel refuses programs at the entry of its functions (fentry)"};
    skeleton->rodata->resolves_names = lsm || fentry || lookup;
    return {};
}

std::vector<std::string> loadable_programs(const spoor_bpf* skeleton) {
    std::vector<std::string> names;
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, skeleton->obj) {
        if (bpf_program__autoload(program)) names.emplace_back(bpf_program__name(program));
    }
    return names;
}

Coverage coverage_of(const std::vector<std::string>& programs) {
    const auto has = [&programs](std::string_view kind, std::string_view hook) {
        return std::ranges::find(programs, std::string(kind) + "_" + std::string(hook)) != programs.end();
    };
    Coverage coverage;
    coverage.exact_ops = descriptor_ops;
    const bool lookup = std::ranges::find(programs, lookup_program) != programs.end();
    if (lookup) {
        coverage.exact_ops |= looked_up_ops;
        coverage.family = HookFamily::fentry;
    }
    for (const PathHook& hook : path_hooks) {
        const bool lsm = has("lsm", hook.name), fentry = has("fentry", hook.name);
        if (lsm) coverage.family = HookFamily::lsm;
        if (fentry && coverage.family != HookFamily::lsm) coverage.family = HookFamily::fentry;
        if ((lsm || fentry) && (lookup || hook.op != SPOOR_OP_LINK)) coverage.exact_ops |= bit(hook.op);
    }
    coverage.refuses =
        std::ranges::all_of(refusal_hooks, [&has](const char* hook) { return has("refuse", hook); });
    coverage.lexical_ops = every_op & ~coverage.exact_ops;
    return coverage;
}

}  // namespace spoor::bpf
