// The BPF object before it is a Tracer's: opened, sized, fitted to the running kernel, loaded.
// libbpf has one log for all of a process's objects: here it goes where the last send_messages_to() says.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "bpf/tracer.h"

struct bpf_program;
struct spoor_bpf;

namespace spoor::bpf {

void send_messages_to(Tracer::Log log);
void send_message(const std::string& line);

struct ObjectCloser {
    void operator()(spoor_bpf* object) const;
};
using Object = std::unique_ptr<spoor_bpf, ObjectCloser>;

// Sized for `limits`, without what this kernel cannot take; not loaded. EOPNOTSUPP: the kernel is too old, or
// has not the hook family that is asked for.
Result<Object> open_object(const TracerLimits& limits);
// Has the kernel verify the programs and make the maps.
Status load_object(spoor_bpf* object);
// Attaches those programs that are loaded and not attached. On an error some may be.
Status attach_object(spoor_bpf* object);
// Detaches one of the programs that are attached, but none that the kernel would not attach a second time.
// False: there is none (any more).
bool detach_one(spoor_bpf* object);
// At a function of the kernel's (fentry, LSM), not at a tracepoint.
bool is_in_function(const bpf_program* program);

}  // namespace spoor::bpf
