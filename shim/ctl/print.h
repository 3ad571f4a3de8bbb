// What spoorctl says about a trail.
#pragma once

#include <string>
#include <string_view>

#include "shim/ctl/table.h"
#include "shim/ctl/trail_view.h"

namespace spoor::ctl {

struct Sections {
    bool processes = true;
    bool inputs = true;
    bool outputs = true;
    bool absent = true;
};

// Whether the trail can be relied on, and why not: the head of every listing.
[[nodiscard]] std::string verdict(const TrailView& trail, const Style& style);
// Head and tables. Paths beneath `first` (a directory, may be empty) stand before the others.
[[nodiscard]] std::string trail_text(const TrailView& trail, const Sections& sections, std::string_view first,
                                     const Style& style);

}  // namespace spoor::ctl
