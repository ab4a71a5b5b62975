// The parts of requests and responses that client and server share: methods, headers, byte ranges.
// Values only, no I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hnx::http {

enum class HttpMethod { kGet, kHead };
std::string_view HttpMethodName(HttpMethod method);

struct HttpHeader {
  std::string name;
  std::string value;
};

// The header lines of one response, kept as received and searched when asked: most transfers look
// at two or three of them.
class HttpHeaders {
 public:
  HttpHeaders() = default;

  // One received line, with or without its line end. Lines without a colon are ignored.
  void AppendLine(std::string_view line);
  void Clear() { block_.clear(); }
  bool empty() const { return block_.empty(); }
  std::size_t size_bytes() const { return block_.size(); }

  // The first header of that name (any case), blanks around the value removed.
  std::optional<std::string_view> Get(std::string_view name) const;
  // How many headers have that name.
  int Count(std::string_view name) const;

 private:
  std::string block_;  // "Name: value\n" each
};

// Bytes first..last, both included, as in `Range: bytes=first-last`; without `last` to the end.
struct ByteRange {
  std::uint64_t first = 0;
  std::optional<std::uint64_t> last;
};

// `Content-Range: bytes first-last/total`; total may be `*`.
struct ContentRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::optional<std::uint64_t> total;
};
// Nothing for another unit, an unsatisfied range (`bytes */n`) and malformed values.
std::optional<ContentRange> ParseContentRange(std::string_view value);

bool EqualsIgnoringCase(std::string_view a, std::string_view b);
std::string_view TrimBlanks(std::string_view text);

}  // namespace hnx::http
