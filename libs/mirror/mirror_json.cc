#include "mirror/mirror_json.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "base/check.h"

namespace hnx::mirror {

namespace {

using Json = nlohmann::ordered_json;
using hyper::DriveKey;

constexpr std::uint64_t kSafeIntegerMax = (std::uint64_t{1} << 53) - 1;

Error Malformed(std::string_view what) {
  return InvalidArgument(fmt::format("mirror.json: {}", what));
}

Result<std::uint64_t> Number(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number_integer() || *found < 0 ||
      found->get<std::uint64_t>() > kSafeIntegerMax) {
    return Malformed(fmt::format("\"{}\" is no safe non-negative integer", name));
  }
  return found->get<std::uint64_t>();
}

Result<std::string> Text(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string()) {
    return Malformed(fmt::format("\"{}\" is no string", name));
  }
  return found->get<std::string>();
}

// A list of at most `count_max` items; missing is malformed.
Result<const Json*> List(const Json& object, const char* name, std::size_t count_max) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_array()) {
    return Malformed(fmt::format("\"{}\" is no list", name));
  }
  if (found->size() > count_max) {
    return Malformed(fmt::format("\"{}\" has more than {} items", name, count_max));
  }
  return &*found;
}

Result<std::vector<std::string>> Texts(const Json& object, const char* name,
                                       std::size_t count_max) {
  HNX_ASSIGN_OR_RETURN(const Json* list, List(object, name, count_max));
  std::vector<std::string> texts;
  for (const Json& item : *list) {
    if (!item.is_string()) {
      return Malformed(fmt::format("\"{}\" lists something that is no string", name));
    }
    texts.push_back(item.get<std::string>());
  }
  return texts;
}

Result<DriveKey> HexKey(const Json& object, const char* name) {
  HNX_ASSIGN_OR_RETURN(const std::string text, Text(object, name));
  if (text.size() != DriveKey::kHexChars) {
    return Malformed(fmt::format("\"{}\" is no key of 64 hex digits", name));
  }
  return DriveKey::Parse(text);
}

Result<std::optional<DriveKey>> OptionalKey(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || found->is_null()) {
    return std::optional<DriveKey>();
  }
  HNX_ASSIGN_OR_RETURN(const DriveKey key, HexKey(object, name));
  return std::optional<DriveKey>(key);
}

Result<MirrorShard> ParseShard(const Json& json) {
  if (!json.is_object()) {
    return Malformed("a shard is no object");
  }
  HNX_ASSIGN_OR_RETURN(const DriveKey key, HexKey(json, "key"));
  HNX_ASSIGN_OR_RETURN(const DriveKey content_key, HexKey(json, "contentKey"));
  HNX_ASSIGN_OR_RETURN(const std::string id, Text(json, "id"));
  if (id != key.id()) {
    return Malformed(fmt::format("shard {} has the key of {}", id, key.id()));
  }
  MirrorShard shard{key, content_key, 0, 0};
  HNX_ASSIGN_OR_RETURN(shard.length, Number(json, "length"));
  HNX_ASSIGN_OR_RETURN(shard.bytes, Number(json, "bytes"));
  return shard;
}

}  // namespace

Result<MirrorJson> MirrorJson::Parse(std::string_view text) {
  if (text.size() > kMirrorJsonBytesMax) {
    return Malformed(
        fmt::format("{} bytes, more than the limit of {}", text.size(), kMirrorJsonBytesMax));
  }
  // Nothing in it is nested deeper, so depth cannot cost the parser its stack.
  constexpr int kDepthMax = 16;
  const auto shallow = [](int depth, Json::parse_event_t, Json&) { return depth <= kDepthMax; };
  const Json json = Json::parse(text, shallow, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    return Malformed("no JSON object");
  }
  HNX_ASSIGN_OR_RETURN(const std::uint64_t version, Number(json, "formatVersion"));
  if (version != kMirrorFormatVersion) {
    return Malformed(
        fmt::format("format version {}, this program knows {}", version, kMirrorFormatVersion));
  }
  MirrorJson mirror;
  HNX_ASSIGN_OR_RETURN(mirror.upstream, Text(json, "upstream"));
  constexpr std::size_t kUpstreamsMax = 64;
  constexpr std::size_t kPublicKeysMax = 64;
  if (json.contains("upstreams")) {
    HNX_ASSIGN_OR_RETURN(mirror.upstreams, Texts(json, "upstreams", kUpstreamsMax));
  }
  HNX_ASSIGN_OR_RETURN(mirror.public_keys, Texts(json, "publicKeys", kPublicKeysMax));
  HNX_ASSIGN_OR_RETURN(const Json* shards, List(json, "shards", kMirrorShardsMax));
  std::set<DriveKey> seen;
  for (const Json& item : *shards) {
    HNX_ASSIGN_OR_RETURN(const MirrorShard shard, ParseShard(item));
    if (!seen.insert(shard.key).second) {
      return Malformed(fmt::format("shard {} is listed twice", shard.key.id()));
    }
    mirror.shards.push_back(shard);
  }
  HNX_ASSIGN_OR_RETURN(mirror.predecessor, OptionalKey(json, "predecessor"));
  HNX_ASSIGN_OR_RETURN(mirror.successor, OptionalKey(json, "successor"));
  HNX_ASSIGN_OR_RETURN(mirror.oldest_version_served, Number(json, "oldestVersionServed"));
  return mirror;
}

std::string MirrorJson::Serialize() const {
  HNX_CHECK(shards.size() <= kMirrorShardsMax);
  Json json;
  json["formatVersion"] = kMirrorFormatVersion;
  json["upstream"] = upstream;
  if (!upstreams.empty()) {
    json["upstreams"] = upstreams;
  }
  json["publicKeys"] = public_keys;
  Json list = Json::array();
  for (const MirrorShard& shard : shards) {
    Json item;
    item["id"] = shard.key.id();
    item["key"] = shard.key.hex();
    item["contentKey"] = shard.content_key.hex();
    item["length"] = shard.length;
    item["bytes"] = shard.bytes;
    list.push_back(std::move(item));
  }
  json["shards"] = std::move(list);
  json["predecessor"] = predecessor ? Json(predecessor->hex()) : Json(nullptr);
  json["successor"] = successor ? Json(successor->hex()) : Json(nullptr);
  json["oldestVersionServed"] = oldest_version_served;
  constexpr int kIndent = 1;
  return json.dump(kIndent, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace hnx::mirror
