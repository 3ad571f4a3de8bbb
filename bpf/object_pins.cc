#include "bpf/object_pins.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <string>

namespace spoor::bpf {
namespace {

std::string pin_name(const bpf_map* map) { return std::string(map_pin_prefix) + bpf_map__name(map); }

}  // namespace

Status reuse_maps(const bpf_object* object, const Pins& pins) {
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, object) {
        if (bpf_map__is_internal(map)) continue;
        auto fd = pins.get(pin_name(map));
        if (!fd) return std::move(fd).error();
        bpf_map_info info{};
        uint32_t size = sizeof info;
        if (int error = bpf_obj_get_info_by_fd(fd->get(), &info, &size); error < 0)
            return errno_error("look at the pinned " + pin_name(map), -error);
        if (info.type != bpf_map__type(map) || info.key_size != bpf_map__key_size(map) ||
            info.value_size != bpf_map__value_size(map))
            return Error{EPROTO, "the pinned " + pin_name(map) + " has another layout"};
        if (int error = bpf_map__reuse_fd(map, fd->get()); error < 0)
            return errno_error("use the pinned " + pin_name(map), -error);
    }
    return {};
}

Status pin_maps(const bpf_object* object, const Pins& pins) {
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, object) {
        if (!bpf_map__is_internal(map)) SPOOR_TRY(pins.pin(pin_name(map), bpf_map__fd(map)));
    }
    return {};
}

Status pin_links(const bpf_object_skeleton* skeleton, const Pins& pins) {
    for (int i = 0; i < skeleton->prog_cnt; ++i) {
        const bpf_prog_skeleton& program = skeleton->progs[i];
        if (*program.link)
            SPOOR_TRY(pins.pin(std::string(link_pin_prefix) + program.name, bpf_link__fd(*program.link)));
    }
    return {};
}

Result<PinnedLinks> pinned_links(const Pins& pins) {
    PinnedLinks found;
    auto names = pins.names(std::string(link_pin_prefix));
    if (!names) return std::move(names).error();
    for (const std::string& name : *names) {
        auto link = pins.get(name);
        if (!link) return std::move(link).error();
        found.links.push_back(std::move(*link));
        found.programs.push_back(name.substr(link_pin_prefix.size()));
    }
    return found;
}

}  // namespace spoor::bpf
