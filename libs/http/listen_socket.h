// A listening TCP socket from "HOST:PORT". Internal to libs/http.
#pragma once

#include <string>

#include "base/file.h"
#include "base/result.h"

namespace hnx::http {

struct HostAndPort {
  std::string host;  // without brackets
  std::string port;
};
// "127.0.0.1:8080", "localhost:80", "[::]:8080". kInvalidArgument says what is expected.
Result<HostAndPort> ParseListenAddress(const std::string& text);

// Bound and listening, non-blocking.
Result<UniqueFd> Listen(const HostAndPort& address);

// "HOST:PORT" as bound.
Result<std::string> BoundAddress(int fd);

}  // namespace hnx::http
