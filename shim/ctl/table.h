// Tables for people: as wide as the terminal, a limited number of rows, colour only where wanted.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace spoor::ctl {

// How the output is to look.
struct Style {
    size_t columns = 100;   // of the terminal
    size_t row_limit = 20;  // 0: all rows
    bool colour = false;

    // What standard output can show: its width, else COLUMNS, else 100; colour on a terminal unless
    // NO_COLOR is set or TERM is dumb.
    static Style of_stdout();
};

enum class Align { left, right };

struct Column {
    std::string title;
    Align align = Align::left;
    bool flexible = false;  // shrinks when the line is too long; paths and command lines
};

class Table {
public:
    Table(std::string title, std::vector<Column> columns)
        : title_(std::move(title)), columns_(std::move(columns)) {}

    // Cells may hold any bytes; they are escaped here. A missing cell is empty.
    void add(std::vector<std::string> cells);
    [[nodiscard]] size_t size() const { return rows_.size(); }

    // A heading with the number of rows, the rows, and "… and N more" if there are more than the
    // limit. An empty table is its heading alone.
    [[nodiscard]] std::string text(const Style& style) const;

private:
    [[nodiscard]] std::vector<size_t> widths(const Style& style, size_t rows) const;

    std::string title_;
    std::vector<Column> columns_;
    std::vector<std::vector<std::string>> rows_;
};

// `text` in bold, dim or a colour, if the style has colour.
enum class Paint { bold, dim, green, yellow, red };
[[nodiscard]] std::string painted(std::string_view text, Paint paint, const Style& style);

}  // namespace spoor::ctl
