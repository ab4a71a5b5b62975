// Route: which request paths exist. The grammar is closed: what does not match exactly is refused
// before any drive is asked, so no path from outside ever becomes part of a name that we look up
// unless each of its parts is a safe name (mirror/index_layout.h). Paths are not decoded: none of
// ours needs escapes, so `%2e%2e` matches nothing.
#pragma once

#include <string_view>

namespace hnx::gateway {

enum class RouteKind {
  kCacheInfo,     // /nix-cache-info
  kNarInfo,       // /<hash>.narinfo
  kNar,           // /nar/<file>
  kChannel,       // /channels/<channel>, /<channel>
  kChannelEntry,  // /channels/<channel>/<release or file or "latest">, /<channel>/<file>
  kReleaseFile,   // /channels/<channel>/<release>/<file>
  kMirrorFile,    // /mirror.json, /README.txt
  kHealth,        // /metrics, /healthz, /readyz
  kPage,          // /
  kNotServed,     // kinds of object that other caches have: .ls, log, realisations, debuginfo, ...
  kBad,           // nothing that a client of ours would ask for
};

struct Route {
  RouteKind kind = RouteKind::kBad;
  // Views into the path: the hash, the file, or the channel, then the release, then the file.
  std::string_view first{};
  std::string_view second{};
  std::string_view third{};
};

Route ParseRoute(std::string_view path);

// For metrics and logs: "narinfo", "nar", ...
std::string_view RouteName(RouteKind kind);
inline constexpr int kRouteKinds = static_cast<int>(RouteKind::kBad) + 1;

}  // namespace hnx::gateway
