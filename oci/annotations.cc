#include "oci/annotations.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/nearest.h"

namespace spoor {
namespace {

constexpr std::string_view prefix = "io.spoor.";
constexpr std::array<std::string_view, 4> known_names{"io.spoor.mode", "io.spoor.mount", "io.spoor.trace",
                                                      "io.spoor.volume"};

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// For a message of one line.
std::string shown(std::string_view text) {
    std::string out(text.substr(0, 200));
    std::replace_if(out.begin(), out.end(), is_control, '?');
    return out;
}

Error wrong(std::string_view name, std::string_view wanted, std::string_view got) {
    return Error{EINVAL, "annotation " + std::string(name) + " wants " + std::string(wanted) + ", not '" +
                             shown(got) + "'"};
}

Status read_one(const std::string& name, const std::string& value, SpoorAnnotations& out) {
    if (name == "io.spoor.trace") {
        if (value != "true" && value != "false") return wrong(name, "true or false", value);
        out.trace = value == "true";
    } else if (name == "io.spoor.mode") {
        if (value != "off" && value != "warn" && value != "strict")
            return wrong(name, "off, warn or strict", value);
        out.mode = value;
    } else if (name == "io.spoor.volume") {
        out.volume = clean_absolute_path(value);
        if (!out.volume) return wrong(name, "an absolute path without '..'", value);
    } else if (name == "io.spoor.mount") {
        out.mount = clean_absolute_path(value);
        if (!out.mount) return wrong(name, "an absolute path without '..'", value);
    } else {
        return Error{EINVAL, "unknown annotation '" + shown(name) + "'; did you mean '" +
                                 std::string(nearest(name, known_names)) + "'?"};
    }
    return {};
}

}  // namespace

Result<SpoorAnnotations> read_annotations(const std::map<std::string, std::string>& annotations) {
    SpoorAnnotations out;
    for (auto it = annotations.lower_bound(std::string(prefix));
         it != annotations.end() && it->first.starts_with(prefix); ++it)
        SPOOR_TRY(read_one(it->first, it->second, out));
    return out;
}

std::string image_name(const std::map<std::string, std::string>& annotations) {
    for (const char* name : {"io.kubernetes.cri.image-name", "io.kubernetes.cri-o.ImageName",
                             "org.opencontainers.image.ref.name"}) {
        const auto found = annotations.find(name);
        if (found != annotations.end()) return found->second;
    }
    return "";
}

std::optional<std::string> clean_absolute_path(const std::string& path) {
    if (!path.starts_with('/') || std::any_of(path.begin(), path.end(), is_control)) return std::nullopt;
    std::string clean;
    for (size_t begin = 1; begin <= path.size();) {
        const size_t end = std::min(path.find('/', begin), path.size());
        const std::string_view part(path.data() + begin, end - begin);
        if (part == "..") return std::nullopt;
        if (!part.empty() && part != ".") clean.append("/").append(part);
        begin = end + 1;
    }
    if (clean.empty()) return std::nullopt;
    return clean;
}

}  // namespace spoor
