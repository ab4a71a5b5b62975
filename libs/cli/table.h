// Table: rows that people read on a terminal and programs in a pipe.
//
// On a terminal columns are aligned and the lines fit its width: what is too long ends with an
// ellipsis. In a pipe there is one line a row, its cells separated by one tab, nothing cut, below
// the same titles: columns may be added behind, never moved. Remarks stand below their row on a
// terminal, whole, and in the last column, NOTE, in a pipe.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hnx::cli {

enum class Align { kLeft, kRight };

struct Column {
  std::string title;  // in capitals
  Align align = Align::kLeft;
};

// The width of the terminal that standard output is; nothing: it is none.
std::optional<std::size_t> OutputWidth();

class Table {
 public:
  // `width`: of the terminal; nothing: a pipe.
  explicit Table(std::vector<Column> columns, std::optional<std::size_t> width = OutputWidth())
      : columns_(std::move(columns)), width_(width) {}

  // As many cells as there are columns. An empty one is shown as "-".
  void Add(std::vector<std::string> cells, std::vector<std::string> remarks = {});
  // The rows that were added since it was printed last, below the titles the first time.
  void Print(std::ostream& out);
  // The same at the end; on a terminal `when_empty` instead, if there was no row at all.
  void Finish(std::ostream& out, std::string_view when_empty);

 private:
  struct Row {
    std::vector<std::string> cells;
    std::vector<std::string> remarks;
  };
  std::vector<std::size_t> Widths() const;
  std::string Aligned(const std::vector<std::string>& cells,
                      const std::vector<std::size_t>& widths) const;
  void PrintAligned(std::ostream& out) const;
  void PrintSeparated(std::ostream& out) const;

  const std::vector<Column> columns_;
  const std::optional<std::size_t> width_;
  std::vector<Row> rows_;
  bool titled_ = false;
};

}  // namespace hnx::cli
