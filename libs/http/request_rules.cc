#include "http/request_rules.h"

#include <algorithm>
#include <string>

#include <microhttpd.h>

namespace hnx::http {
namespace {

// What the headers of one request are found to be.
struct Headers {
  bool proper = true;
  bool has_body = false;
  unsigned hosts = 0;
};

// RFC 9110, 5.6.2. libmicrohttpd takes any byte but the colon: "Content-Length :" too.
bool IsToken(std::string_view name) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           kMarks.find(c) != std::string_view::npos;
  });
}

MHD_Result LookAt(void* closure, MHD_ValueKind /*kind*/, const char* name, std::size_t name_size,
                  const char* value, std::size_t value_size) {
  auto& headers = *static_cast<Headers*>(closure);
  const std::string_view key(name, name_size);
  const std::string_view text =
      value == nullptr ? std::string_view() : std::string_view(value, value_size);
  headers.proper = headers.proper && IsToken(key) &&
                   text.find_first_of(std::string_view("\0\r\n", 3)) == std::string_view::npos;
  headers.has_body = headers.has_body ||
                     EqualsIgnoringCase(key, MHD_HTTP_HEADER_TRANSFER_ENCODING) ||
                     (EqualsIgnoringCase(key, MHD_HTTP_HEADER_CONTENT_LENGTH) && text != "0");
  headers.hosts += EqualsIgnoringCase(key, MHD_HTTP_HEADER_HOST) ? 1 : 0;
  return MHD_YES;
}

ServerResponse Refusal(int status, std::string text) {
  auto response = TextResponse(status, std::move(text));
  response.headers.push_back({"Connection", "close"});
  return response;
}

}  // namespace

std::optional<ServerResponse> RefuseRequest(MHD_Connection* connection, std::string_view method) {
  if (method != "GET" && method != "HEAD") {
    auto response = Refusal(405, "only GET and HEAD\n");
    response.headers.push_back({"Allow", "GET, HEAD"});
    return response;
  }
  Headers headers;
  (void)::MHD_get_connection_values_n(connection, MHD_HEADER_KIND, &LookAt, &headers);
  if (!headers.proper || headers.hosts > 1) {
    return Refusal(400, "a header is malformed\n");
  }
  if (headers.has_body) {
    return Refusal(400, "a GET request has no body\n");
  }
  return std::nullopt;
}

}  // namespace hnx::http
