#include "shim/recorder/decode.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace spoor {
namespace {

// Parts wait microseconds for their event. Beyond this they are leftovers of events that the kernel
// had no room for, or hostile: the oldest go.
constexpr size_t pending_events_max = 1024;
constexpr size_t pending_bytes_max = 1024 * 1024;
constexpr size_t parts_per_event_max = 64;

void append_components(std::string& path, std::string_view text) {
    while (!text.empty()) {
        size_t end = text.find('/');
        std::string_view component = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        if (component.empty() || component == ".") continue;
        if (!path.empty() && path.back() != '/') path += '/';
        path += component;
    }
}

std::vector<std::string> split_arguments(std::string_view text) {
    std::vector<std::string> arguments;
    while (!text.empty()) {
        size_t end = text.find('\0');
        arguments.emplace_back(text.substr(0, end));
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    return arguments;
}

// The kernel makes a script's arguments, for each `#!` line (fs/binfmt_script.c): the interpreter, the
// line's one argument if any, and the script; for a chain again in front of that. So absolute paths
// between the first and the script that execve was given name the scripts in the middle.
std::vector<std::string> scripts_between(const std::vector<std::string>& argv, const std::string& script) {
    constexpr size_t chain_max = 5;  // bprm->recursion_depth
    std::vector<std::string> found;
    if (script.empty()) return found;
    for (size_t i = 1; i < argv.size() && i <= 2 * chain_max; ++i) {
        if (argv[i] == script) {
            std::reverse(found.begin(), found.end());  // as they were executed
            return found;
        }
        if (argv[i].starts_with('/')) found.push_back(join_path({}, argv[i]));
    }
    return {};
}

template <class T>
bool read_as(std::string_view raw, T& out) {
    if (raw.size() < sizeof out) return false;
    std::memcpy(&out, raw.data(), sizeof out);
    return true;
}

std::string describe_unix(std::string_view base, std::string_view name) {
    if (name.empty()) return "unix:";
    if (name.front() != '\0') return "unix:" + join_path(base, name.substr(0, name.find('\0')));
    std::string abstract(name);
    for (char& c : abstract)
        if (c == '\0') c = '@';
    return "unix:" + abstract;
}

bool wants_second_path(uint8_t op) {
    return op == SPOOR_OP_RENAME || op == SPOOR_OP_LINK || op == SPOOR_OP_SYMLINK;
}

}  // namespace

std::string join_path(std::string_view base, std::string_view name) {
    bool name_alone = name.starts_with('/');
    std::string path;
    path.reserve(base.size() + name.size() + 2);
    if (name_alone || base.starts_with('/')) path += '/';
    if (!name_alone) append_components(path, base);
    append_components(path, name);
    return path;
}

std::string describe_sockaddr(std::string_view base, std::string_view raw) {
    sa_family_t family = 0;
    if (!read_as(raw, family)) return {};
    char text[INET6_ADDRSTRLEN] = {};
    switch (family) {
        case AF_INET: {
            sockaddr_in address{};
            if (!read_as(raw, address)) return {};
            ::inet_ntop(AF_INET, &address.sin_addr, text, sizeof text);
            return "inet:" + std::string(text) + ":" + std::to_string(ntohs(address.sin_port));
        }
        case AF_INET6: {
            sockaddr_in6 address{};
            // Without the scope id, as RFC 2133 had it, the kernel takes it as well.
            constexpr size_t smallest = offsetof(sockaddr_in6, sin6_scope_id);
            if (raw.size() < smallest) return {};
            std::memcpy(&address, raw.data(), std::min(raw.size(), sizeof address));
            ::inet_ntop(AF_INET6, &address.sin6_addr, text, sizeof text);
            return "inet:[" + std::string(text) + "]:" + std::to_string(ntohs(address.sin6_port));
        }
        case AF_UNIX:
            return describe_unix(base, raw.substr(offsetof(sockaddr_un, sun_path)));
        default:
            return "family:" + std::to_string(family);
    }
}

void Decoder::decode(std::span<const std::byte> record) {
    spoor_event head;
    if (record.size() < sizeof head) {
        ++anomalies_.malformed;
        return;
    }
    std::memcpy(&head, record.data(), sizeof head);
    if (head.size > record.size() || head.size != sizeof head + head.base_len + head.name_len) {
        ++anomalies_.malformed;
        return;
    }
    const char* payload = reinterpret_cast<const char*>(record.data()) + sizeof head;
    std::string_view base(payload, head.base_len);
    std::string_view name(payload + head.base_len, head.name_len);

    if (head.type == SPOOR_EV_AUX) return keep_part(head, base, name);
    Parts parts = take_parts({head.time_ns, head.host_tid});
    const ProcessKey process{head.pid, head.start_ns};
    switch (head.type) {
        case SPOOR_EV_FORK:
            sink_.on(ForkEvent{process, {static_cast<uint32_t>(head.value), head.aux_ns}, head.host_pid},
                     head.time_ns);
            break;
        case SPOOR_EV_EXEC:
            return decode_exec(head, base, name, std::move(parts));
        case SPOOR_EV_EXIT:
            sink_.on(ExitEvent{process, head.value}, head.time_ns);
            break;
        case SPOOR_EV_ACCESS:
            return decode_access(head, base, name, std::move(parts));
        case SPOOR_EV_END:
            sink_.on_end(head.time_ns);
            break;
        default:
            ++anomalies_.unknown;
            break;
    }
    anomalies_.orphans += parts.size();
}

void Decoder::keep_part(const spoor_event& head, std::string_view base, std::string_view name) {
    if (head.op < SPOOR_AUX_TO || head.op > SPOOR_AUX_ENV) {
        ++anomalies_.unknown;
        return;
    }
    const PartsKey key{head.time_ns, head.host_tid};
    auto [entry, fresh] = pending_.try_emplace(key);
    if (entry->second.size() >= parts_per_event_max) {
        ++anomalies_.malformed;
        return;
    }
    if (fresh) pending_order_.push_back(key);
    entry->second.push_back({head.op, head.flags, std::string(base), std::string(name)});
    pending_bytes_ += sizeof(Part) + base.size() + name.size();
    while (pending_.size() > pending_events_max || pending_bytes_ > pending_bytes_max) drop_oldest_parts();
}

Decoder::Parts Decoder::take_parts(const PartsKey& key) {
    if (pending_.empty()) return {};
    auto entry = pending_.find(key);
    if (entry == pending_.end()) return {};
    Parts parts = std::move(entry->second);
    pending_.erase(entry);
    for (const Part& part : parts) pending_bytes_ -= sizeof(Part) + part.base.size() + part.name.size();
    // Mostly it is the only one; a leftover in front of it must not let the queue grow for ever.
    while (!pending_order_.empty() && !pending_.contains(pending_order_.front())) pending_order_.pop_front();
    if (pending_order_.size() > 4 * pending_events_max)
        std::erase_if(pending_order_, [this](const PartsKey& old) { return !pending_.contains(old); });
    return parts;
}

void Decoder::drop_oldest_parts() {
    while (!pending_order_.empty()) {
        PartsKey oldest = pending_order_.front();
        pending_order_.pop_front();
        if (!pending_.contains(oldest)) continue;
        anomalies_.orphans += take_parts(oldest).size();
        return;
    }
}

void Decoder::finish() {
    while (!pending_.empty()) drop_oldest_parts();
}

void Decoder::decode_exec(const spoor_event& head, std::string_view base, std::string_view name,
                          Parts parts) {
    ExecEvent event;
    event.process = {head.pid, head.start_ns};
    event.parent_pid = static_cast<uint32_t>(head.value);
    event.host_pid = head.host_pid;
    event.exe_flags = head.flags;
    event.exe = join_path(base, name);
    std::string script_name;
    for (Part& part : parts) {
        switch (part.kind) {
            case SPOOR_AUX_CWD:
                event.cwd = join_path(part.base, part.name);
                break;
            case SPOOR_AUX_ARGV:
                event.argv = split_arguments(part.name);
                event.argv_truncated = (part.flags & SPOOR_F_TRUNCATED) != 0;
                break;
            case SPOOR_AUX_SCRIPT:
                event.script = join_path(part.base, part.name);
                event.script_flags = part.flags;
                script_name = std::move(part.name);
                break;
            case SPOOR_AUX_LOADER:
                event.loader = join_path(part.base, part.name);
                break;
            case SPOOR_AUX_ENV:
                event.environment.push_back(std::move(part.name));
                break;
            default:
                ++anomalies_.orphans;
                break;
        }
    }
    event.interpreters = scripts_between(event.argv, script_name);
    sink_.on(event, head.time_ns);
}

void Decoder::decode_access(const spoor_event& head, std::string_view base, std::string_view name,
                            Parts parts) {
    if (head.op < SPOOR_OP_READ || head.op > SPOOR_OP_LAST) {
        ++anomalies_.unknown;
        anomalies_.orphans += parts.size();
        return;
    }
    AccessEvent event;
    event.process = {head.pid, head.start_ns};
    event.op = static_cast<Op>(head.op);
    event.flags = head.flags;
    event.error = head.value;
    const bool sockaddr = (head.flags & SPOOR_F_SOCKADDR) != 0;
    event.path = sockaddr ? describe_sockaddr(base, name) : join_path(base, name);
    bool has_second = false;
    for (Part& part : parts) {
        if (part.kind != SPOOR_AUX_TO || !wants_second_path(head.op)) {
            ++anomalies_.orphans;
            continue;
        }
        has_second = true;
        // What a symbolic link holds is text; it is nobody's path yet.
        event.to = head.op == SPOOR_OP_SYMLINK ? std::move(part.name) : join_path(part.base, part.name);
        event.flags |= part.flags & (SPOOR_F_LEXICAL | SPOOR_F_TRUNCATED);
    }
    const bool holds_nul =
        event.path.find('\0') != std::string::npos || event.to.find('\0') != std::string::npos;
    if (event.path.empty() || holds_nul) {
        ++anomalies_.malformed;
        return;
    }
    const bool refused = (head.flags & SPOOR_F_REFUSED) != 0;  // of what is made, only the name is told
    if (wants_second_path(head.op) && !has_second && !refused) ++anomalies_.incomplete;
    sink_.on(event, head.time_ns);
}

}  // namespace spoor
