#include "http/redirect_rules.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <memory>

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netdb.h>
#include <netinet/in.h>

#include "http/http_message.h"

namespace hnx::http {
namespace {

constexpr unsigned kHttpPort = 80;
constexpr unsigned kHttpsPort = 443;

unsigned DefaultPort(std::string_view scheme) {
  return scheme == "https" ? kHttpsPort : kHttpPort;
}

std::string TakePart(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (::curl_url_get(url, part, &text, flags) != CURLUE_OK) {
    return {};
  }
  std::string result(text);
  ::curl_free(text);
  std::transform(result.begin(), result.end(), result.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return result;
}

bool IsPrivateIpv4(std::uint32_t address) {  // host byte order
  struct Block {
    std::uint32_t prefix;
    int bits;
  };
  static constexpr std::array kBlocks = {
      Block{0x00000000, 8},   // "this network"
      Block{0x0A000000, 8},   // 10/8
      Block{0x64400000, 10},  // 100.64/10, carrier-grade NAT
      Block{0x7F000000, 8},   // loopback
      Block{0xA9FE0000, 16},  // link-local, cloud metadata
      Block{0xAC100000, 12},  // 172.16/12
      Block{0xC0000000, 24},  // 192.0.0/24
      Block{0xC0A80000, 16},  // 192.168/16
      Block{0xC6120000, 15},  // 198.18/15, benchmarking
      Block{0xE0000000, 3},   // multicast, reserved, broadcast
  };
  return std::any_of(kBlocks.begin(), kBlocks.end(), [address](const Block& block) {
    return (address >> (32 - block.bits)) == (block.prefix >> (32 - block.bits));
  });
}

bool IsPrivateIpv6(const in6_addr& address) {
  const auto& bytes = address.s6_addr;
  if (IN6_IS_ADDR_V4MAPPED(&address) || IN6_IS_ADDR_V4COMPAT(&address)) {
    std::uint32_t ipv4 = 0;
    std::memcpy(&ipv4, &bytes[12], sizeof(ipv4));
    return IsPrivateIpv4(ntohl(ipv4));
  }
  // What a translator makes of it: NAT64 (64:ff9b::/96) and 6to4 (2002::/16) carry an IPv4 address.
  static constexpr std::array<unsigned char, 12> kNat64{0x00, 0x64, 0xFF, 0x9B};
  const bool nat64 = std::equal(kNat64.begin(), kNat64.end(), std::begin(bytes));
  const bool six_to_four = bytes[0] == 0x20 && bytes[1] == 0x02;
  if (nat64 || six_to_four) {
    std::uint32_t ipv4 = 0;
    std::memcpy(&ipv4, &bytes[nat64 ? 12 : 2], sizeof(ipv4));
    return IsPrivateIpv4(ntohl(ipv4));
  }
  const bool unique_local = (bytes[0] & 0xFE) == 0xFC;
  return unique_local || IN6_IS_ADDR_LOOPBACK(&address) || IN6_IS_ADDR_UNSPECIFIED(&address) ||
         IN6_IS_ADDR_LINKLOCAL(&address) || IN6_IS_ADDR_SITELOCAL(&address) ||
         IN6_IS_ADDR_MULTICAST(&address);
}

}  // namespace

Result<UrlParts> ParseHttpUrl(const std::string& url) {
  const std::unique_ptr<CURLU, decltype(&::curl_url_cleanup)> handle(::curl_url(),
                                                                     &::curl_url_cleanup);
  if (handle == nullptr || ::curl_url_set(handle.get(), CURLUPART_URL, url.c_str(),
                                          CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) {
    return InvalidArgument("URL " + url + ": malformed");
  }
  UrlParts parts{TakePart(handle.get(), CURLUPART_SCHEME), TakePart(handle.get(), CURLUPART_HOST)};
  if (parts.scheme != "http" && parts.scheme != "https") {
    return InvalidArgument("URL " + url + ": only http and https are supported");
  }
  if (parts.host.empty()) {
    return InvalidArgument("URL " + url + ": has no host");
  }
  if (!TakePart(handle.get(), CURLUPART_USER).empty() ||
      !TakePart(handle.get(), CURLUPART_PASSWORD).empty()) {
    return InvalidArgument("URL with a user name or password is not supported");
  }
  if (parts.host.front() == '[' && parts.host.back() == ']') {
    parts.host = parts.host.substr(1, parts.host.size() - 2);
  }
  const std::string port = TakePart(handle.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
  (void)std::from_chars(port.data(), port.data() + port.size(), parts.port);
  return parts;
}

bool IsListedHost(const UrlParts& to, const std::string& listed, const UrlParts& from) {
  const auto colon = listed.rfind(':');
  const bool bracketed = !listed.empty() && listed.back() == ']';
  const bool has_port = colon != std::string::npos && !bracketed &&
                        (listed.front() == '[' || listed.find(':') == colon);
  std::string host = listed.substr(0, has_port ? colon : std::string::npos);
  if (!host.empty() && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  if (!EqualsIgnoringCase(host, to.host)) {
    return false;
  }
  return has_port ? listed.substr(colon + 1) == std::to_string(to.port)
                  : to.port == from.port || to.port == DefaultPort(to.scheme);
}

Result<void> CheckRedirect(const std::string& from, const std::string& to,
                           const std::vector<std::string>& hosts) {
  HNX_ASSIGN_OR_RETURN(const auto source, ParseHttpUrl(from));
  auto target = ParseHttpUrl(to);
  if (!target) {
    return target.error().Annotate("redirect from " + from);
  }
  if (source.scheme == "https" && target->scheme != "https") {
    return InvalidArgument("redirect from " + from + " to " + to + ": leaves https");
  }
  const bool at_home =
      target->host == source.host &&
      (target->port == source.port ||
       (source.port == DefaultPort(source.scheme) && target->port == DefaultPort(target->scheme)));
  const bool allowed =
      at_home || std::any_of(hosts.begin(), hosts.end(), [&](const std::string& host) {
        return IsListedHost(*target, host, source);
      });
  if (!allowed) {
    return InvalidArgument("redirect from " + from + " to " + to + ": " + target->host + ":" +
                           std::to_string(target->port) + " is not allowed");
  }
  return {};
}

bool IsPrivateAddress(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in ipv4{};
    std::memcpy(&ipv4, &address, sizeof(ipv4));
    return IsPrivateIpv4(ntohl(ipv4.sin_addr.s_addr));
  }
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 ipv6{};
    std::memcpy(&ipv6, &address, sizeof(ipv6));
    return IsPrivateIpv6(ipv6.sin6_addr);
  }
  return true;
}

std::string AddressText(const sockaddr& address) {
  char text[NI_MAXHOST] = "an address of another kind";
  const socklen_t size = address.sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  (void)::getnameinfo(&address, size, text, sizeof(text), nullptr, 0, NI_NUMERICHOST);
  return text;
}

bool IsPrivateAddress(const std::string& literal) {
  in_addr ipv4{};
  if (::inet_pton(AF_INET, literal.c_str(), &ipv4) == 1) {
    return IsPrivateIpv4(ntohl(ipv4.s_addr));
  }
  in6_addr ipv6{};
  if (::inet_pton(AF_INET6, literal.c_str(), &ipv6) == 1) {
    return IsPrivateIpv6(ipv6);
  }
  return true;
}

}  // namespace hnx::http
