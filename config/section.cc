#include "config/section.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "base/nearest.h"
#include "base/url.h"
#include "config/values.h"

namespace spoor {
namespace {

std::string kind_of(const YAML::Node& node) {
    if (node.IsMap()) return "a map";
    if (node.IsSequence()) return "a list";
    if (node.IsNull()) return "nothing";
    return "'" + node.Scalar() + "'";
}

bool is_clean_absolute(const std::string& path) {
    return path.starts_with('/') && path.find('\n') == std::string::npos &&
           path.find('\0') == std::string::npos;
}

uint32_t line_number(const YAML::Mark& mark) {
    return mark.is_null() ? 0 : static_cast<uint32_t>(mark.line + 1);
}

constexpr std::string_view path_wanted = "an absolute path";

}  // namespace

Error config_fault(const std::string& file, const YAML::Mark& mark, std::string message) {
    std::string where = file;
    if (!mark.is_null()) where += ":" + std::to_string(mark.line + 1) + ":" + std::to_string(mark.column + 1);
    std::replace_if(
        message.begin(), message.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, '?');
    return Error{EINVAL, where + ": " + message};
}

Section::Section(const YAML::Node& map, std::string file, std::string prefix, std::vector<Error>& errors)
    : file_(std::move(file)),
      prefix_(std::move(prefix)),
      mark_(map.Mark()),
      line_(line_number(mark_)),
      errors_(errors) {
    for (const auto& item : map) {
        if (!item.first.IsScalar()) {
            fault(item.first.Mark(), "a key must be a word, not " + kind_of(item.first));
            continue;
        }
        const std::string& key = item.first.Scalar();
        const auto same = [&key](const Entry& entry) { return entry.key == key; };
        if (std::any_of(entries_.begin(), entries_.end(), same))
            fault(item.first.Mark(), "'" + prefix_ + key + "' stands here for the second time");
        else
            entries_.push_back({key, item.first.Mark(), item.second, false});
    }
}

void Section::fault(const YAML::Mark& mark, std::string message) {
    errors_.push_back(config_fault(file_, mark, std::move(message)));
}

void Section::wrong(const YAML::Mark& mark, std::string_view key, std::string_view wanted,
                    std::string_view got) {
    fault(mark,
          "'" + prefix_ + std::string(key) + "' wants " + std::string(wanted) + ", not " + std::string(got));
}

Section::Entry* Section::take(std::string_view key) {
    known_.push_back(key);
    for (auto& entry : entries_) {
        if (entry.key != key) continue;
        entry.taken = true;
        return &entry;
    }
    return nullptr;
}

const std::string* Section::scalar(std::string_view key, std::string_view wanted, YAML::Mark& mark) {
    const Entry* entry = take(key);
    if (entry == nullptr) return nullptr;
    mark = entry->value.IsNull() ? entry->key_mark : entry->value.Mark();
    if (entry->value.IsScalar()) return &entry->value.Scalar();
    wrong(mark, key, wanted, kind_of(entry->value));
    return nullptr;
}

void Section::boolean(std::string_view key, bool& out) {
    YAML::Mark mark;
    const std::string* value = scalar(key, "true or false", mark);
    if (value == nullptr) return;
    if (*value == "true" || *value == "True" || *value == "TRUE")
        out = true;
    else if (*value == "false" || *value == "False" || *value == "FALSE")
        out = false;
    else
        wrong(mark, key, "true or false", "'" + *value + "'");
}

void Section::number(std::string_view key, uint32_t& out) {
    constexpr std::string_view wanted = "a whole number from 0 to 4294967295";
    YAML::Mark mark;
    const std::string* value = scalar(key, wanted, mark);
    if (value == nullptr) return;
    const auto number = parse_number(*value);
    if (!number || *number > std::numeric_limits<uint32_t>::max())
        return wrong(mark, key, wanted, "'" + *value + "'");
    out = static_cast<uint32_t>(*number);
}

void Section::text(std::string_view key, std::string& out) {
    YAML::Mark mark;
    if (const std::string* value = scalar(key, "a word", mark)) out = *value;
}

void Section::variable(std::string_view key, std::string& out) {
    constexpr std::string_view wanted = "the name of an environment variable, or \"\"";
    constexpr size_t longest = 47;
    YAML::Mark mark;
    const std::string* value = scalar(key, wanted, mark);
    if (value == nullptr) return;
    const auto allowed = [](char c) {
        return c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    };
    if (value->size() > longest || !std::all_of(value->begin(), value->end(), allowed))
        return wrong(mark, key, wanted, "'" + *value + "'");
    out = *value;
}

void Section::texts(std::string_view key, std::vector<std::string>& out) {
    constexpr std::string_view wanted = "a list of words";
    const Entry* entry = take(key);
    if (entry == nullptr) return;
    if (!entry->value.IsSequence()) return wrong(entry->key_mark, key, wanted, kind_of(entry->value));
    std::vector<std::string> texts;
    for (const auto& item : entry->value) {
        if (!item.IsScalar()) return wrong(item.Mark(), key, wanted, kind_of(item));
        texts.push_back(item.Scalar());
    }
    out = std::move(texts);
}

void Section::more_words(std::string_view key, size_t least, std::vector<std::string>& out) {
    const std::string wanted = "a list of words of letters, digits, '-', '_' and '.', with at least " +
                               std::to_string(least) + " letters or digits each";
    const Entry* entry = take(key);
    if (entry == nullptr) return;
    if (!entry->value.IsSequence()) return wrong(entry->key_mark, key, wanted, kind_of(entry->value));
    const auto letter = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    };
    const auto allowed = [&letter](char c) { return letter(c) || c == '-' || c == '_' || c == '.'; };
    for (const auto& item : entry->value) {
        const std::string word = item.IsScalar() ? item.Scalar() : std::string();
        if (!std::all_of(word.begin(), word.end(), allowed) ||
            std::count_if(word.begin(), word.end(), letter) < static_cast<ptrdiff_t>(least))
            return wrong(item.Mark(), key, wanted, kind_of(item));
        if (std::find(out.begin(), out.end(), word) == out.end()) out.push_back(word);
    }
}

