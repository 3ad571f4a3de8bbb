// Parts of the session's text that the report shows too.
#pragma once

#include <string_view>

#include "signal/names.h"
#include "signal/session.h"

namespace spoor {

// Calls `take(operation, "exact" | "lexical" | "none")` for every operation.
template <class Take>
void for_each_coverage(const Session& session, Take take) {
    for (int op = 1; op <= last_op; ++op) {
        uint64_t bit = uint64_t{1} << op;
        bool exact = (session.exact_ops & bit) != 0, lexical = (session.lexical_ops & bit) != 0;
        take(name_of(static_cast<Op>(op)), std::string_view(exact ? "exact" : lexical ? "lexical" : "none"));
    }
}

}  // namespace spoor
