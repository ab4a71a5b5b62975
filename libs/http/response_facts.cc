#include "http/response_facts.h"

#include <string>

#include <curl/curl.h>

namespace hnx::http {

bool CameOverHttp2(const HttpHeaders& headers) {
  const auto protocol = headers.Get(kProtocolHeader);
  return protocol && protocol->starts_with("HTTP/2");
}

std::optional<Clock::WallTime> ServerTime(const HttpHeaders& headers) {
  const auto header = headers.Get("date");
  // curl_getdate guesses at almost anything; a date has a time of day.
  if (!header || header->find(':') == std::string_view::npos) {
    return std::nullopt;
  }
  const auto date = ::curl_getdate(std::string(*header).c_str(), nullptr);
  return date < 0 ? std::nullopt
                  : std::optional(Clock::WallTime(std::chrono::seconds(std::int64_t{date})));
}

}  // namespace hnx::http
