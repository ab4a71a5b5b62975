#include "gateway/substituter/route.h"

#include <algorithm>
#include <array>

#include "mirror/index_layout.h"

namespace hnx::gateway {
namespace {

constexpr std::size_t kPathSizeMax = 1024;
constexpr std::size_t kHashSize = 32;
constexpr std::string_view kHashAlphabet = "0123456789abcdfghijklmnpqrsvwxyz";

bool IsHash(std::string_view text) {
  return text.size() == kHashSize &&
         text.find_first_not_of(kHashAlphabet) == std::string_view::npos;
}

bool EndsWith(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

// The parts between slashes; `count` is one more than fits when there are too many.
struct Parts {
  std::array<std::string_view, 4> part{};
  std::size_t count = 0;
};

Parts Split(std::string_view path) {
  Parts parts;
  while (parts.count <= parts.part.size()) {
    const auto slash = path.find('/');
    if (parts.count < parts.part.size()) {
      parts.part.at(parts.count) = path.substr(0, slash);
    }
    ++parts.count;
    if (slash == std::string_view::npos) {
      break;
    }
    path.remove_prefix(slash + 1);
  }
  return parts;
}

Route ParseTop(std::string_view name) {
  if (name == "nix-cache-info") {
    return {RouteKind::kCacheInfo};
  }
  if (EndsWith(name, mirror::kNarInfoSuffix)) {
    const auto hash = name.substr(0, name.size() - mirror::kNarInfoSuffix.size());
    return IsHash(hash) ? Route{RouteKind::kNarInfo, hash} : Route{RouteKind::kBad};
  }
  if (name == "mirror.json" || name == "README.txt") {
    return {RouteKind::kMirrorFile, name};
  }
  if (name == "metrics" || name == "healthz" || name == "readyz") {
    return {RouteKind::kHealth, name};
  }
  if (EndsWith(name, ".ls") && IsHash(name.substr(0, name.size() - 3))) {
    return {RouteKind::kNotServed};
  }
  if (name == "nar" || name == "channels") {
    return {};
  }
  return {RouteKind::kChannel, name};
}

bool IsForeignFolder(std::string_view name) {
  static constexpr std::array<std::string_view, 4> kFolders = {"log", "realisations", "debuginfo",
                                                               "build-trace-v2"};
  return std::find(kFolders.begin(), kFolders.end(), name) != kFolders.end();
}

}  // namespace

Route ParseRoute(std::string_view path) {
  if (path.empty() || path.front() != '/' || path.size() > kPathSizeMax) {
    return {};
  }
  path.remove_prefix(1);
  if (path.empty()) {
    return {RouteKind::kPage};
  }
  Parts parts = Split(path);
  const bool folder =
      parts.count > 1 && parts.count <= parts.part.size() && parts.part.at(parts.count - 1).empty();
  if (IsForeignFolder(parts.part[0]) && parts.count > 1) {
    return {RouteKind::kNotServed};
  }
  parts.count -= folder ? 1 : 0;
  if (parts.count > parts.part.size() ||
      !std::all_of(parts.part.begin(), parts.part.begin() + static_cast<long>(parts.count),
                   mirror::IsSafeName)) {
    return {};
  }
  const auto& part = parts.part;
  if (part[0] == "channels") {
    switch (parts.count) {
      case 2:
        return {RouteKind::kChannel, part[1]};
      case 3:
        return {RouteKind::kChannelEntry, part[1], part[2]};
      case 4:
        return folder ? Route{} : Route{RouteKind::kReleaseFile, part[1], part[2], part[3]};
      default:
        return {};
    }
  }
  if (parts.count == 1) {
    const Route route = ParseTop(part[0]);
    return folder && route.kind != RouteKind::kChannel ? Route{} : route;
  }
  if (parts.count != 2 || folder) {
    return {};
  }
  return part[0] == "nar" ? Route{RouteKind::kNar, part[1]}
                          : Route{RouteKind::kChannelEntry, part[0], part[1]};
}

std::string_view RouteName(RouteKind kind) {
  switch (kind) {
    case RouteKind::kCacheInfo:
      return "cache-info";
    case RouteKind::kNarInfo:
      return "narinfo";
    case RouteKind::kNar:
      return "nar";
    case RouteKind::kChannel:
    case RouteKind::kChannelEntry:
    case RouteKind::kReleaseFile:
      return "channel";
    case RouteKind::kMirrorFile:
      return "mirror-file";
    case RouteKind::kHealth:
      return "health";
    case RouteKind::kPage:
      return "page";
    case RouteKind::kNotServed:
      return "not-served";
    case RouteKind::kBad:
      break;
  }
  return "bad";
}

}  // namespace hnx::gateway
