// Any lines as patterns, the last of them as a path. A set must answer as its patterns do one by one, whether
// it has met the path before or not, and every pattern that is refused must say why in one line.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/path_table.h"
#include "signal/declaration/path_table.h"
#include "signal/declaration/pattern_set.h"

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

constexpr size_t most_patterns = 8;

void compare_with_table(spoor::PatternSet& set, const spoor::PatternContext& context,
                        const std::string& path) {
    const spoor::PatternSet* const lists[] = {&set};
    auto table = spoor::compile_path_table(
        context, lists, [](spoor::ListMatches matches) { return spoor::list_matches(matches, 0) ? 1u : 0u; },
        {.bytes = 64 * 1024, .name_states = 128, .places = 256, .work = 1'000});
    if (!table) return require(table.error().code == E2BIG);
    // No path in the kernel holds a NUL.
    if (path.find('\0') != std::string::npos) return;
    static std::vector<uint8_t> window(SPOOR_WINDOW_BYTES);
    std::copy(table->begin(), table->end(), window.begin());
    if (std::count(path.begin(), path.end(), '/') > ptrdiff_t{SPOOR_PATH_NAMES_MAX}) return;
    require((spoor::walk_path_table(window, 0, path) == 1) == set.match(path).matched);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    std::vector<std::string> lines;
    for (size_t from = 0; from <= text.size() && lines.size() <= most_patterns;) {
        const size_t end = std::min(text.find('\n', from), text.size());
        lines.emplace_back(text.substr(from, end - from));
        from = end + 1;
    }
    const std::string path = "/ws/" + lines.back();
    lines.pop_back();

    const spoor::PatternContext context{"/ws", "apps/web", "web"};
    spoor::PatternSet set(context);
    const auto faults = set.add(lines);
    require(set.size() + faults.size() == lines.size());
    for (const auto& fault : faults) {
        require(fault.index < lines.size() && fault.message.find('\n') == std::string::npos);
        require(fault.message.size() < 512);
    }

    bool some = false, exception = false;
    for (size_t i = 0; i < set.size(); ++i) {
        spoor::PatternSet alone(context);
        // Without its `!`, which alone matches nothing.
        std::string one = set.text(i);
        if (set.is_exception(i)) one.insert(0, 1, '!');
        const std::vector<std::string> pattern{one};
        require(alone.add(pattern).empty());
        const bool matches = alone.match(path).matched;
        (set.is_exception(i) ? exception : some) |= matches;
        if (const auto literal = set.literal_path(i)) require(alone.match(*literal).matched);
    }
    const auto answer = set.match(path);
    require(answer.matched == (some && !exception));
    const auto again = set.mark(path);
    require(again.matched == answer.matched && again.pattern == answer.pattern);
    require(!answer.pattern || set.marked(*answer.pattern));
    compare_with_table(set, context, path);
    const std::vector<std::string> more{"/elsewhere/*"};
    set.add(more);
    require(set.match(path).matched == answer.matched);

    // What is escaped matches itself.
    const std::vector<std::string> itself{spoor::escape_pattern(path)};
    spoor::PatternSet exact(context);
    if (exact.add(itself).empty() && path.find("/.") == std::string::npos) require(exact.match(path).matched);
    return 0;
}