void Section::absolute_path(std::string_view key, std::string& out) {
    YAML::Mark mark;
    const std::string* value = scalar(key, path_wanted, mark);
    if (value == nullptr) return;
    if (!is_clean_absolute(*value)) return wrong(mark, key, path_wanted, "'" + *value + "'");
    out = *value;
}

void Section::http_url(std::string_view key, std::string& out) {
    YAML::Mark mark;
    const std::string* value = scalar(key, "a URL of http or https", mark);
    if (value == nullptr) return;
    if (!value->empty())
        if (auto url = parse_http_url(*value); !url)
            return wrong(mark, key, "a URL of http or https", "this: " + url.error().message);
    out = *value;
}

void Section::hosts(std::string_view key, std::vector<std::string>& out) {
    constexpr std::string_view wanted = "a list of hosts like store.example, *.store.example or host:8443";
    std::vector<std::string> found;
    const size_t before = errors_.size();
    const Entry* entry = take(key);
    if (entry == nullptr) return;
    if (!entry->value.IsSequence()) return wrong(entry->key_mark, key, wanted, kind_of(entry->value));
    for (const auto& item : entry->value) {
        if (!item.IsScalar() || !is_host_pattern(item.Scalar()))
            wrong(item.Mark(), key, wanted, kind_of(item));
        else
            found.push_back(item.Scalar());
    }
    if (errors_.size() == before) out = std::move(found);
}

void Section::absolute_paths(std::string_view key, std::vector<std::string>& out) {
    constexpr std::string_view wanted = "a list of absolute paths";
    const Entry* entry = take(key);
    if (entry == nullptr) return;
    if (!entry->value.IsSequence()) return wrong(entry->key_mark, key, wanted, kind_of(entry->value));
    std::vector<std::string> paths;
    for (const auto& item : entry->value) {
        if (!item.IsScalar() || !is_clean_absolute(item.Scalar()))
            return wrong(item.Mark(), key, wanted, kind_of(item));
        paths.push_back(item.Scalar());
    }
    out = std::move(paths);
}

void Section::duration(std::string_view key, std::chrono::milliseconds& out, std::chrono::milliseconds least,
                       std::chrono::milliseconds most) {
    const std::string wanted = "a duration like 2s or 500ms, from " + std::to_string(least.count()) +
                               "ms to " + std::to_string(most.count() / 1000) + "s";
    YAML::Mark mark;
    const std::string* value = scalar(key, wanted, mark);
    if (value == nullptr) return;
    const auto duration = parse_duration(*value);
    if (!duration || *duration < least || *duration > most)
        return wrong(mark, key, wanted, "'" + *value + "'");
    out = *duration;
}

void Section::size(std::string_view key, uint64_t& out) {
    constexpr std::string_view wanted = "a size like 512KiB or 4MiB";
    YAML::Mark mark;
    const std::string* value = scalar(key, wanted, mark);
    if (value == nullptr) return;
    const auto bytes = parse_size(*value);
    if (!bytes) return wrong(mark, key, wanted, "'" + *value + "'");
    out = *bytes;
}

