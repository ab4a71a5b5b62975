// What a request's Range header asks of a file (RFC 9110, section 14). Pure.
#pragma once

#include <cstdint>
#include <string_view>

namespace hnx::gateway {

enum class RangeVerdict {
  kWhole,          // 200: no range, several, another unit, or malformed
  kPart,           // 206
  kUnsatisfiable,  // 416: lies behind the end
};

struct RangeAnswer {
  RangeVerdict verdict = RangeVerdict::kWhole;
  std::uint64_t first = 0;
  std::uint64_t length = 0;
};

RangeAnswer EvaluateRange(std::string_view header, std::uint64_t size_bytes);

}  // namespace hnx::gateway
