// The files in a bpffs that keep maps and links alive while no spoord runs.
//
//   DIR/v<abi>-<state>/     one directory a version of abi.h and state.h, so that an old spoord and a
//                           new one stand beside each other; v<abi>-<state>-<inode> in a pid namespace that
//                           is not the machine's first one, by whose numbers the programs there know a
//                           container's init
//     map_<name>            the programs' maps
//     link_<program>        their attachments
//     ring_<session>_<bytes>  a session's ring; two of them while it grows
//     complete/             made last, removed first: without it what is there is a part of a set, made
//                           or removed by a spoord that was killed meanwhile, and no session was granted on
//                           it
//
// The directory is there as long as spoord runs, what is in it only while there are sessions. Another
// version's is removed when its sessions have ended, or by a spoord of that version.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace spoor::bpf {

class Pins {
public:
    // Makes the directory if need be and locks it until destruction, or this process's death.
    // Errors: EBUSY: another spoord of this version uses it; ENOTSUP: not on a bpffs; EACCES and others:
    // it cannot be made, belongs to somebody else, or others may write to it.
    static Result<Pins> open(const std::string& dir);

    // A set that can be adopted is there.
    [[nodiscard]] bool complete() const;
    Status mark_complete() const;

    Status pin(const std::string& name, int fd) const;
    // The map or link of that name. ENOENT.
    [[nodiscard]] Result<UniqueFd> get(const std::string& name) const;
    // Not being there is no error.
    void unpin(const std::string& name) const;
    // Those that begin with `prefix`.
    [[nodiscard]] Result<std::vector<std::string>> names(const std::string& prefix = {}) const;
    // Unpins everything, the mark of completeness first.
    void clear() const;

    // The directories of other versions beside this one that no spoord uses, locked from now on.
    [[nodiscard]] std::vector<Pins> others() const;
    // clear(), and the directory is gone as well.
    void remove() const;
    // Of the records in the rings there.
    [[nodiscard]] uint32_t abi_version() const { return abi_version_; }

    [[nodiscard]] const std::string& path() const { return path_; }

private:
    Pins(std::string path, uint32_t abi_version, UniqueFd dir)
        : path_(std::move(path)), abi_version_(abi_version), dir_(std::move(dir)) {}
    static Result<Pins> open_version(const std::string& path, uint32_t abi_version);

    std::string path_;
    uint32_t abi_version_;
    UniqueFd dir_;  // carries the lock
};

// A session's ring among the pins.
struct RingPin {
    uint64_t session = 0;
    uint32_t bytes = 0;
};
[[nodiscard]] std::string name_of(const RingPin& pin);
[[nodiscard]] Result<std::vector<RingPin>> ring_pins(const Pins& pins);

}  // namespace spoor::bpf
