#include "http/listen_socket.h"

#include <cerrno>
#include <charconv>
#include <memory>

#include <netdb.h>
#include <sys/socket.h>

namespace hnx::http {
namespace {
constexpr int kBacklog = 1024;
}  // namespace

Result<HostAndPort> ParseListenAddress(const std::string& text) {
  const auto colon = text.rfind(':');
  const auto bad = [&text] {
    return InvalidArgument("listen address '" + text +
                           "': expected HOST:PORT, for example 127.0.0.1:8080 or [::]:8080");
  };
  if (colon == std::string::npos || colon == 0) {
    return bad();
  }
  HostAndPort address{text.substr(0, colon), text.substr(colon + 1)};
  const bool bracketed = address.host.front() == '[' && address.host.back() == ']';
  if (bracketed) {
    address.host = address.host.substr(1, address.host.size() - 2);
  } else if (address.host.find(':') != std::string::npos) {
    return bad();
  }
  unsigned port = 0;
  const char* end = address.port.data() + address.port.size();
  const auto parsed = std::from_chars(address.port.data(), end, port);
  if (address.host.empty() || parsed.ec != std::errc() || parsed.ptr != end || port > 65'535) {
    return bad();
  }
  return address;
}

Result<UniqueFd> Listen(const HostAndPort& address) {
  const std::string what = address.host + ":" + address.port;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &found);
  if (error != 0) {
    return Unavailable("listen on " + what + ": " + ::gai_strerror(error));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  Error last = Unavailable("listen on " + what + ": the name has no address");
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    UniqueFd fd(::socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                         one->ai_protocol));
    const int on = 1;
    if (!fd.valid() || ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        ::bind(fd.get(), one->ai_addr, one->ai_addrlen) != 0 || ::listen(fd.get(), kBacklog) != 0) {
      last = Errno("listen on", what);
      continue;
    }
    return fd;
  }
  return last;
}

Result<std::string> BoundAddress(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  auto* address = static_cast<sockaddr*>(static_cast<void*>(&storage));
  char host[NI_MAXHOST];
  char port[NI_MAXSERV];
  if (::getsockname(fd, address, &size) != 0 ||
      ::getnameinfo(address, size, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return Errno("read the address of", "a listening socket");
  }
  const std::string text(host);
  const bool ipv6 = text.find(':') != std::string::npos;
  return (ipv6 ? "[" + text + "]" : text) + ":" + std::string(port);
}

}  // namespace hnx::http
