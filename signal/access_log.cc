#include "signal/access_log.h"

#include "signal/json_text.h"
#include "signal/names.h"
#include "signal/volume.h"

namespace spoor {
namespace {

constexpr size_t remembered = 256 * 1024;
constexpr size_t first_slots = 1024;

void append_line(std::string& out, const AccessEvent& event, std::string_view time) {
    JsonObject line(out);
    line.text("time", time);
    line.number("pid", event.process.pid);
    line.number("start", event.process.start_ns);
    line.text("op", name_of(event.op));
    line.name("path", event.path);
    if (!event.to.empty()) line.name("to", event.to);
    if (event.error != 0) line.text("error", errno_name(event.error));
    bool any = false;
    for_each_flag(event.flags, [&](std::string_view name) {
        if (any)
            out += ',';
        else
            line.key("flags") += '[';
        any = true;
        append_json_string(out, name);
    });
    if (any) out += ']';
    line.close();
    out += '\n';
}

// The kernel side tells each success of these, and none of them twice: a name that is made, removed
// and made again is there.
bool changes_names(Op op) {
    switch (op) {
        case Op::create:
        case Op::remove:
        case Op::rename:
        case Op::link:
        case Op::symlink:
        case Op::mkdir:
        case Op::rmdir:
        case Op::mknod:
        case Op::bind:
            return true;
        default:
            return false;
    }
}

}  // namespace

bool RecentSet::Table::contains(uint64_t value) const {
    if (slots.empty()) return false;
    for (size_t at = value & (slots.size() - 1); slots[at] != 0; at = (at + 1) & (slots.size() - 1))
        if (slots[at] == value) return true;
    return false;
}

void RecentSet::Table::insert(uint64_t value) {
    if ((used + 1) * 4 > slots.size() * 3) {
        std::vector<uint64_t> old = std::move(slots);
        slots.assign(old.empty() ? first_slots : old.size() * 2, 0);
        used = 0;
        for (uint64_t kept : old)
            if (kept != 0) insert(kept);
    }
    size_t at = value & (slots.size() - 1);
    while (slots[at] != 0) at = (at + 1) & (slots.size() - 1);
    slots[at] = value;
    ++used;
}

bool RecentSet::insert(uint64_t value) {
    value |= static_cast<uint64_t>(value == 0);
    if (current_.contains(value)) return false;
    bool fresh = !previous_.contains(value);
    if (current_.used >= half_) {
        previous_ = std::move(current_);
        current_ = Table{};
    }
    current_.insert(value);  // also when the older half knows it: it is young again
    return fresh;
}

bool RecentSet::contains(uint64_t value) const {
    value |= static_cast<uint64_t>(value == 0);
    return current_.contains(value) || previous_.contains(value);
}

AccessLog::AccessLog(int trace, const WallClock& clock, uint64_t rotate_bytes)
    : file_(trace, accesses_file),
      time_text_(clock),
      rotate_bytes_(rotate_bytes),
      rotate_at_(rotate_bytes),
      seen_(remembered / 2) {}

Status AccessLog::open() {
    opened_ = true;
    return file_.open();
}

// A path that the kernel resolved is no link, so it stands for what it names either way.
bool AccessLog::is_repeat(uint64_t key, uint16_t flags) {
    constexpr uint64_t unfollowed = 0x9fb21c651e98df25, resolved = 0xd6e8feb86659fd93;
    if ((flags & flag_lexical) == 0)
        return seen_.contains(key) || seen_.contains(key ^ unfollowed) || !seen_.insert(key ^ resolved);
    if (seen_.contains(key ^ resolved)) return true;
    return !seen_.insert((flags & flag_nofollow) != 0 ? key ^ unfollowed : key);
}

bool AccessLog::add(const AccessEvent& event, uint64_t time_ns) {
    uint64_t who = hash_(event.process.pid, {reinterpret_cast<const char*>(&event.process.start_ns), 8});
    uint64_t what = static_cast<uint64_t>(event.op) << 32 | static_cast<uint32_t>(event.error);
    what |= static_cast<uint64_t>(event.flags & flag_exchange) << 40;
    uint64_t key = hash_(who ^ what, event.path);
    if (!event.to.empty()) key = hash_(key, event.to);
    bool told_once = event.error != 0 || !changes_names(event.op);
    if (told_once && is_repeat(key, event.flags)) return false;
    ++accesses_;
    if (!opened_) return true;
    append_line(file_.buffer(), event, time_text_(time_ns));
    file_.end_line();
    if (rotate_bytes_ != 0 && file_.bytes() >= rotate_at_) rotate();
    return true;
}

void AccessLog::rotate() {
    auto rotated = file_.rotate(std::string(accesses_file) + "." + std::to_string(parts_ + 1));
    if (rotated) {
        ++parts_;
        rotate_at_ = rotate_bytes_;
        return;
    }
    if (rotation_error_.empty()) rotation_error_ = rotated.error().message;
    rotate_at_ = file_.bytes() + rotate_bytes_;  // not again at every line
}

std::vector<std::string> AccessLog::files() const {
    std::vector<std::string> names;
    if (!opened_) return names;
    for (unsigned part = 1; part <= parts_; ++part)
        names.push_back(std::string(accesses_file) + "." + std::to_string(part));
    names.emplace_back(accesses_file);
    return names;
}

}  // namespace spoor
