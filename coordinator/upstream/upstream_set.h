// UpstreamSet: the binary caches that a mirror is made from, in the order in which they are asked,
// each with the keys whose signatures are believed of it. Read from the values of --upstream, which
// are spelled like the store URLs of Nix:
//
//   https://cache.nixos.org
//   https://cache.example.org?trusted-public-keys=cache.example.org-1:abc...=&priority=30
//
//   trusted-public-keys   NAME:BASE64, several separated by blanks (%20) or the parameter given
//                         again; for this upstream only, in addition to --trusted-public-keys
//   priority              lower ones are asked first, as Nix does; for all upstreams or for none.
//                         Without it the order in which they are given counts.
//
// The Priority that a cache's nix-cache-info states is not asked: it may change at any time and is
// not known while the cache is away, so the order would depend on who answers when.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "nix/trusted_keys.h"

namespace hnx::coordinator {

inline constexpr std::size_t kUpstreamsMax = 16;
// Of all upstreams together; readers of /mirror.json take no more.
inline constexpr std::size_t kPublicKeysMax = 64;

struct Upstream {
  std::string url;  // without parameters and trailing slash; http, https or file
  int priority = 0;
  std::vector<std::string> own_keys;  // of its trusted-public-keys
  nix::TrustedKeys keys;              // those and the ones of all upstreams
};

class UpstreamSet {
 public:
  // kInvalidArgument: none or more than kUpstreamsMax, one given twice, a URL that is not one of a
  // cache, an unknown or malformed parameter, some with a priority and some without, a key that is
  // none, more than kPublicKeysMax, or one name for two keys (also at different upstreams: clients
  // know one key a name).
  static Result<UpstreamSet> Parse(std::span<const std::string> specifications,
                                   std::span<const std::string> keys_for_all);

  // At least one; the preferred one first.
  const std::vector<Upstream>& upstreams() const { return upstreams_; }
  const std::string& preferred_url() const { return upstreams_.front().url; }
  std::vector<std::string> urls() const;
  // What a client of the mirror has to trust: the keys of all upstreams, each once.
  const std::vector<std::string>& all_public_keys() const { return all_public_keys_; }
  const nix::TrustedKeys& all_keys() const { return all_keys_; }

 private:
  std::vector<Upstream> upstreams_;
  std::vector<std::string> all_public_keys_;
  nix::TrustedKeys all_keys_;
};

}  // namespace hnx::coordinator
