// systemd's journal as a destination of audit lines, by its native protocol
// (https://systemd.io/JOURNAL_NATIVE_PROTOCOL): a datagram of fields, or a sealed memfd where one is too
// small.
//
// Not by libsystemd: sd_journal_sendv(3) waits while the journal does not read, and the library brings
// compressors into a process that is to stay small.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace spoor::broker {

inline constexpr const char* default_journal_socket = "/run/systemd/journal/socket";

// The entry for an audit line (a JSON object): MESSAGE is the line, each of its keys is a field of its
// own, `cgroupId` as SPOOR_CGROUP_ID.
std::string journal_entry(std::string_view audit_line);

class Journal {
public:
    // ENOENT or ECONNREFUSED: no journal listens there.
    static Result<Journal> open(const std::string& socket_path);
    // Never waits. EAGAIN: it does not read just now. The name is looked up each time: it may have been
    // restarted.
    [[nodiscard]] Status send(std::string_view entry) const;

private:
    Journal(UniqueFd socket, std::string path) : socket_(std::move(socket)), path_(std::move(path)) {}

    UniqueFd socket_;
    std::string path_;
};

}  // namespace spoor::broker
