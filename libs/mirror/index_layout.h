// Names of everything in a mirror's index drive and in its shards. The only place that spells them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace hnx::mirror {

inline constexpr std::string_view kCacheInfoPath = "/nix-cache-info";
inline constexpr std::string_view kMirrorJsonPath = "/mirror.json";
inline constexpr std::string_view kReadmePath = "/README.txt";
inline constexpr std::string_view kNarFolder = "/nar";
inline constexpr std::string_view kChannelsFolder = "/channels";
inline constexpr std::string_view kNarInfoSuffix = ".narinfo";

// Files of a release folder that we make; the others keep upstream's names.
inline constexpr std::string_view kManifestFile = "manifest.json";
inline constexpr std::string_view kListingFile = "listing.zst";
// In the channel's folder: one line, the name of the newest settled release.
inline constexpr std::string_view kLatestFile = "latest";

// "/<hash>.narinfo"; `store_path_hash` is the 32-character hash part.
std::string NarInfoPath(std::string_view store_path_hash);
// "/nar/<file>"
std::string NarPath(std::string_view file);
// "/channels/<channel>/<release>/<file>"
std::string ReleaseFilePath(std::string_view channel, std::string_view release,
                            std::string_view file);
// "/channels/<channel>/latest"
std::string LatestPath(std::string_view channel);
inline constexpr std::uint64_t kLatestFileBytesMax = 4096;

// A name that may stand as one part of a path above: 1 to 255 bytes out of [0-9A-Za-z+-._?=], not
// beginning with a dot. Everything that comes from outside passes it before it becomes part of a
// path.
bool IsSafeName(std::string_view name);

}  // namespace hnx::mirror
