// MirrorJson: /mirror.json of an index drive, the description of a mirror for readers who have only
// its key. It carries no signature of its own: it is part of the signed drive. Public keys in it
// are information; a verifier takes its keys from its user.
//
//   {"formatVersion":1,
//    "upstream":"https://cache.nixos.org",
//    "upstreams":["https://cache.nixos.org","https://cache.example.org"],   when there are several
//    "publicKeys":["cache.nixos.org-1:..."],
//    "shards":[{"id":"<z-base-32>","key":"<hex>","contentKey":"<hex>","length":N,"bytes":N}],
//    "predecessor":"<hex>"|null,"successor":"<hex>"|null,
//    "oldestVersionServed":N}
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "hyper/drive/drive_key.h"

namespace hnx::mirror {

inline constexpr std::uint64_t kMirrorFormatVersion = 1;
inline constexpr std::size_t kMirrorJsonBytesMax = std::size_t{16} << 20;
inline constexpr std::size_t kMirrorShardsMax = 65'536;

struct MirrorShard {
  hyper::DriveKey key;
  hyper::DriveKey content_key;
  std::uint64_t length = 0;  // of the shard's db core when this was published
  std::uint64_t bytes = 0;   // of its content

  bool operator==(const MirrorShard&) const = default;
};

struct MirrorJson {
  std::string upstream;                // the preferred one
  std::vector<std::string> upstreams;  // all, when there are several; else empty
  std::vector<std::string> public_keys;
  std::vector<MirrorShard> shards;
  std::optional<hyper::DriveKey> predecessor;
  std::optional<hyper::DriveKey> successor;
  std::uint64_t oldest_version_served = 0;

  // kInvalidArgument: malformed, another format version, a shard whose id and key disagree or that
  // is listed twice. Unknown fields are ignored.
  static Result<MirrorJson> Parse(std::string_view text);
  // Ends with a newline; the same value gives the same bytes.
  std::string Serialize() const;

  bool operator==(const MirrorJson&) const = default;
};

}  // namespace hnx::mirror
