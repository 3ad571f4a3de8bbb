#include "bpf/object.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>

#include "base/files.h"
#include "base/kernel_floor.h"
#include "base/pid_namespace.h"
#include "bpf/fit_kernel.h"
#include "bpf/floor_object.h"
#include "bpf/functions.h"
#include "bpf/hooks.h"
#include "bpf/state.h"
#include "spoor.skel.h"

namespace spoor::bpf {
namespace {

Tracer::Log& log_handler() {
    static Tracer::Log handler;
    return handler;
}

int print_to_log(libbpf_print_level level, const char* format, va_list arguments) {
    if (level == LIBBPF_DEBUG || !log_handler()) return 0;
    // The verifier's log of a refused program ends with the reason, after up to megabytes of how it got
    // there.
    constexpr size_t bytes_max = 6000;
    va_list again;
    va_copy(again, arguments);
    int length = std::vsnprintf(nullptr, 0, format, again);
    va_end(again);
    if (length < 0) return 0;
    std::string text(static_cast<size_t>(length) + 1, '\0');
    std::vsnprintf(text.data(), text.size(), format, arguments);
    text.pop_back();
    if (text.size() > bytes_max) text = "[…] " + text.substr(text.size() - bytes_max);
    while (!text.empty() && text.back() == '\n') text.pop_back();
    log_handler()(text);
    return 0;
}

// 0: it is not known.
uint32_t limit_in(const char* file) {
    uint32_t number = 0;
    if (auto text = read_file(file, 64)) std::from_chars(text->data(), text->data() + text->size(), number);
    return number;
}

// Bounded: when a session ends, all buckets of the table are looked at.
uint32_t processes_of_machine() {
    uint32_t most = UINT32_MAX;
    for (const char* limit : {"/proc/sys/kernel/threads-max", "/proc/sys/kernel/pid_max"})
        if (const uint32_t number = limit_in(limit); number != 0) most = std::min(most, number);
    return std::clamp(most, 32768u, 262144u);
}

// Numbers that a process may have, less one; the kernel has no larger ones.
uint32_t pids_of_machine() {
    constexpr uint32_t most = 4 << 20;
    return std::clamp(limit_in("/proc/sys/kernel/pid_max"), 32768u, most);
}

// The object for this kernel, not loaded. As the skeleton's own function does it, but for the bytes.
Object open_skeleton(KernelLevel level) {
    if (level == KernelLevel::full) return Object(spoor_bpf__open());
    Object owner(static_cast<spoor_bpf*>(std::calloc(1, sizeof(spoor_bpf))));
    if (!owner || spoor_bpf__create_skeleton(owner.get()) != 0) return nullptr;
    const FloorObject floor = floor_object();
    owner->skeleton->data = floor.bytes;
    owner->skeleton->data_sz = floor.size;
    if (int error = bpf_object__open_skeleton(owner->skeleton, nullptr); error != 0) {
        errno = -error;
        return nullptr;
    }
    return owner;
}

// The object files are a part of the program, a megabyte each, and read once or never. Their pages are clean:
// whoever reads them again gets them from the file. With advice of its own each is a mapping of its own: else
// a read of what is next to it may bring pages back, as many as a folio of the page cache has.
void forget_file(const void* bytes, size_t size) {
    const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
    const auto data = reinterpret_cast<uintptr_t>(bytes);
    const uintptr_t begin = (data + page - 1) & ~(page - 1), end = (data + size) & ~(page - 1);
    if (begin >= end) return;
    for (int advice : {MADV_RANDOM, MADV_DONTNEED})
        (void)::madvise(reinterpret_cast<void*>(begin), end - begin, advice);
}

void forget_files() {
    size_t size = 0;
    const void* full = spoor_bpf__elf_bytes(&size);
    forget_file(full, size);
    const FloorObject floor = floor_object();
    forget_file(floor.bytes, floor.size);
}

}  // namespace

void send_messages_to(Tracer::Log log) {
    log_handler() = std::move(log);
    libbpf_set_print(print_to_log);
}

void send_message(const std::string& line) {
    if (log_handler()) log_handler()(line);
}

void ObjectCloser::operator()(spoor_bpf* object) const { spoor_bpf__destroy(object); }

Result<Object> open_object(const TracerLimits& limits) {
    const auto level = kernel_level();
    if (!level) return Error(level.error());
    Object owner = open_skeleton(*level);
    if (!owner) return errno_error("open the BPF object");
    spoor_bpf* skeleton = owner.get();

    uint64_t seeds[2];
    if (::getrandom(seeds, sizeof seeds, 0) != static_cast<ssize_t>(sizeof seeds))
        return errno_error("getrandom");
    skeleton->rodata->hash_seed_a = seeds[0];
    skeleton->rodata->hash_seed_b = seeds[1];
    auto pid_namespace = own_pid_namespace();
    if (!pid_namespace) return std::move(pid_namespace).error();
    skeleton->rodata->spoords_pid_namespace = *pid_namespace;
    const uint32_t processes = limits.processes != 0 ? limits.processes : processes_of_machine();
    for (bpf_map* map : {skeleton->maps.processes, skeleton->maps.entry_bases, skeleton->maps.notes})
        bpf_map__set_max_entries(map, processes);
    if (*level == KernelLevel::full)
        bpf_map__set_max_entries(skeleton->maps.recorded, pids_of_machine() / 64 + 1);
    const uint32_t half_of_requests = std::min<uint32_t>(SPOOR_URING_TABLE / 2, processes);
    bpf_map__set_max_entries(skeleton->maps.uring_requests, 2 * half_of_requests);
    skeleton->rodata->uring_half = half_of_requests;
    int processors = libbpf_num_possible_cpus();
    if (processors < 1) return errno_error("count the processors", -processors);
    bpf_map__set_max_entries(skeleton->maps.scratches, bpf_map__max_entries(skeleton->maps.scratches) *
                                                           static_cast<uint32_t>(processors));
    const std::unique_ptr<btf, void (*)(btf*)> types(btf__load_vmlinux_btf(), btf__free);
    fit_io_uring(skeleton, types.get());
    if (*level == KernelLevel::full) choose_functions(skeleton, types.get());
    SPOOR_TRY(choose_hooks(skeleton, types.get(), limits.family, *level == KernelLevel::full));
    return owner;
}

Status load_object(spoor_bpf* skeleton) {
    if (int error = spoor_bpf__load(skeleton); error != 0) {
        Error failure = errno_error("load the BPF programs", -error);
        if (error == -EPERM) failure.message += " (needs CAP_BPF and CAP_PERFMON)";
        return failure;
    }
    forget_files();
    return {};
}

Status attach_object(spoor_bpf* skeleton) {
    SPOOR_TRY(attach_to_functions(skeleton));
    if (int error = spoor_bpf__attach(skeleton); error != 0)
        return errno_error("attach the BPF programs", -error);
    return {};
}

bool is_in_function(const bpf_program* program) {
    return bpf_program__type(program) == BPF_PROG_TYPE_LSM ||
           (bpf_program__type(program) == BPF_PROG_TYPE_TRACING &&
            bpf_program__expected_attach_type(program) != BPF_TRACE_RAW_TP);
}

bool detach_one(spoor_bpf* skeleton) {
    const bpf_object_skeleton& programs = *skeleton->skeleton;
    for (int i = 0; i < programs.prog_cnt; ++i) {
        bpf_link*& link = *programs.progs[i].link;
        if (!link || (skeleton->rodata->attaches_once && is_in_function(*programs.progs[i].prog))) continue;
        bpf_link__destroy(std::exchange(link, nullptr));
        return true;
    }
    return false;
}

}  // namespace spoor::bpf
