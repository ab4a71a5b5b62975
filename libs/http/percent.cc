#include "http/percent.h"

#include <cctype>
#include <memory>

#include <curl/curl.h>

namespace hnx::http {
namespace {

constexpr std::size_t kTextBytesMax = std::size_t{64} << 10U;

bool IsHex(char c) {
  return std::isxdigit(static_cast<unsigned char>(c)) != 0;
}

}  // namespace

Result<std::string> PercentDecode(std::string_view text) {
  if (text.size() > kTextBytesMax) {
    return InvalidArgument("decode a part of a URL: longer than 64 KiB");
  }
  // libcurl leaves what is malformed as it is.
  for (std::size_t at = text.find('%'); at != std::string_view::npos; at = text.find('%', at + 1)) {
    if (at + 2 >= text.size() || !IsHex(text[at + 1]) || !IsHex(text[at + 2])) {
      return InvalidArgument("decode '" + std::string(text) +
                             "': a '%' without two hexadecimal digits");
    }
  }
  if (text.empty()) {
    return std::string();  // a length of 0 would mean: up to the next NUL
  }
  int size = 0;
  const std::unique_ptr<char, decltype(&::curl_free)> decoded(
      ::curl_easy_unescape(nullptr, text.data(), static_cast<int>(text.size()), &size),
      &::curl_free);
  if (decoded == nullptr) {
    return ResourceExhausted("decode a part of a URL: no memory");
  }
  return std::string(decoded.get(), static_cast<std::size_t>(size));
}

}  // namespace hnx::http
