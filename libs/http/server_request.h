// A request as libmicrohttpd has it. Internal to this folder.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "http/http_message.h"
#include "http/http_server.h"

struct MHD_Connection;

namespace hnx::http {

class MhdRequest final : public ServerRequest {
 public:
  MhdRequest(MHD_Connection* connection, HttpMethod method, std::string_view path)
      : connection_(connection), method_(method), path_(path) {}

  HttpMethod method() const override { return method_; }
  std::string_view path() const override { return path_; }
  std::optional<std::string_view> Header(const char* name) const override;
  std::optional<std::string> Argument(const char* name) const override;

 private:
  MHD_Connection* const connection_;
  const HttpMethod method_;
  const std::string_view path_;
};

}  // namespace hnx::http
