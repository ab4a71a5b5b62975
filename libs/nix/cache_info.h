// CacheInfo: the file /nix-cache-info of a binary cache. docs/formats/nix-cache-info.md.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hnx::nix {

constexpr std::size_t kCacheInfoSizeMax = std::size_t{64} << 10;

struct CacheInfo {
  bool want_mass_query = false;
  // Lower is asked first; absent counts as 0 for clients.
  std::optional<int> priority;

  // kInvalidArgument, reason cache-info-invalid, for an upstream that must not be used: no
  // StoreDir, another one than /nix/store, an unreadable Priority, HTML.
  static Result<CacheInfo> Parse(std::string_view text);
  // What a substituter answers.
  std::string Render() const;
};

}  // namespace hnx::nix
