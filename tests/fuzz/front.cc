// Any text as a layer of spoor.yaml and as config.json: what the front is certain of, the parsers see as
// well, and what it calls fit they take.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "config/config.h"
#include "oci/annotations.h"
#include "oci/augment.h"
#include "oci/bundle.h"
#include "shim/front/certain.h"

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

void require_settings(std::string_view text) {
    front_settings settings{true, false, false};
    if (!front_read_layer(text.data(), text.size(), true, &settings)) return;
    const auto loaded = spoor::parse_config(text, "f.yaml");
    require(loaded.errors.empty());
    for (const auto& rule : loaded.config.tenants) {
        require(rule.annotations.value.empty() && !rule.on_unavailable.value);
        require(rule.modes.value == spoor::all_modes ||
                (settings.limits_modes && !spoor::allows(rule.modes.value, spoor::Mode::off)));
    }
    require(loaded.config.runtime == spoor::Config{}.runtime);
    require(loaded.config.on_unavailable == spoor::OnUnavailable::run);
    require(loaded.config.trace == settings.trace);
    require((loaded.config.mode == spoor::Mode::off) == settings.off);
}

void require_wish(std::string_view text) {
    const front_wish wish = front_read_spec(text.data(), text.size());
    const auto spec = spoor::parse_spec(text);
    if (wish == front_doubt || !spec) return;
    const auto annotations = spoor::read_annotations(spec->annotations);
    require(annotations.has_value());
    if (wish == front_off)
        require(annotations->trace == false || annotations->mode == "off");
    else
        require(!annotations->trace && !annotations->mode && !annotations->volume && !annotations->mount);
}

void require_fit(std::string_view text) {
    front_asked asked;
    if (!front_spec_is_fit(text.data(), text.size(), &asked)) return;
    const auto spec = spoor::parse_spec(text);
    require(spec.has_value());
    const auto annotations = spoor::read_annotations(spec->annotations);
    require(annotations.has_value());
    require(annotations->volume.value_or("") ==
            std::string(asked.volume ? asked.volume : "", asked.volume_size));
    require(annotations->mount.value_or("") == std::string(asked.mount ? asked.mount : "", asked.mount_size));
    require((asked.trace == front_unsaid) == !annotations->trace &&
            (asked.off == front_unsaid) == !annotations->mode);
    require((asked.trace == front_yes) == annotations->trace.value_or(false) &&
            (asked.off == front_yes) == (annotations->mode == "off"));
    const std::string place = annotations->mount.value_or(spoor::Config{}.mount);
    for (const auto& mount : spec->mounts) require(spoor::clean_absolute_path(mount.destination) != place);
    spoor::Additions additions;
    additions.mounts = {{"/v", "/run/spoor", true}};
    additions.create_runtime = additions.poststop = {"/bin/spoor", {"hook"}};
    const auto augmented = spoor::augment_spec(text, additions);
    require(augmented.has_value() && augmented->size() > text.size() && augmented->front() == text.front());
    require(spoor::parse_spec(*augmented).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    require_settings(text);
    require_wish(text);
    require_fit(text);
    return 0;
}
