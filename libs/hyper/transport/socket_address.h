// SocketAddress: an IPv4 or IPv6 address with a port, and its text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <sys/socket.h>

#include "base/bytes.h"
#include "base/result.h"

namespace hnx::hyper {

struct HostPort {
  std::string host;  // without brackets
  std::string port;
};
// "peer.example:4711", "192.0.2.1:4711", "[2001:db8::1]:4711"; kInvalidArgument says what is
// expected.
Result<HostPort> ParseHostPort(std::string_view text);

class SocketAddress {
 public:
  // From the system; kInvalidArgument for another family.
  static Result<SocketAddress> From(const sockaddr* address);
  // From numbers only: no name is looked up.
  static Result<SocketAddress> Parse(std::string_view host_and_port);
  // 4 or 16 bytes.
  static SocketAddress FromBytes(ByteView address, std::uint16_t port);

  const sockaddr* get() const;
  std::uint16_t port() const;
  // "192.0.2.1:4711", "[2001:db8::1]:4711"
  std::string ToText() const;
  // Whom limits by address count as one: an IPv4 address, or the /64 of an IPv6 one, which a single
  // machine may fill.
  std::string LimitKey() const;

 private:
  SocketAddress() = default;

  sockaddr_storage storage_{};
};

}  // namespace hnx::hyper
