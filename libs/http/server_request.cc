#include "http/server_request.h"

#include <utility>

#include <microhttpd.h>

#include "http/percent.h"

namespace hnx::http {

std::optional<std::string_view> MhdRequest::Header(const char* name) const {
  const char* value = ::MHD_lookup_connection_value(connection_, MHD_HEADER_KIND, name);
  return value == nullptr ? std::nullopt : std::optional<std::string_view>(value);
}

std::optional<std::string> MhdRequest::Argument(const char* name) const {
  const char* value = ::MHD_lookup_connection_value(connection_, MHD_GET_ARGUMENT_KIND, name);
  if (value == nullptr) {
    return std::nullopt;
  }
  auto decoded = PercentDecode(value);
  return decoded.has_value() ? std::optional(*std::move(decoded)) : std::nullopt;
}

}  // namespace hnx::http
