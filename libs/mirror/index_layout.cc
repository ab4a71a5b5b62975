#include "mirror/index_layout.h"

#include <algorithm>

#include <fmt/core.h>

namespace hnx::mirror {

std::string NarInfoPath(std::string_view store_path_hash) {
  return fmt::format("/{}{}", store_path_hash, kNarInfoSuffix);
}

std::string NarPath(std::string_view file) {
  return fmt::format("{}/{}", kNarFolder, file);
}

std::string ReleaseFilePath(std::string_view channel, std::string_view release,
                            std::string_view file) {
  return fmt::format("{}/{}/{}/{}", kChannelsFolder, channel, release, file);
}

std::string LatestPath(std::string_view channel) {
  return fmt::format("{}/{}/{}", kChannelsFolder, channel, kLatestFile);
}

bool IsSafeName(std::string_view name) {
  constexpr std::size_t kNameBytesMax = 255;
  constexpr std::string_view kOthers = "+-._?=";
  const auto is_safe = [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           kOthers.find(c) != std::string_view::npos;
  };
  return !name.empty() && name.size() <= kNameBytesMax && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), is_safe);
}

}  // namespace hnx::mirror
