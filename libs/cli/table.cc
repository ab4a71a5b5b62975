#include "cli/table.h"

#include <algorithm>
#include <ostream>
#include <utility>

#include <unistd.h>

#include "base/check.h"
#include "cli/terminal.h"

namespace hnx::cli {
namespace {

constexpr std::size_t kGap = 2;
// No column is cut to less.
constexpr std::size_t kColumnMin = 8;
constexpr const char* kEllipsis = "\u2026";

std::string Cell(std::string text) {
  text = Printable(text);
  std::replace(text.begin(), text.end(), '\t', ' ');
  return text.empty() ? "-" : text;
}

std::string Shortened(const std::string& text, std::size_t width) {
  return DisplayWidth(text) <= width ? text : CutToWidth(text, width - 1) + kEllipsis;
}

}  // namespace

std::optional<std::size_t> OutputWidth() {
  return IsTerminal(STDOUT_FILENO) ? std::optional(TerminalWidth(STDOUT_FILENO)) : std::nullopt;
}

void Table::Add(std::vector<std::string> cells, std::vector<std::string> remarks) {
  HNX_CHECK(cells.size() == columns_.size());
  for (std::string& cell : cells) {
    cell = Cell(std::move(cell));
  }
  for (std::string& remark : remarks) {
    remark = Cell(std::move(remark));
  }
  rows_.push_back({std::move(cells), std::move(remarks)});
}

// What the columns need, less what does not fit: taken from the widest.
std::vector<std::size_t> Table::Widths() const {
  std::vector<std::size_t> widths;
  std::size_t sum = kGap * (columns_.size() - 1);
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t widest = DisplayWidth(columns_[i].title);
    for (const Row& row : rows_) {
      widest = std::max(widest, DisplayWidth(row.cells[i]));
    }
    widths.push_back(widest);
    sum += widest;
  }
  for (; sum > *width_; --sum) {
    const auto widest = std::max_element(widths.begin(), widths.end());
    if (*widest <= kColumnMin) {
      break;
    }
    --*widest;
  }
  return widths;
}

std::string Table::Aligned(const std::vector<std::string>& cells,
                           const std::vector<std::size_t>& widths) const {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::string cell = Shortened(cells[i], widths[i]);
    const std::string blanks(widths[i] - DisplayWidth(cell), ' ');
    line += columns_[i].align == Align::kRight ? blanks + cell : cell + blanks;
    line.append(kGap, ' ');
  }
  return line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
}

void Table::PrintAligned(std::ostream& out) const {
  const std::vector<std::size_t> widths = Widths();
  if (!titled_) {
    std::vector<std::string> titles;
    for (const Column& column : columns_) {
      titles.push_back(column.title);
    }
    out << Aligned(titles, widths);
  }
  for (const Row& row : rows_) {
    out << Aligned(row.cells, widths);
    for (const std::string& remark : row.remarks) {
      out << "    " << remark << '\n';
    }
  }
}

void Table::PrintSeparated(std::ostream& out) const {
  if (!titled_) {
    for (const Column& column : columns_) {
      out << column.title << '\t';
    }
    out << "NOTE\n";
  }
  for (const Row& row : rows_) {
    for (const std::string& cell : row.cells) {
      out << cell << '\t';
    }
    std::string note;
    for (const std::string& remark : row.remarks) {
      note += (note.empty() ? "" : "; ") + remark;
    }
    out << Cell(note) << '\n';
  }
}

void Table::Print(std::ostream& out) {
  if (width_) {
    PrintAligned(out);
  } else {
    PrintSeparated(out);
  }
  titled_ = true;
  rows_.clear();
}

void Table::Finish(std::ostream& out, std::string_view when_empty) {
  if (width_ && !titled_ && rows_.empty()) {
    out << when_empty << '\n';
    return;
  }
  Print(out);
}

}  // namespace hnx::cli
