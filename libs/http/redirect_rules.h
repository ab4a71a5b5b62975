// Where a redirect may lead (an upstream, or whoever sits between, must not make the mirror read
// from inside the operator's network). Pure checks, no I/O.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <sys/socket.h>

#include "base/result.h"

namespace hnx::http {

struct UrlParts {
  std::string scheme;  // lower case
  std::string host;    // lower case, without port, IPv6 without brackets
  unsigned port = 0;   // the scheme's when none is said
};
// kInvalidArgument: not an absolute http or https URL, or one with a user name or password.
Result<UrlParts> ParseHttpUrl(const std::string& url);

// Whether `listed` ("cache.example.org" or "cache.example.org:8443", any case; IPv6 in brackets)
// allows `to`. Without a port it allows that of `from` and the scheme's own: a server that may be
// read on one port has others that are not for us.
bool IsListedHost(const UrlParts& to, const std::string& listed, const UrlParts& from);

// kInvalidArgument unless `to` is http or https, not a step from https to http, and leads to the
// host and port of `from` (also from the default port of http to that of https) or to one of
// `hosts`.
Result<void> CheckRedirect(const std::string& from, const std::string& to,
                           const std::vector<std::string>& hosts);

// Loopback, private, link-local, shared (100.64/10), unspecified, multicast and their IPv6
// counterparts, IPv4-mapped ones included. Families other than IPv4 and IPv6 count as private.
bool IsPrivateAddress(const sockaddr& address);
// The same for a literal, as curl reports the peer's address. What is no address is private.
bool IsPrivateAddress(const std::string& literal);

// "192.0.2.1", for errors.
std::string AddressText(const sockaddr& address);

}  // namespace hnx::http
