#include "http/http_message.h"

#include <algorithm>
#include <charconv>

namespace hnx::http {
namespace {

char LowerAscii(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Takes a decimal number off the front of `text`.
std::optional<std::uint64_t> TakeNumber(std::string_view& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end == text.data()) {
    return std::nullopt;
  }
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

bool TakeLiteral(std::string_view& text, std::string_view literal) {
  if (text.substr(0, literal.size()) != literal) {
    return false;
  }
  text.remove_prefix(literal.size());
  return true;
}

}  // namespace

std::string_view HttpMethodName(HttpMethod method) {
  return method == HttpMethod::kGet ? "GET" : "HEAD";
}

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return LowerAscii(x) == LowerAscii(y);
         });
}

std::string_view TrimBlanks(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && blank(text.front())) {
    text.remove_prefix(1);
  }
  while (!text.empty() && blank(text.back())) {
    text.remove_suffix(1);
  }
  return text;
}

void HttpHeaders::AppendLine(std::string_view line) {
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) {
    line.remove_suffix(1);
  }
  if (line.find(':') == std::string_view::npos || line.find('\n') != std::string_view::npos) {
    return;
  }
  block_.append(line);
  block_.push_back('\n');
}

std::optional<std::string_view> HttpHeaders::Get(std::string_view name) const {
  std::string_view rest = block_;
  while (!rest.empty()) {
    const auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(line.size() + 1);
    const auto colon = line.find(':');
    if (EqualsIgnoringCase(line.substr(0, colon), name)) {
      return TrimBlanks(line.substr(colon + 1));
    }
  }
  return std::nullopt;
}

int HttpHeaders::Count(std::string_view name) const {
  int count = 0;
  std::string_view rest = block_;
  while (!rest.empty()) {
    const auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(line.size() + 1);
    count += EqualsIgnoringCase(line.substr(0, line.find(':')), name) ? 1 : 0;
  }
  return count;
}

std::optional<ContentRange> ParseContentRange(std::string_view value) {
  value = TrimBlanks(value);
  if (value.size() < 6 || !EqualsIgnoringCase(value.substr(0, 6), "bytes ")) {
    return std::nullopt;
  }
  value.remove_prefix(6);
  const auto first = TakeNumber(value);
  if (!first || !TakeLiteral(value, "-")) {
    return std::nullopt;
  }
  const auto last = TakeNumber(value);
  if (!last || *last < *first || !TakeLiteral(value, "/")) {
    return std::nullopt;
  }
  if (value == "*") {
    return ContentRange{*first, *last, std::nullopt};
  }
  const auto total = TakeNumber(value);
  if (!total || !value.empty() || *last >= *total) {
    return std::nullopt;
  }
  return ContentRange{*first, *last, total};
}

}  // namespace hnx::http
