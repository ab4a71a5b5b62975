#include "hyper/transport/socket_address.h"

#include <array>
#include <charconv>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/check.h"
#include "base/hex.h"

namespace hnx::hyper {
namespace {

Error BadAddress(std::string_view text) {
  return InvalidArgument("address '" + std::string(text) +
                         "': expected HOST:PORT, an IPv6 address in brackets");
}

const sockaddr_in& AsIpv4(const sockaddr_storage& storage) {
  return reinterpret_cast<const sockaddr_in&>(storage);
}
const sockaddr_in6& AsIpv6(const sockaddr_storage& storage) {
  return reinterpret_cast<const sockaddr_in6&>(storage);
}

}  // namespace

Result<HostPort> ParseHostPort(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == text.size()) {
    return BadAddress(text);
  }
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  if (host.front() == '[') {
    if (host.size() < 3 || host.back() != ']') {
      return BadAddress(text);
    }
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return BadAddress(text);
  }
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(port.begin(), port.end(), number);
  if (error != std::errc() || end != port.end()) {
    return BadAddress(text);
  }
  return HostPort{std::string(host), std::string(port)};
}

Result<SocketAddress> SocketAddress::From(const sockaddr* address) {
  SocketAddress result;
  if (address->sa_family == AF_INET) {
    std::memcpy(&result.storage_, address, sizeof(sockaddr_in));
  } else if (address->sa_family == AF_INET6) {
    std::memcpy(&result.storage_, address, sizeof(sockaddr_in6));
  } else {
    return InvalidArgument("socket address of family " + std::to_string(address->sa_family));
  }
  return result;
}

Result<SocketAddress> SocketAddress::Parse(std::string_view host_and_port) {
  HNX_ASSIGN_OR_RETURN(const HostPort parts, ParseHostPort(host_and_port));
  const auto port = static_cast<std::uint16_t>(std::stoul(parts.port));
  std::array<std::byte, 16> bytes{};
  if (::inet_pton(AF_INET, parts.host.c_str(), bytes.data()) == 1) {
    return FromBytes(ByteView(bytes).first(4), port);
  }
  if (::inet_pton(AF_INET6, parts.host.c_str(), bytes.data()) == 1) {
    return FromBytes(bytes, port);
  }
  return InvalidArgument("address '" + std::string(host_and_port) + "': not in numbers");
}

SocketAddress SocketAddress::FromBytes(ByteView address, std::uint16_t port) {
  SocketAddress result;
  if (address.size() == 4) {
    auto& ipv4 = reinterpret_cast<sockaddr_in&>(result.storage_);
    ipv4.sin_family = AF_INET;
    ipv4.sin_port = htons(port);
    std::memcpy(&ipv4.sin_addr, address.data(), address.size());
  } else {
    HNX_CHECK(address.size() == 16);
    auto& ipv6 = reinterpret_cast<sockaddr_in6&>(result.storage_);
    ipv6.sin6_family = AF_INET6;
    ipv6.sin6_port = htons(port);
    std::memcpy(&ipv6.sin6_addr, address.data(), address.size());
  }
  return result;
}

const sockaddr* SocketAddress::get() const {
  return reinterpret_cast<const sockaddr*>(&storage_);
}

std::uint16_t SocketAddress::port() const {
  return storage_.ss_family == AF_INET ? ntohs(AsIpv4(storage_).sin_port)
                                       : ntohs(AsIpv6(storage_).sin6_port);
}

std::string SocketAddress::ToText() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (storage_.ss_family == AF_INET) {
    (void)::inet_ntop(AF_INET, &AsIpv4(storage_).sin_addr, text.data(), text.size());
    return std::string(text.data()) + ":" + std::to_string(port());
  }
  (void)::inet_ntop(AF_INET6, &AsIpv6(storage_).sin6_addr, text.data(), text.size());
  return "[" + std::string(text.data()) + "]:" + std::to_string(port());
}

std::string SocketAddress::LimitKey() const {
  if (storage_.ss_family == AF_INET) {
    return EncodeHex(std::as_bytes(std::span(&AsIpv4(storage_).sin_addr, 1)));
  }
  const in6_addr& address = AsIpv6(storage_).sin6_addr;
  const ByteView bytes = std::as_bytes(std::span(&address, 1));
  // ::ffff:a.b.c.d, what an IPv4 peer looks like on an IPv6 socket
  return EncodeHex(IN6_IS_ADDR_V4MAPPED(&address) ? bytes.last(4) : bytes.first(8));
}

}  // namespace hnx::hyper
