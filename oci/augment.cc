#include "oci/augment.h"

#include <nlohmann/json.hpp>

#include "oci/bundle.h"
#include "oci/splice.h"

namespace spoor {
namespace {

using OrderedJson = nlohmann::ordered_json;

Result<std::string> dump(const OrderedJson& value) {
    try {
        return value.dump();
    } catch (const OrderedJson::exception&) {
        return Error{EILSEQ, "a path that would go into the spec is no valid UTF-8"};
    }
}

// Private: what the container mounts beneath never reaches the host.
OrderedJson to_json_value(const AddedMount& mount) {
    return {{"destination", mount.destination},
            {"type", "bind"},
            {"source", mount.source},
            {"options", {"rbind", mount.read_only ? "ro" : "rw", "nosuid", "nodev", "noexec", "rprivate"}}};
}

OrderedJson to_json_value(const AddedHook& hook) {
    OrderedJson args = OrderedJson::array({"spoor"});
    for (const auto& argument : hook.arguments) args.push_back(argument);
    return {{"path", hook.program}, {"args", std::move(args)}};
}

enum class Where { first, last };

// Adds `elements` to the array `key` of `object`. A value of another type counts as absent for the
// runtimes (Go programs write null for an empty list), so it gives way.
Status add_elements(std::string_view spec, const splice::Object& object, const std::string& key, Where where,
                    const std::string& elements, std::vector<std::string>& new_members,
                    splice::Edits& edits) {
    const auto member = object.find(key);
    if (!member) return member.error();
    if (*member == nullptr) {
        new_members.push_back("\"" + key + "\":[" + elements + "]");
        return {};
    }
    const splice::Range value = (*member)->value;
    if (spec[value.begin] != '[')
        edits.replace(value, "[" + elements + "]");
    else if (where == Where::first)
        edits.prepend_to_array(spec, value.begin, elements);
    else
        edits.append_to_array(spec, value.begin, elements);
    return {};
}

// Replaces the string member `key` of `object` by its absolute form.
Status make_absolute(std::string_view spec, const splice::Object& object, const char* key,
                     const std::string& base, splice::Edits& edits) {
    const auto member = object.find(key);
    if (!member) return member.error();
    if (*member == nullptr) return {};
    const splice::Range range = (*member)->value;
    const auto value = OrderedJson::parse(spec.substr(range.begin, range.end - range.begin), nullptr, false);
    if (!value.is_string()) return {};
    const auto path = value.get<std::string>();
    if (path.starts_with('/')) return {};
    auto text = dump(base + "/" + path);
    if (!text) return std::move(text).error();
    edits.replace(range, std::move(*text));
    return {};
}

Status make_paths_absolute(std::string_view spec, const splice::Object& root, const std::string& base,
                           splice::Edits& edits) {
    const auto root_fs = root.find("root");
    if (!root_fs) return root_fs.error();
    if (*root_fs != nullptr && spec[(*root_fs)->value.begin] == '{') {
        const auto object = splice::read_object(spec, (*root_fs)->value.begin);
        if (!object) return object.error();
        SPOOR_TRY(make_absolute(spec, *object, "path", base, edits));
    }
    const auto mounts = root.find("mounts");
    if (!mounts) return mounts.error();
    if (*mounts == nullptr || spec[(*mounts)->value.begin] != '[') return {};
    const auto elements = splice::read_array(spec, (*mounts)->value.begin);
    if (!elements) return elements.error();
    for (const auto& element : *elements) {
        // What is not bound has a name for a source ("proc"), no path.
        const auto mount = parse_spec_mount(spec.substr(element.begin, element.end - element.begin));
        if (!mount || !mount->is_bind()) continue;
        const auto object = splice::read_object(spec, element.begin);
        if (!object) return object.error();
        SPOOR_TRY(make_absolute(spec, *object, "source", base, edits));
    }
    return {};
}

std::string joined(const std::vector<std::string>& parts) {
    std::string out;
    for (const auto& part : parts) {
        if (!out.empty()) out += ',';
        out += part;
    }
    return out;
}

Status add_hooks(std::string_view spec, const splice::Object& root, const Additions& additions,
                 std::vector<std::string>& root_members, splice::Edits& edits) {
    const auto hooks = root.find("hooks");
    if (!hooks) return hooks.error();
    const bool present = *hooks != nullptr && spec[(*hooks)->value.begin] == '{';
    splice::Object object;
    if (present) {
        auto read = splice::read_object(spec, (*hooks)->value.begin);
        if (!read) return std::move(read).error();
        object = std::move(*read);
    }

    std::vector<std::string> members;
    if (!additions.create_runtime.program.empty()) {
        const auto hook = dump(to_json_value(additions.create_runtime));
        if (!hook) return hook.error();
        SPOOR_TRY(add_elements(spec, object, "createRuntime", Where::last, *hook, members, edits));
    }
    if (!additions.poststop.program.empty()) {
        const auto hook = dump(to_json_value(additions.poststop));
        if (!hook) return hook.error();
        SPOOR_TRY(add_elements(spec, object, "poststop", Where::first, *hook, members, edits));
    }
    if (members.empty()) return {};
    if (present)
        edits.append_to_object(object, joined(members));
    else if (*hooks != nullptr)
        edits.replace((*hooks)->value, "{" + joined(members) + "}");
    else
        root_members.push_back("\"hooks\":{" + joined(members) + "}");
    return {};
}

}  // namespace

Result<std::string> augment_spec(std::string_view spec, const Additions& additions) {
    const auto root = splice::read_object(spec, splice::skip_blank(spec, 0));
    if (!root) return root.error();
    std::vector<std::string> members;
    splice::Edits edits;

    std::vector<std::string> mounts;
    for (const auto& mount : additions.mounts) {
        auto text = dump(to_json_value(mount));
        if (!text) return std::move(text).error();
        mounts.push_back(std::move(*text));
    }
    if (!mounts.empty())
        SPOOR_TRY(add_elements(spec, *root, "mounts", Where::last, joined(mounts), members, edits));
    SPOOR_TRY(add_hooks(spec, *root, additions, members, edits));
    // Whose value counted would depend on the runtime, and with it whether the container is traced.
    if (const auto annotations = root->find("annotations"); !annotations) return annotations.error();

    if (!additions.bundle_dir.empty())
        SPOOR_TRY(make_paths_absolute(spec, *root, additions.bundle_dir, edits));

    if (!members.empty()) edits.append_to_object(*root, joined(members));
    return edits.apply(spec);
}

}  // namespace spoor
