// What the scrub of one drive works with; all outlives it.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "hyper/blobs/blob_id.h"
#include "hyper/drive/drive_key.h"
#include "hypercore_nixos/v1/coordinator.pb.h"
#include "worker/metrics.h"
#include "worker/scrub/block_source.h"
#include "worker/scrub/scrub_pace.h"
#include "worker/scrub/scrub_state.h"
#include "worker/sync/lease_client.h"

namespace hnx::worker {

struct ScrubbedDrive {
  enum class Kind { kShard, kCopy, kIndex };

  hyper::DriveKey key;
  Kind kind = Kind::kShard;
  std::filesystem::path folder;
};

// What could not be repaired.
struct GivenUp {
  std::string file;  // empty: no NAR
  std::string message;
};

struct ScrubParts {
  ScrubPace& pace;
  Metrics& metrics;
  LeaseClient& coordinator;
  std::string worker_id;
  // In this order.
  std::vector<BlockSource*> sources;
  // Takes a NAR out of a shard of our own that is damaged for good: its room is given back, its
  // entry deleted, and the coordinator has it brought back elsewhere. Again, until it is gone.
  std::function<Result<void>(const hyper::DriveKey& shard, const std::string& file)> drop;
  // Gives the room of a blob of a copy back, which is then fetched again.
  std::function<Result<void>(const hyper::DriveKey& shard, const hyper::BlobId& blob)> evict;
};

// What the coordinator says of files of a shard.
Result<hypercore_nixos::v1::ListShardFilesResponse> ListShardFiles(
    const ScrubParts& parts, const hyper::DriveKey& key, const std::string& after,
    const std::vector<std::string>& files, std::uint32_t files_max);

}  // namespace hnx::worker
