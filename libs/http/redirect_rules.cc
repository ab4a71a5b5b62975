#include "http/redirect_rules.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>

#include "http/http_message.h"

namespace hnx::http {
namespace {

std::string TakePart(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (::curl_url_get(url, part, &text, 0) != CURLUE_OK) {
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
  return parts;
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
  const bool allowed = target->host == source.host ||
                       std::any_of(hosts.begin(), hosts.end(), [&](const std::string& host) {
                         return EqualsIgnoringCase(host, target->host);
                       });
  if (!allowed) {
    return InvalidArgument("redirect from " + from + " to " + to + ": host " + target->host +
                           " is not allowed");
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
