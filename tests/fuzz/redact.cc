// Whatever a command line holds besides, a secret behind a name that is known is not shown. The input is
// what stands before and behind it, parted by the first zero byte.
#include "signal/redact.h"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

// Letters only, so that no part of it is a separator to any rule.
constexpr std::string_view secret = "XqZvKwJyXqZvKwJyXqZvKwJy";

void require_hidden(const std::string& shown) {
    if (shown.find(secret) == std::string::npos) return;
    std::fprintf(stderr, "shown: %s\n", shown.c_str());
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static const spoor::Redactor redactor({{"corpkey"}, {"corp_pat_"}});
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    if (input.find(secret.substr(0, 4)) != std::string_view::npos) return 0;
    const size_t zero = input.find('\0');
    const std::string before(input.substr(0, zero));
    const std::string after(zero == std::string_view::npos ? "" : input.substr(zero + 1));
    const std::string hidden(secret);

    require_hidden(redactor.text(before + " --password=" + hidden + " " + after));
    require_hidden(redactor.text(before + " NPM_TOKEN='" + hidden + "' " + after));
    require_hidden(redactor.text(before + " corp_pat_" + hidden + " " + after));
    require_hidden(redactor.text(before + "\nX-Api-Key: " + hidden, true));
    const std::string all = before + after;
    for (size_t cut = 0; cut < all.size(); cut += all.size() / 8 + 1)
        (void)redactor.text(std::string_view(all).substr(0, cut), true);

    const auto arguments = [&](std::initializer_list<std::string> list, bool cut) {
        for (const std::string& shown : redactor.argv(list, cut)) require_hidden(shown);
    };
    arguments({before, "--token=" + hidden, after}, false);
    arguments({"npm", before, "--token", hidden, after}, false);
    arguments({before, "DB_PASSWORD=" + hidden + after}, true);
    arguments({"sh", "-c", before + " --my-corp-key=" + hidden}, true);
    return 0;
}
