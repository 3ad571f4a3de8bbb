// Errors as values. Every fallible function in spoor returns Result<T>; exceptions of libraries
// (yaml-cpp, nlohmann-json, std::filesystem) are turned into one where they arise.
#pragma once

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace spoor {

// A failure: what could not be done, and the errno behind it (0 when there is none).
// `message` is one line for a person, without a trailing newline or full stop.
struct Error {
    int code = 0;
    std::string message;

    // Puts the caller's view before the callee's: "open the volume: /x: Permission denied".
    [[nodiscard]] Error context(std::string_view what) && {
        message.insert(0, ": ");
        message.insert(0, what);
        return std::move(*this);
    }
};

// The one translation of errno into text.
[[nodiscard]] inline Error errno_error(std::string_view what, int code = errno) {
    return Error{code, std::string(what) + ": " + std::strerror(code)};
}

template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
public:
    using tl::expected<T, Error>::expected;
    Result(Error error) : tl::expected<T, Error>(tl::unexpect, std::move(error)) {}
};

using Status = Result<void>;

}  // namespace spoor

// Returns the error of a Result from the enclosing function; otherwise goes on.
#define SPOOR_TRY(expression)                                        \
    do {                                                             \
        if (auto spoor_try_result = (expression); !spoor_try_result) \
            return std::move(spoor_try_result).error();              \
    } while (false)
