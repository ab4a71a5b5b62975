// What is known of the place that output goes to.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace hnx::cli {

bool IsTerminal(int fd);
// Columns; 80 when it cannot be told.
std::size_t TerminalWidth(int fd);
// What a terminal shows of UTF-8 text: code points, near enough for our labels.
std::size_t DisplayWidth(std::string_view text);
// At most `width` columns, cut at a code point.
std::string CutToWidth(std::string_view text, std::size_t width);
// Bytes that a terminal would obey (escape sequences, controls) are shown as '?'. For everything
// that came from outside.
std::string Printable(std::string_view text);

}  // namespace hnx::cli
