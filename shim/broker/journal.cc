#include "shim/broker/journal.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cctype>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/descriptor_passing.h"
#include "base/files.h"

namespace spoor::broker {
namespace {

// A value with a line feed has its length before it: 64 bits, little-endian, as this machine's are.
void put_field(std::string& entry, const std::string& name, std::string_view value) {
    entry += name;
    if (value.find('\n') == std::string_view::npos) {
        entry += '=';
    } else {
        const uint64_t size = value.size();
        char bytes[sizeof size];
        std::memcpy(bytes, &size, sizeof size);
        entry += '\n';
        entry.append(bytes, sizeof bytes);
    }
    entry += value;
    entry += '\n';
}

// "ringBytes" to "SPOOR_RING_BYTES".
std::string field_name(std::string_view key) {
    std::string name = "SPOOR_";
    for (const char c : key) {
        if (std::isupper(static_cast<unsigned char>(c))) name += '_';
        name += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    return name;
}

Status send_message(int socket, const std::string& path, std::string_view bytes, int fd) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    const auto passed = fd < 0 ? std::span<const int>() : std::span<const int>(&fd, 1);
    if (send_with_descriptors(socket, bytes.data(), bytes.size(), passed, MSG_NOSIGNAL | MSG_DONTWAIT,
                              &address) < 0)
        return errno_error("the journal");
    return {};
}

}  // namespace

std::string journal_entry(std::string_view audit_line) {
    if (audit_line.ends_with('\n')) audit_line.remove_suffix(1);
    constexpr const char *notice = "5", *warning = "4";
    const auto line = nlohmann::json::parse(audit_line, nullptr, false);
    const bool bad =
        line.is_object() && (line.value("outcome", "") == "refused" || line.value("event", "") == "lost");
    std::string entry;
    put_field(entry, "MESSAGE", audit_line);
    put_field(entry, "PRIORITY", bad ? warning : notice);
    put_field(entry, "SYSLOG_IDENTIFIER", "spoord-audit");
    if (line.is_object())
        for (const auto& [key, value] : line.items())
            put_field(entry, field_name(key), value.is_string() ? value.get<std::string>() : value.dump());
    return entry;
}

Result<Journal> Journal::open(const std::string& socket_path) {
    if (socket_path.size() >= sizeof sockaddr_un::sun_path)
        return Error{ENAMETOOLONG, "the journal's socket " + socket_path};
    Journal journal(UniqueFd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)), socket_path);
    if (!journal.socket_) return errno_error("make a socket");
    // An entry without a field, which journald passes over, tells whether there is one.
    const auto tried = send_message(journal.socket_.get(), socket_path, "\n", -1);
    if (!tried && tried.error().code != EAGAIN)
        return Error{tried.error().code, tried.error().message + " at " + socket_path};
    return journal;
}

Status Journal::send(std::string_view entry) const {
    const auto sent = send_message(socket_.get(), path_, entry, -1);
    if (sent || (sent.error().code != EMSGSIZE && sent.error().code != ENOBUFS)) return sent;
    const UniqueFd file(::memfd_create("spoord-audit", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!file) return errno_error("memfd_create");
    SPOOR_TRY(write_all(file.get(), entry));
    if (::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
        return errno_error("seal a journal entry");
    return send_message(socket_.get(), path_, {}, file.get());
}

}  // namespace spoor::broker
