#include "worker/shard/shard_entry.h"

#include <algorithm>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "mirror/index_layout.h"

namespace hnx::worker {
namespace {

Result<nix::Sha256Digest> DigestField(const nlohmann::json& object, const char* field) {
  const auto found = object.find(field);
  if (found == object.end() || !found->is_string()) {
    return DataLoss(fmt::format("no \"{}\" in the metadata", field));
  }
  HNX_ASSIGN_OR_RETURN(const nix::Hash hash, nix::Hash::Parse(found->get<std::string>()));
  return Sha256DigestOf(hash);
}

}  // namespace

Result<nix::Sha256Digest> Sha256DigestOf(const nix::Hash& hash) {
  nix::Sha256Digest digest{};
  if (hash.algorithm() != nix::HashAlgorithm::kSha256) {
    return InvalidArgument(fmt::format("hash {}: want sha256", hash.ToNix32()));
  }
  std::copy(hash.bytes().begin(), hash.bytes().end(), digest.begin());
  return digest;
}

std::string ShardMetadataJson(const ShardEntry& entry) {
  nlohmann::ordered_json json;
  json["narHash"] = nix::Hash::FromSha256(entry.nar_hash).ToNix32();
  json["narSize"] = entry.nar_size;
  json["fileHash"] = nix::Hash::FromSha256(entry.file_hash).ToNix32();
  if (entry.file_hash_drift) {
    json["fileHashDrift"] = true;
  }
  return json.dump();
}

Result<ShardEntry> ShardEntryOf(const hyper::DriveEntry& entry) {
  const std::string prefix = std::string(mirror::kNarFolder) + "/";
  const auto json = nlohmann::json::parse(entry.metadata_json, nullptr, false);
  if (!entry.path.starts_with(prefix) || !entry.blob || !json.is_object()) {
    return DataLoss(fmt::format("entry {}: not a NAR stored by a worker", entry.path));
  }
  ShardEntry shard_entry;
  shard_entry.file = entry.path.substr(prefix.size());
  shard_entry.blob = *entry.blob;
  HNX_ASSIGN_OR_RETURN(shard_entry.nar_hash, DigestField(json, "narHash"));
  HNX_ASSIGN_OR_RETURN(shard_entry.file_hash, DigestField(json, "fileHash"));
  const auto size = json.find("narSize");
  if (size == json.end() || !size->is_number_unsigned()) {
    return DataLoss(fmt::format("entry {}: no \"narSize\" in the metadata", entry.path));
  }
  shard_entry.nar_size = size->get<std::uint64_t>();
  shard_entry.file_hash_drift = json.value("fileHashDrift", false);
  return shard_entry;
}

}  // namespace hnx::worker
