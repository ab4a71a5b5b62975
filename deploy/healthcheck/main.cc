// healthcheck: asks the program beside it whether it is alive; the HEALTHCHECK of images, which
// have no shell.
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>

#include <stdlib.h>

#include "http/http_client.h"

namespace {

constexpr std::chrono::milliseconds kTimeout{8'000};
constexpr std::uint64_t kBodySizeMax = 64 * 1024;

constexpr std::string_view kUsage =
    "usage: healthcheck VARIABLE\n"
    "VARIABLE names the environment variable with the HOST:PORT on which the program of this\n"
    "container serves /healthz, such as HNX_LISTEN_HTTP.\n"
    "Exit status: 0 alive, 1 not, 2 wrong usage.\n";

// The address to ask for the one that is listened on: all addresses means this machine's own.
std::string AskableAddress(std::string_view listened) {
  const auto colon = listened.rfind(':');
  const auto host = listened.substr(0, colon);
  const auto port = listened.substr(colon);
  if (host.empty() || host == "0.0.0.0") {
    return "127.0.0.1" + std::string(port);
  }
  if (host == "[::]") {
    return "[::1]" + std::string(port);
  }
  return std::string(listened);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "--help") {
    std::cout << kUsage;
    return 0;
  }
  const char* listened = argc == 2 ? std::getenv(argv[1]) : nullptr;
  if (listened == nullptr || std::string_view(listened).rfind(':') == std::string_view::npos) {
    std::cerr << "healthcheck: " << (argc == 2 ? argv[1] : "the variable") << " is not HOST:PORT\n"
              << kUsage;
    return 2;
  }
  // The question stays in this container.
  for (const char* proxy : {"http_proxy", "all_proxy", "ALL_PROXY"}) {
    ::unsetenv(proxy);
  }
  hnx::http::HttpClientOptions options;
  options.connect_timeout = kTimeout;
  options.head_timeout = kTimeout;
  options.http2 = false;
  hnx::http::HttpClient client(options);
  hnx::http::HttpRequest request;
  request.url = "http://" + AskableAddress(listened) + "/healthz";
  request.body_size_max = kBodySizeMax;
  request.redirects = hnx::http::RedirectPolicy::kDontFollow;
  const auto answer = client.Fetch(std::move(request));
  if (!answer) {
    std::cerr << "healthcheck: " << answer.error().message << '\n';
    return 1;
  }
  return 0;
}
