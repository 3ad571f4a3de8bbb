#include "signal/declaration/suggest.h"

#include <algorithm>
#include <array>

#include "signal/declaration/declaration.h"
#include "signal/declaration/name_glob.h"

namespace spoor {
namespace {

// Fewer files than this are named one by one: two prove no pattern.
constexpr size_t least_for_glob = 3;
constexpr size_t least_for_directory = 2;

struct File {
    std::string_view path;  // relative to the group's root
    size_t index = 0;
};
using Files = std::span<const File>;

std::string_view directory_of(std::string_view path) {
    const size_t slash = path.rfind('/');
    return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

// With its dot; empty if there is none. A leading dot begins no extension.
std::string_view extension_of(std::string_view path) {
    const size_t slash = path.rfind('/');
    const std::string_view name = path.substr(slash == std::string_view::npos ? 0 : slash + 1);
    const size_t dot = name.rfind('.');
    return dot == std::string_view::npos || dot == 0 ? std::string_view() : name.substr(dot);
}

// Of sorted files: the first and the last have in common what all have.
std::string_view common_directory(Files files) {
    const std::string_view first = files.front().path, last = files.back().path;
    size_t common = 0;
    for (size_t i = 0; i < first.size() && i < last.size() && first[i] == last[i]; ++i)
        if (first[i] == '/') common = i;
    return first.substr(0, common);
}

bool beneath(std::string_view directory, std::string_view path) {
    return directory.empty() ||
           (path.size() > directory.size() && path.starts_with(directory) && path[directory.size()] == '/');
}

// What is special escaped, what is no UTF-8 replaced by a wildcard.
std::string pattern_text(std::string_view path) {
    std::string out;
    size_t from = 0, at = 0;
    while (at < path.size()) {
        const size_t begin = at;
        if (next_character(path, at) != no_character) continue;
        out += escape_pattern(path.substr(from, begin - from));
        if (!out.ends_with('*')) out += '*';
        from = at;
    }
    return out + escape_pattern(path.substr(from));
}

// The undeclared files of one project, or of none.
class Group {
public:
    Group(std::string prefix, const Suggestion& owner, bool outputs, std::vector<Suggestion>& out)
        : prefix_(std::move(prefix)), owner_(owner), outputs_(outputs), out_(out) {}

    std::vector<File> undeclared;
    std::vector<std::string_view> not_accessed;

    void suggest() {
        std::sort(not_accessed.begin(), not_accessed.end());
        const auto by_path = [](const File& a, const File& b) { return a.path < b.path; };
        if (outputs_) {
            std::sort(undeclared.begin(), undeclared.end(), by_path);
            directories(undeclared);
            return;
        }
        std::sort(undeclared.begin(), undeclared.end(), [](const File& a, const File& b) {
            const auto one = extension_of(a.path), other = extension_of(b.path);
            return one != other ? one < other : a.path < b.path;
        });
        for (size_t from = 0; from < undeclared.size();) {
            const auto extension = extension_of(undeclared[from].path);
            size_t to = from;
            while (to < undeclared.size() && extension_of(undeclared[to].path) == extension) ++to;
            globs(Files(undeclared).subspan(from, to - from), extension);
            from = to;
        }
        // One glob for a directory, whatever the number of extensions.
        for (auto& [place, found] : globs_) {
            std::string extensions;
            for (const std::string& one : found.extensions)
                extensions += (extensions.empty() ? "" : ",") + one;
            if (found.extensions.size() > 1) extensions = "{" + extensions + "}";
            emit(place + extensions, std::move(found.paths));
        }
    }

private:
    struct Found {
        std::vector<std::string> extensions;  // without the dot
        std::vector<size_t> paths;
    };

    void emit(std::string pattern, std::vector<size_t> paths) {
        Suggestion one = owner_;
        one.pattern = prefix_ + std::move(pattern);
        std::sort(paths.begin(), paths.end());
        one.paths = std::move(paths);
        out_.push_back(std::move(one));
    }

    void by_name(Files files) {
        for (const File& file : files) emit(pattern_text(file.path), {file.index});
    }

    // Whether a file that was not accessed lies beneath; with `extension` only those that have it, with
    // `directly` only those in the directory itself.
    bool swallows(std::string_view directory, std::string_view extension, bool directly) {
        const std::string first = directory.empty() ? std::string() : std::string(directory) + "/";
        for (auto at = std::lower_bound(not_accessed.begin(), not_accessed.end(), first);
             at != not_accessed.end() && beneath(directory, *at); ++at) {
            if (patience_ == 0) return true;
            --patience_;
            if (!extension.empty() && extension_of(*at) != extension) continue;
            if (!directly || directory_of(*at) == directory) return true;
        }
        return false;
    }

    // Calls `take` for the files of each subdirectory of `directory` that have one; gives back those directly
    // in it.
    template <class Take>
    static std::vector<File> split(Files files, std::string_view directory, Take take) {
        std::vector<File> here;
        const size_t skip = directory.empty() ? 0 : directory.size() + 1;
        for (size_t from = 0; from < files.size();) {
            const size_t slash = files[from].path.find('/', skip);
            if (slash == std::string_view::npos) {
                here.push_back(files[from++]);
                continue;
            }
            const std::string_view child = files[from].path.substr(0, slash);
            size_t to = from;
            while (to < files.size() && beneath(child, files[to].path)) ++to;
            take(files.subspan(from, to - from));
            from = to;
        }
        return here;
    }

    void add_glob(std::string_view directory, const char* depth, std::string_view extension, Files files) {
        Found& found = globs_[pattern_text(directory) + depth + "."];
        found.extensions.push_back(pattern_text(extension.substr(1)));
        for (const File& file : files) found.paths.push_back(file.index);
    }

    void globs(Files files, std::string_view extension) {
        if (files.size() < least_for_glob || extension.size() < 2 ||
            extension.find(',') != std::string_view::npos)
            return by_name(files);
        const std::string_view directory = common_directory(files);
        const bool all_here = std::all_of(files.begin(), files.end(), [&](const File& file) {
            return directory_of(file.path) == directory;
        });
        if (!directory.empty() && !swallows(directory, extension, all_here))
            return add_glob(directory, all_here ? "/*" : "/**/*", extension, files);
        const auto here = split(files, directory, [&](Files below) { globs(below, extension); });
        if (!all_here && !directory.empty() && here.size() >= least_for_glob &&
            !swallows(directory, extension, true))
            add_glob(directory, "/*", extension, here);
        else
            by_name(here);
    }

    void directories(Files files) {
        if (files.size() < least_for_directory) return by_name(files);
        const std::string_view directory = common_directory(files);
        if (!directory.empty() && !swallows(directory, {}, false)) {
            std::vector<size_t> paths;
            for (const File& file : files) paths.push_back(file.index);
            return emit(pattern_text(directory), std::move(paths));
        }
        by_name(split(files, directory, [&](Files below) { directories(below); }));
    }

    std::string prefix_;
    Suggestion owner_;
    bool outputs_;
    std::vector<Suggestion>& out_;
    std::map<std::string, Found> globs_;
    // Files looked at before everything left is named one by one: a hostile tree must not cost minutes.
    size_t patience_ = 20'000'000;
};

std::string_view clean_root(std::string_view root) {
    while (root.starts_with("./")) root.remove_prefix(2);
    while (root.ends_with('/')) root.remove_suffix(1);
    return root == "." ? std::string_view() : root;
}

// Roots of projects, to be found by the directories of a path.
class Owners {
public:
    explicit Owners(const std::map<std::string, std::string>& projects) {
        for (const auto& [name, root] : projects) by_root_.emplace(clean_root(root), &name);
    }
    // Root and name of the innermost; both empty: none.
    [[nodiscard]] std::pair<std::string_view, std::string_view> of(std::string_view path) const {
        for (std::string_view directory = path;;) {
            if (const auto found = by_root_.find(directory); found != by_root_.end())
                return {found->first, *found->second};
            if (directory.empty()) return {};
            directory = directory_of(directory);
        }
    }

private:
    std::map<std::string_view, const std::string*> by_root_;
};

void append_json(std::string& out, std::string_view text) {
    out += '"';
    for (const char c : text) {
        constexpr const char* digits = "0123456789abcdef";
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') out += '\\';
        if (byte >= 0x20)
            out += c;
        else
            (out += "\\u00") += {digits[byte >> 4], digits[byte & 15]};
    }
    out += '"';
}

}  // namespace

std::vector<Suggestion> suggest(const SuggestionRequest& request) {
    std::vector<Suggestion> out;
    const Owners owners(request.projects);
    const std::string_view own_root = clean_root(request.context.project_root);
    const std::string& workspace = request.context.workspace_root;
    std::map<std::pair<bool, std::string_view>, Group> groups;  // in the workspace or not, root
    for (size_t i = 0; i < request.undeclared.size(); ++i) {
        const std::string& path = request.undeclared[i];
        Suggestion owner;
        const auto inside = path_beneath(workspace, path);
        std::string_view root, name;
        if (inside) std::tie(root, name) = owners.of(*inside);
        // The task's own project needs no entry among the projects.
        if (inside && own_root.size() >= root.size() && (own_root.empty() || beneath(own_root, *inside))) {
            root = own_root;
            if (name.empty() || owners.of(*inside).first != own_root) name = request.context.project_name;
        }
        owner.project = name;
        owner.project_root = name.empty() && root.empty() ? "" : root.empty() ? "." : std::string(root);
        const bool own = inside && root == own_root;
        std::string prefix = !inside ? "/" : own ? "{projectRoot}/" : "{workspaceRoot}/";
        if (!own && !root.empty()) prefix += pattern_text(root) + "/";
        auto [group, made] =
            groups.try_emplace({inside.has_value(), root}, std::move(prefix), owner, request.outputs, out);
        std::string_view relative =
            inside ? *inside : std::string_view(path).substr(path.starts_with('/') ? 1 : 0);
        if (inside && !root.empty()) relative.remove_prefix(std::min(root.size() + 1, relative.size()));
        group->second.undeclared.push_back({relative, i});
    }
    for (const std::string& path : request.not_accessed) {
        const auto inside = path_beneath(workspace, path);
        // In each group whose root holds it: a pattern of an outer project reaches into inner ones.
        std::string_view root = inside ? *inside : std::string_view();
        do {
            root = directory_of(root);
            const auto group = groups.find({inside.has_value(), root});
            if (group == groups.end()) continue;
            std::string_view relative =
                inside ? *inside : std::string_view(path).substr(path.starts_with('/') ? 1 : 0);
            if (!root.empty()) relative.remove_prefix(root.size() + 1);
            group->second.not_accessed.push_back(relative);
        } while (!root.empty());
    }
    for (auto& [key, group] : groups) group.suggest();
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.pattern < b.pattern; });
    return out;
}

std::string owner_of(const std::map<std::string, std::string>& projects, std::string_view workspace_root,
                     std::string_view path) {
    const auto inside = path_beneath(workspace_root, path);
    return inside ? std::string(Owners(projects).of(*inside).second) : std::string();
}

std::string project_json_snippet(std::string_view target, std::span<const Suggestion> inputs,
                                 std::span<const Suggestion> outputs) {
    std::string lists;
    for (const auto& [key, suggestions] : {std::pair("inputs", inputs), std::pair("outputs", outputs)}) {
        std::string items;
        for (const Suggestion& one : suggestions) {
            if (one.pattern.starts_with('/')) continue;
            items += ",\n        ";
            append_json(items, one.pattern);
        }
        if (items.empty()) continue;
        if (!lists.empty()) lists += ",\n";
        lists += std::string("      \"") + key + "\": [\n        \"...\"" + items + "\n      ]";
    }
    if (lists.empty()) return "{}\n";
    std::string out = "{\n  \"targets\": {\n    ";
    append_json(out, target);
    return out + ": {\n" + lists + "\n    }\n  }\n}\n";
}

}  // namespace spoor
