#include "gateway/substituter/byte_range.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "http/http_message.h"

namespace hnx::gateway {
namespace {

// Digits only; values beyond 64 bits count as the largest.
std::optional<std::uint64_t> ParsePosition(std::string_view text) {
  if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos) {
    return std::nullopt;
  }
  std::uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  return parsed.ec == std::errc() ? value : UINT64_MAX;
}

}  // namespace

RangeAnswer EvaluateRange(std::string_view header, std::uint64_t size_bytes) {
  constexpr std::string_view kUnit = "bytes=";
  const RangeAnswer whole{RangeVerdict::kWhole, 0, size_bytes};
  header = http::TrimBlanks(header);
  if (!http::EqualsIgnoringCase(header.substr(0, kUnit.size()), kUnit)) {
    return whole;
  }
  header = http::TrimBlanks(header.substr(kUnit.size()));
  const auto dash = header.find('-');
  if (dash == std::string_view::npos || header.find(',') != std::string_view::npos) {
    return whole;
  }
  const std::string_view first_text = header.substr(0, dash);
  const std::string_view last_text = header.substr(dash + 1);
  const auto last = ParsePosition(last_text);
  if (first_text.empty()) {
    if (!last) {
      return whole;
    }
    const auto length = std::min(*last, size_bytes);
    return length == 0 ? RangeAnswer{RangeVerdict::kUnsatisfiable}
                       : RangeAnswer{RangeVerdict::kPart, size_bytes - length, length};
  }
  const auto first = ParsePosition(first_text);
  if (!first || (!last && !last_text.empty()) || (last && *last < *first)) {
    return whole;
  }
  if (*first >= size_bytes) {
    return {RangeVerdict::kUnsatisfiable};
  }
  const auto end = last ? std::min(*last, size_bytes - 1) : size_bytes - 1;
  return {RangeVerdict::kPart, *first, end - *first + 1};
}

}  // namespace hnx::gateway
