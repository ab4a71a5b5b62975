// What the coordinator writes into a mirror's index drive, as plain bytes and text: it decides what
// is published but knows nothing of drives, so these writers do without DriveKey. The readers are
// drive_link.h and mirror_json.h; a test holds both sides together.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace hnx::mirror {

// The key of a drive (32 bytes) as z-base-32: its id, the name of its folder in a mirror.
std::string DriveIdOf(ByteView key);

// "../../<shard id>/nar/<file>"
std::string LinknameOf(std::string_view shard_id, std::string_view file);

// Where the file lies in the shard's content core: the metadata of a link, a hint only.
std::string LinkMetadata(std::uint64_t byte_offset, std::uint64_t block_offset,
                         std::uint64_t block_length, std::uint64_t byte_length);

struct PublishedShard {
  Bytes key;
  Bytes content_key;
  std::uint64_t length = 0;  // of its db core
  std::uint64_t bytes = 0;   // of its content
};

// The text of /mirror.json (mirror_json.h); the same values give the same bytes. `upstreams`: at
// least one, the preferred one first. `predecessor`: the key of the mirror that this one replaces;
// empty: none.
std::string MirrorJsonText(std::span<const std::string> upstreams,
                           std::span<const std::string> public_keys,
                           std::span<const PublishedShard> shards, ByteView predecessor = {});

}  // namespace hnx::mirror
