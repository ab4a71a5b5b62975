#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

namespace hnx::cli {
namespace {

bool IsContinuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

}  // namespace

bool IsTerminal(int fd) {
  return ::isatty(fd) == 1;
}

std::size_t TerminalWidth(int fd) {
  constexpr std::size_t kDefaultColumns = 80;
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) {
    return kDefaultColumns;
  }
  return size.ws_col;
}

std::size_t DisplayWidth(std::string_view text) {
  std::size_t width = 0;
  for (const char c : text) {
    width += IsContinuation(c) ? 0 : 1;
  }
  return width;
}

std::string CutToWidth(std::string_view text, std::size_t width) {
  std::size_t columns = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!IsContinuation(text[i]) && ++columns > width) {
      return std::string(text.substr(0, i));
    }
  }
  return std::string(text);
}

std::string Printable(std::string_view text) {
  std::string clean(text);
  for (char& c : clean) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\t') || byte == 0x7F) {
      c = '?';
    }
  }
  return clean;
}

}  // namespace hnx::cli
