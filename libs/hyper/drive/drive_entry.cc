#include "hyper/drive/drive_entry.h"

#include <utility>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace hnx::hyper {

namespace {

using Json = nlohmann::ordered_json;

// Nesting costs the parser stack, so it is counted before.
bool DeeperThan(std::string_view json, int limit) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > limit) {
        return true;
      }
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

Result<Json> ParseJson(std::string_view text) {
  if (text.size() > kDriveEntryJsonBytesMax) {
    return InvalidArgument(fmt::format("{} bytes of JSON, more than the limit of {}", text.size(),
                                       kDriveEntryJsonBytesMax));
  }
  if (DeeperThan(text, kDriveEntryJsonDepthMax)) {
    return InvalidArgument(
        fmt::format("JSON nested deeper than {} levels", kDriveEntryJsonDepthMax));
  }
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) {
    return InvalidArgument("malformed JSON");
  }
  return json;
}

// Compact text. Strings of a parsed document are valid UTF-8; one that came by a C++ string may not
// be, and is refused rather than replaced.
Result<std::string> Dump(const Json& json) {
  try {
    return json.dump();
  } catch (const Json::exception& e) {
    return InvalidArgument(fmt::format("text that is not UTF-8: {}", e.what()));
  }
}

Result<std::uint64_t> Number(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number_integer() || *found < 0 ||
      found->get<std::uint64_t>() > kSafeIntegerMax) {
    return InvalidArgument(fmt::format("\"{}\" is no safe non-negative integer", name));
  }
  return found->get<std::uint64_t>();
}

Result<std::optional<BlobId>> DecodeBlob(const Json& entry) {
  const auto found = entry.find("blob");
  if (found == entry.end() || found->is_null()) {
    return std::optional<BlobId>();
  }
  if (!found->is_object()) {
    return InvalidArgument("\"blob\" is no object");
  }
  const auto block_map = found->find("blockMap");
  if (block_map != found->end() && *block_map != false && !block_map->is_null()) {
    return InvalidArgument("a deduplicated blob (blockMap), whose bytes lie in several places");
  }
  BlobId blob;
  HNX_ASSIGN_OR_RETURN(blob.block_offset, Number(*found, "blockOffset"));
  HNX_ASSIGN_OR_RETURN(blob.byte_offset, Number(*found, "byteOffset"));
  HNX_ASSIGN_OR_RETURN(blob.block_length, Number(*found, "blockLength"));
  HNX_ASSIGN_OR_RETURN(blob.byte_length, Number(*found, "byteLength"));
  return std::optional<BlobId>(blob);
}

}  // namespace

Result<std::string> EncodeDriveEntryJson(const DriveEntry& entry) {
  HNX_ASSIGN_OR_RETURN(Json metadata, ParseJson(entry.metadata_json));
  Json json;
  json["executable"] = entry.executable;
  json["linkname"] = entry.linkname ? Json(*entry.linkname) : Json(nullptr);
  if (entry.blob) {
    Json blob;
    blob["blockOffset"] = entry.blob->block_offset;
    blob["byteOffset"] = entry.blob->byte_offset;
    blob["blockLength"] = entry.blob->block_length;
    blob["byteLength"] = entry.blob->byte_length;
    json["blob"] = std::move(blob);
  } else {
    json["blob"] = nullptr;
  }
  json["metadata"] = std::move(metadata);
  return Dump(json);
}

Result<DriveEntry> DecodeDriveEntryJson(std::string path, ByteView json_bytes) {
  HNX_ASSIGN_OR_RETURN(const Json json, ParseJson(AsText(json_bytes)));
  if (!json.is_object()) {
    return InvalidArgument("no JSON object");
  }
  DriveEntry entry;
  entry.path = std::move(path);
  if (const auto found = json.find("executable"); found != json.end() && !found->is_null()) {
    if (!found->is_boolean()) {
      return InvalidArgument("\"executable\" is no boolean");
    }
    entry.executable = found->get<bool>();
  }
  if (const auto found = json.find("linkname"); found != json.end() && !found->is_null()) {
    if (!found->is_string()) {
      return InvalidArgument("\"linkname\" is no string");
    }
    entry.linkname = found->get<std::string>();
  }
  HNX_ASSIGN_OR_RETURN(entry.blob, DecodeBlob(json));
  if (const auto found = json.find("metadata"); found != json.end()) {
    HNX_ASSIGN_OR_RETURN(entry.metadata_json, Dump(*found));
  }
  return entry;
}

}  // namespace hnx::hyper
