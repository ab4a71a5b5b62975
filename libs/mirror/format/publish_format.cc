#include "mirror/format/publish_format.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/hex.h"

namespace hnx::mirror {

std::string DriveIdOf(ByteView key) {
  constexpr std::string_view kAlphabet = "ybndrfg8ejkmcpqxot1uwisza345h769";
  constexpr unsigned kBits = 5;
  constexpr unsigned kByteBits = 8;
  std::string id;
  std::uint32_t buffer = 0;
  unsigned bits = 0;
  for (const std::byte byte : key) {
    buffer = (buffer << kByteBits) | std::to_integer<std::uint32_t>(byte);
    bits += kByteBits;
    while (bits >= kBits) {
      bits -= kBits;
      id += kAlphabet[(buffer >> bits) & 31U];
    }
    buffer &= (1U << bits) - 1U;
  }
  if (bits > 0) {
    id += kAlphabet[(buffer << (kBits - bits)) & 31U];
  }
  return id;
}

std::string LinknameOf(std::string_view shard_id, std::string_view file) {
  return fmt::format("../../{}/nar/{}", shard_id, file);
}

std::string LinkMetadata(std::uint64_t byte_offset, std::uint64_t block_offset,
                         std::uint64_t block_length, std::uint64_t byte_length) {
  return fmt::format(
      R"({{"blob":{{"byteOffset":{},"blockOffset":{},"blockLength":{},"byteLength":{}}}}})",
      byte_offset, block_offset, block_length, byte_length);
}

std::string MirrorJsonText(std::span<const std::string> upstreams,
                           std::span<const std::string> public_keys,
                           std::span<const PublishedShard> shards, ByteView predecessor) {
  using Json = nlohmann::ordered_json;
  Json json;
  json["formatVersion"] = 1;
  // What readers knew when there was one.
  json["upstream"] = upstreams.front();
  if (upstreams.size() > 1) {
    json["upstreams"] = Json::array();
    for (const std::string& upstream : upstreams) {
      json["upstreams"].push_back(upstream);
    }
  }
  json["publicKeys"] = Json::array();
  for (const std::string& key : public_keys) {
    json["publicKeys"].push_back(key);
  }
  json["shards"] = Json::array();
  for (const PublishedShard& shard : shards) {
    Json item;
    item["id"] = DriveIdOf(shard.key);
    item["key"] = EncodeHex(shard.key);
    item["contentKey"] = EncodeHex(shard.content_key);
    item["length"] = shard.length;
    item["bytes"] = shard.bytes;
    json["shards"].push_back(std::move(item));
  }
  json["predecessor"] = nullptr;
  if (!predecessor.empty()) {
    json["predecessor"] = EncodeHex(predecessor);
  }
  json["successor"] = nullptr;
  json["oldestVersionServed"] = 0;
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace hnx::mirror
