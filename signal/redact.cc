#include "signal/redact.h"

#include "signal/secret_scan.h"

namespace spoor {

std::string Redactor::text(std::string_view text, bool cut) const {
    CommandContext context;
    return SecretScan(*book_, text, false, cut).redacted(context);
}

std::vector<std::string> Redactor::argv(const std::vector<std::string>& argv, bool cut) const {
    std::vector<std::string> shown;
    shown.reserve(argv.size());
    CommandContext context;
    for (const std::string& argument : argv) {
        const bool last_cut = cut && shown.size() + 1 == argv.size();
        if (context.next == CommandContext::Next::script) {
            context.next = CommandContext::Next::anything;
            shown.push_back(text(argument, last_cut));
        } else {
            shown.push_back(SecretScan(*book_, argument, true, last_cut).redacted(context));
        }
    }
    return shown;
}

std::map<std::string, std::string> Redactor::annotations(
    const std::map<std::string, std::string>& annotations) const {
    std::map<std::string, std::string> shown;
    for (const auto& [key, value] : annotations)
        shown[key] = is_secret_name(key) ? std::string(redacted) : text(value);
    return shown;
}

}  // namespace spoor
