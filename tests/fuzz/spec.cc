// Any text as config.json. What the parser accepts must come out of the text edits as the same
// document with our parts in it, judged by a parser that shares no code with the edits; what it does
// not accept must still be safe to edit.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "oci/annotations.h"
#include "oci/augment.h"
#include "oci/bundle.h"
#include "oci/cgroup.h"
#include "oci/container_state.h"

namespace {

using Json = nlohmann::json;

constexpr int deepest = 200;  // nlohmann compares recursively

void require(bool holds) {
    if (!holds) std::abort();
}

spoor::Additions additions() {
    spoor::Additions out;
    out.mounts = {{"/v", "/run/spoor", true}};
    out.create_runtime = {"/spoor", {"hook", "create-runtime"}};
    out.poststop = {"/spoor", {"hook", "poststop"}};
    return out;
}

// Takes one element out of the array `key` again, and the array too if nothing else was in it.
// Whether that was there before, or was null or of another type, is lost: then it is dropped on both sides.
void take_out(Json& object, const char* key, bool first) {
    Json& array = object.at(key);
    require(array.is_array() && !array.empty());
    array.erase(first ? array.begin() : array.end() - 1);
}

void drop_if_no_array(Json& object, const char* key) {
    if (object.contains(key) && (!object[key].is_array() || object[key].empty())) object.erase(key);
}

void drop_traces(Json& spec) {
    drop_if_no_array(spec, "mounts");
    if (!spec.contains("hooks")) return;
    if (spec["hooks"].is_object()) {
        drop_if_no_array(spec["hooks"], "createRuntime");
        drop_if_no_array(spec["hooks"], "poststop");
    }
    if (!spec["hooks"].is_object() || spec["hooks"].empty()) spec.erase("hooks");
}

bool too_deep(const std::string& text) {
    int depth = 0;
    for (const char c : text)
        if (c == '[' || c == '{') ++depth;
    return depth > deepest;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    (void)spoor::parse_state_pid(text);
    (void)spoor::parse_cgroup_entries(text);
    (void)spoor::parse_cgroup_mounts(text);

    const auto spec = spoor::parse_spec(text);
    const auto augmented = spoor::augment_spec(text, additions());
    spoor::Additions moved = additions();
    moved.bundle_dir = "/bundle";
    (void)spoor::augment_spec(text, moved);
    if (!spec) return 0;
    if (auto annotations = spoor::read_annotations(spec->annotations); !annotations)
        require(annotations.error().message.find('\n') == std::string::npos);
    // nlohmann ends a comment at a carriage return too, the runtimes at a newline only.
    if (!augmented || too_deep(text) || text.find('\r') != std::string::npos) return 0;

    Json after = Json::parse(*augmented, nullptr, false, true);
    require(after.is_object());
    take_out(after, "mounts", false);
    take_out(after.at("hooks"), "createRuntime", false);
    take_out(after.at("hooks"), "poststop", true);
    Json before = Json::parse(text, nullptr, false, true);
    drop_traces(before);
    drop_traces(after);
    require(before == after);
    return 0;
}
