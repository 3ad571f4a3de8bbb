#include "oci/bundle.h"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/files.h"

namespace spoor {
namespace {

using Json = nlohmann::json;

Result<std::string> real_path(const std::string& path) {
    const std::unique_ptr<char, decltype(&::free)> resolved(::realpath(path.c_str(), nullptr), &::free);
    if (!resolved) return errno_error(path);
    return std::string(resolved.get());
}

// The member as a string; empty if it is not there or is something else, as the runtimes take it.
std::string string_at(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

const Json* object_at(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_object() ? &*found : nullptr;
}

Result<SpecMount> parse_mount(const Json& value) {
    SpecMount mount;
    if (!value.is_object()) return Error{EINVAL, "a mount is no object"};
    mount.destination = string_at(value, "destination");
    if (mount.destination.empty()) return Error{EINVAL, "a mount has no destination"};
    mount.source = string_at(value, "source");
    mount.type = string_at(value, "type");
    const auto options = value.find("options");
    if (options != value.end() && options->is_array())
        for (const auto& option : *options)
            if (option.is_string()) mount.options.push_back(option.get<std::string>());
    return mount;
}

bool has_option(const SpecMount& mount, std::string_view option) {
    return std::find(mount.options.begin(), mount.options.end(), option) != mount.options.end();
}

}  // namespace

bool SpecMount::is_bind() const {
    return type == "bind" || has_option(*this, "bind") || has_option(*this, "rbind");
}

bool SpecMount::is_read_only() const {
    return has_option(*this, "ro") || has_option(*this, "rro") || has_option(*this, "readonly");
}

Result<Bundle> read_bundle(const std::string& bundle, const std::string& config) {
    auto result = bundle_with_spec(bundle, "");
    if (!result) return result;
    const std::string path = config == "config.json" ? result->dir + "/" + config : config;
    auto text = read_file(path, largest_spec);
    if (!text) return std::move(text).error().context("read the bundle's config");
    result->spec = std::move(*text);
    return result;
}

Result<Bundle> bundle_with_spec(const std::string& bundle, std::string spec) {
    auto dir = real_path(bundle);
    if (!dir) return std::move(dir).error().context("open the bundle");
    return Bundle{std::move(*dir), std::move(spec)};
}

Result<SpecMount> parse_spec_mount(std::string_view text) {
    return parse_mount(Json::parse(text, nullptr, false, true));
}

Result<Spec> parse_spec(std::string_view text) {
    // nlohmann skips a byte order mark, the runtimes do not.
    if (text.starts_with("\xef\xbb\xbf")) return Error{EINVAL, "the spec begins with a byte order mark"};
    const Json value = Json::parse(text, nullptr, false, true);
    if (!value.is_object()) return Error{EINVAL, "the spec is no JSON object"};
    if (string_at(value, "ociVersion").empty()) return Error{EINVAL, "the spec has no ociVersion"};

    Spec spec;
    if (const Json* root = object_at(value, "root")) {
        spec.root_path = string_at(*root, "path");
        if (spec.root_path.empty()) return Error{EINVAL, "the spec's root has no path"};
    }
    if (const Json* annotations = object_at(value, "annotations"))
        for (const auto& [name, item] : annotations->items())
            if (item.is_string()) spec.annotations.emplace(name, item.get<std::string>());
    if (const Json* linux_part = object_at(value, "linux")) {
        spec.mount_label = string_at(*linux_part, "mountLabel");
        spec.cgroups_path = string_at(*linux_part, "cgroupsPath");
    }

    const auto mounts = value.find("mounts");
    if (mounts == value.end() || !mounts->is_array()) return spec;
    for (const auto& item : *mounts) {
        auto mount = parse_mount(item);
        if (!mount) return std::move(mount).error();
        spec.mounts.push_back(std::move(*mount));
    }
    return spec;
}

}  // namespace spoor
