#include "shim/ctl/table.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "shim/ctl/text.h"

namespace spoor::ctl {
namespace {

constexpr size_t gap = 2;  // between columns
constexpr size_t margin = 2;
constexpr size_t narrowest_flex = 16;  // a path shorter than this says nothing

size_t terminal_columns() {
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    if (const char* text = std::getenv("COLUMNS")) {
        unsigned long columns = std::strtoul(text, nullptr, 10);
        if (columns >= 20 && columns <= 10000) return columns;
    }
    return 100;
}

std::string padded(const std::string& cell, size_t width, Align align, bool last) {
    size_t used = display_width(cell);
    std::string space(width > used ? width - used : 0, ' ');
    if (align == Align::right) return space + cell;
    return last ? cell : cell + space;
}

}  // namespace

Style Style::of_stdout() {
    Style style;
    style.columns = std::max<size_t>(terminal_columns(), 40);
    const char* no_colour = std::getenv("NO_COLOR");
    const char* term = std::getenv("TERM");
    bool dumb = !term || std::string_view(term) == "dumb";
    style.colour = ::isatty(STDOUT_FILENO) && !dumb && !(no_colour && *no_colour);
    return style;
}

void Table::add(std::vector<std::string> cells) {
    cells.resize(columns_.size());
    for (auto& cell : cells) cell = printable(cell);
    rows_.push_back(std::move(cells));
}

std::vector<size_t> Table::widths(const Style& style, size_t rows) const {
    std::vector<size_t> width(columns_.size());
    size_t total = margin;
    size_t flexible = 0;
    for (size_t c = 0; c < columns_.size(); ++c) {
        width[c] = display_width(columns_[c].title);
        for (size_t r = 0; r < rows; ++r) width[c] = std::max(width[c], display_width(rows_[r][c]));
        total += width[c] + (c ? gap : 0);
        if (columns_[c].flexible) ++flexible;
    }
    // Takes from the widest flexible column first, so that a short one beside it stays whole.
    while (flexible && total > style.columns) {
        size_t widest = columns_.size();
        size_t second = narrowest_flex;
        for (size_t c = 0; c < columns_.size(); ++c) {
            if (!columns_[c].flexible) continue;
            if (widest == columns_.size() || width[c] > width[widest]) {
                if (widest != columns_.size()) second = std::max(second, width[widest]);
                widest = c;
            } else {
                second = std::max(second, width[c]);
            }
        }
        if (width[widest] <= narrowest_flex) break;
        size_t floor = second < width[widest] ? second : width[widest] - 1;
        size_t take = std::min(width[widest] - floor, total - style.columns);
        width[widest] -= take;
        total -= take;
    }
    return width;
}

std::string Table::text(const Style& style) const {
    std::string out = painted(title_ + " (" + std::to_string(rows_.size()) + ")", Paint::bold, style) + "\n";
    if (rows_.empty()) return out;
    size_t rows = rows_.size();
    // Hiding a single row behind a line that says so would gain nothing.
    if (style.row_limit && rows > style.row_limit + 1) rows = style.row_limit;
    auto width = widths(style, rows);

    bool titled =
        std::any_of(columns_.begin(), columns_.end(), [](const Column& c) { return !c.title.empty(); });
    auto line = [&](auto&& cell_of) {
        std::string text(margin, ' ');
        for (size_t c = 0; c < columns_.size(); ++c) {
            std::string cell = cell_of(c);
            cell = columns_[c].flexible ? cut_middle(cell, width[c]) : cell;
            text += padded(cell, width[c], columns_[c].align, c + 1 == columns_.size());
            if (c + 1 < columns_.size()) text.append(gap, ' ');
        }
        text.erase(text.find_last_not_of(' ') + 1);
        return text;
    };
    if (titled) out += painted(line([&](size_t c) { return columns_[c].title; }), Paint::dim, style) + "\n";
    for (size_t r = 0; r < rows; ++r) out += line([&](size_t c) { return rows_[r][c]; }) + "\n";
    if (rows < rows_.size())
        out += painted("  … and " + std::to_string(rows_.size() - rows) + " more (--all shows them)",
                       Paint::dim, style) +
               "\n";
    return out;
}

std::string painted(std::string_view text, Paint paint, const Style& style) {
    if (!style.colour) return std::string(text);
    const char* code = "0";
    switch (paint) {
        case Paint::bold:
            code = "1";
            break;
        case Paint::dim:
            code = "2";
            break;
        case Paint::green:
            code = "32";
            break;
        case Paint::yellow:
            code = "33";
            break;
        case Paint::red:
            code = "31";
            break;
    }
    return "\033[" + std::string(code) + "m" + std::string(text) + "\033[0m";
}

}  // namespace spoor::ctl
