// Reads pairs of a pattern and a path, each ended by a NUL, and writes for each pair a line: 1 (matches),
// 0, or E (the pattern is refused). Both are relative to a workspace at "/".
#include <iostream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "signal/declaration/pattern_set.h"

int main() {
    const std::string input(std::istreambuf_iterator<char>(std::cin), {});
    std::string_view rest = input;
    const auto field = [&rest] {
        const size_t end = rest.find('\0');
        const std::string_view one = rest.substr(0, end);
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
        return one;
    };
    std::string last;
    spoor::PatternSet set{spoor::PatternContext{}};
    bool refused = true;
    while (!rest.empty()) {
        const std::string pattern(field());
        const std::string path = "/" + std::string(field());
        if (pattern != last) {
            set = spoor::PatternSet(spoor::PatternContext{});
            const std::vector<std::string> patterns{pattern};
            refused = !set.add(patterns).empty();
            last = pattern;
        }
        std::cout << (refused ? 'E' : set.match(path) ? '1' : '0') << '\n';
    }
    return 0;
}
