#include "hyp/drive_holder.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "mirror/index_layout.h"
#include "mirror/mirror_json.h"

namespace hnx::hyp {

namespace {

// Of the many drives that a seeder has open.
constexpr std::size_t kCacheBytesMax = std::size_t{1} << 20;

}  // namespace

Result<void> DriveHolder::Open(const hyper::DriveKey& key, bool is_shard) {
  if (drives_.contains(key)) {
    return {};
  }
  if (drives_.size() >= kHeldDrivesMax) {
    return ResourceExhausted(
        fmt::format("drive {}: {} drives are held already", key.id(), drives_.size()));
  }
  hyper::RemoteDriveOptions options;
  options.folder = folder_ / key.id();
  options.announce = announce_;
  options.cache_bytes_max = kCacheBytesMax;
  HNX_ASSIGN_OR_RETURN(auto drive, node_.OpenRemote(key, std::move(options)));
  if (whole_) {
    drive->SetKeep(hyper::RemoteDrive::Keep::kWhole);
  }
  drives_.emplace(key, Drive{std::move(drive), is_shard, 0});
  return {};
}

Result<void> DriveHolder::Add(const hyper::DriveKey& key) {
  return Open(key, false);
}

Result<void> DriveHolder::LookForShardsOf(Drive& drive, const hyper::ReadLimits& limits) {
  const std::uint64_t version = drive.drive->version();
  if (version == 0 || version == drive.shards_known_of_version) {
    return {};
  }
  HNX_ASSIGN_OR_RETURN(const auto view, drive.drive->View(limits));
  const auto text = view->ReadFile(mirror::kMirrorJsonPath, mirror::kMirrorJsonBytesMax);
  if (!text) {
    if (text.error().code != ErrorCode::kNotFound) {
      return text.error();
    }
    drive.shards_known_of_version = version;  // no mirror
    return {};
  }
  HNX_ASSIGN_OR_RETURN(const auto json, mirror::MirrorJson::Parse(AsText(*text)));
  for (const mirror::MirrorShard& shard : json.shards) {
    HNX_TRY(Open(shard.key, true));
  }
  drive.shards_known_of_version = view->version();
  return {};
}

std::vector<std::string> DriveHolder::LookForShards(const hyper::ReadLimits& limits) {
  std::vector<std::string> troubles;
  std::vector<Drive*> asked_for;
  for (auto& [key, drive] : drives_) {
    if (!drive.is_shard) {
      asked_for.push_back(&drive);
    }
  }
  for (Drive* const drive : asked_for) {
    if (const auto looked = LookForShardsOf(*drive, limits); !looked) {
      troubles.push_back(
          fmt::format("shards of {}: {}", drive->drive->key().id(), looked.error().message));
    }
  }
  return troubles;
}

std::vector<std::shared_ptr<hyper::RemoteDrive>> DriveHolder::drives() const {
  std::vector<std::shared_ptr<hyper::RemoteDrive>> all;
  for (const bool shards : {false, true}) {
    for (const auto& [key, drive] : drives_) {
      if (drive.is_shard == shards) {
        all.push_back(drive.drive);
      }
    }
  }
  return all;
}

Result<std::vector<HeldDrive>> DriveHolder::Status() {
  std::vector<HeldDrive> held;
  for (const auto& [key, drive] : drives_) {
    HNX_ASSIGN_OR_RETURN(const hyper::RemoteDriveStatus status, drive.drive->Status());
    HeldDrive one{.key = key, .is_shard = drive.is_shard};
    one.version = status.db.head.length;
    one.bytes_held = status.bytes_on_disk;
    one.peers = status.db.peers.size();
    one.frozen = status.db.frozen;
    const auto add = [&one](const hyper::RemoteCoreStatus& core) {
      one.blocks_held += core.contiguous_length;
      one.blocks_total += core.head.length;
      one.bytes_fetched += core.download.bytes_received;
      one.frozen = one.frozen || core.frozen;
    };
    add(status.db);
    if (status.content) {
      add(*status.content);
    } else if (one.version > 0) {
      ++one.blocks_total;  // at least; the content is not known yet
    }
    held.push_back(one);
  }
  return held;
}

}  // namespace hnx::hyp