void Section::ring_size(std::string_view key, uint32_t& out) {
    constexpr std::string_view wanted = "a power of two from 4KiB to 1GiB";
    YAML::Mark mark;
    const std::string* value = scalar(key, wanted, mark);
    if (value == nullptr) return;
    const auto bytes = parse_size(*value);
    if (!bytes || !std::has_single_bit(*bytes) || *bytes < 4096 || *bytes > 1u << 30)
        return wrong(mark, key, wanted, "'" + *value + "'");
    out = static_cast<uint32_t>(*bytes);
}

void Section::choice(std::string_view key, std::span<const std::string_view> words,
                     const std::function<void(size_t)>& take_index) {
    std::string wanted = "one of";
    for (std::string_view word : words) wanted += " " + std::string(word);
    YAML::Mark mark;
    const std::string* value = scalar(key, wanted, mark);
    if (value == nullptr) return;
    const auto found = std::find(words.begin(), words.end(), *value);
    if (found == words.end()) return wrong(mark, key, wanted, "'" + *value + "'");
    take_index(static_cast<size_t>(found - words.begin()));
}

void Section::section(std::string_view key, const std::function<void(Section&)>& read) {
    const Entry* entry = take(key);
    if (entry == nullptr || entry->value.IsNull()) return;  // a heading over commented-out keys
    if (!entry->value.IsMap()) return wrong(entry->value.Mark(), key, "a map", kind_of(entry->value));
    Section inner(entry->value, file_, prefix_ + std::string(key) + ".", errors_);
    read(inner);
    inner.finish();
}

void Section::sections(std::string_view key, const std::function<void(Section&)>& read) {
    const Entry* entry = take(key);
    if (entry == nullptr || entry->value.IsNull()) return;
    if (!entry->value.IsSequence())
        return wrong(entry->key_mark, key, "a list of maps", kind_of(entry->value));
    size_t number = 0;
    for (const auto& item : entry->value) {
        const std::string name = std::string(key) + "[" + std::to_string(++number) + "]";
        if (!item.IsMap()) return wrong(item.Mark(), name, "a map", kind_of(item));
        Section inner(item, file_, prefix_ + name + ".", errors_);
        read(inner);
        inner.finish();
    }
}

void Section::words(std::string_view key, std::string_view wanted,
                    const std::function<bool(const std::string&)>& take_word) {
    const Entry* entry = take(key);
    if (entry == nullptr) return;
    const YAML::Node& value = entry->value;
    if (value.IsScalar()) {
        if (!take_word(value.Scalar())) wrong(value.Mark(), key, wanted, kind_of(value));
        return;
    }
    if (!value.IsSequence() || value.size() == 0)
        return wrong(entry->key_mark, key, wanted, value.IsSequence() ? "an empty list" : kind_of(value));
    for (const auto& item : value)
        if (!item.IsScalar() || !take_word(item.Scalar()))
            return wrong(item.Mark(), key, wanted, kind_of(item));
}

void Section::pairs(std::string_view key, std::string_view wanted,
                    const std::function<bool(const std::string&, const std::string&)>& take_pair) {
    const Entry* entry = take(key);
    if (entry == nullptr) return;
    if (!entry->value.IsMap()) return wrong(entry->key_mark, key, wanted, kind_of(entry->value));
    for (const auto& item : entry->value) {
        if (!item.first.IsScalar() || !item.second.IsScalar())
            return wrong(item.first.Mark(), key, wanted, kind_of(item.second));
        if (!take_pair(item.first.Scalar(), item.second.Scalar()))
            return wrong(item.first.Mark(), key, wanted, kind_of(item.first));
    }
}

uint32_t Section::line_of(std::string_view key) const {
    for (const auto& entry : entries_)
        if (entry.key == key) return line_number(entry.key_mark);
    return 0;
}

void Section::fault_at(std::string_view key, const std::string& message) {
    const YAML::Mark* mark = &mark_;
    for (const auto& entry : entries_)
        if (entry.key == key) mark = &entry.key_mark;
    fault(*mark, "'" + prefix_ + std::string(key) + "' " + message);
}

void Section::refuse(std::string_view key, const std::string& why) {
    if (take(key) != nullptr) fault_at(key, why);
}

void Section::finish() {
    for (const auto& entry : entries_) {
        if (entry.taken) continue;
        fault(entry.key_mark, "unknown key '" + prefix_ + entry.key + "'; did you mean '" + prefix_ +
                                  std::string(nearest(entry.key, known_)) + "'?");
    }
}

}  // namespace spoor
