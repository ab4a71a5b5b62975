// LostShards: shards whose writer lost them, read from whoever else has a part: caches of gateways,
// people who re-seed. Which peers there are is the node's business (--peer, the swarm, whoever
// dialled this worker).
//
//   lost-shards/<id>/     what came of one, until it is stored in a shard of this worker's
//
// The folder is emptied at each start: nothing counts there.
//
// Threads: any.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "hyper/blobs/blob_id.h"
#include "hyper/drive/drive_key.h"
#include "hyper/node/remote_drive.h"
#include "worker/nar_unit.h"

namespace hnx::worker {

// Open at once; the one that was used least recently is closed for another.
inline constexpr std::size_t kLostShardsMax = 8;
// For somebody who has the shard at all, and the blob, to be found.
inline constexpr std::chrono::milliseconds kFindLostMax{10'000};
// When nobody was found, nobody is looked for again so soon.
inline constexpr std::chrono::milliseconds kLookAgainAfter{60'000};

class LostShards {
 public:
  using Open = std::function<Result<std::shared_ptr<hyper::RemoteDrive>>(
      const hyper::DriveKey&, hyper::RemoteDriveOptions)>;

  LostShards(std::filesystem::path folder, Open open, const Clock& clock = Clock::Real());

  // The shard, when somebody says that he has all of the blob. kUnavailable: nobody is known who
  // does. Waits up to kFindLostMax.
  Result<std::shared_ptr<hyper::RemoteDrive>> Find(
      const LostPlace& place, const std::shared_ptr<hyper::Cancellation>& cancellation)
      HNX_EXCLUDES(mutex_);
  // Its bytes are not needed here any more.
  static void GiveBack(hyper::RemoteDrive& shard, const hyper::BlobId& blob);

 private:
  struct Shard {
    std::shared_ptr<hyper::RemoteDrive> drive;
    Clock::SteadyTime nobody_until{};
    std::list<hyper::DriveKey>::iterator use;
  };

  Result<std::shared_ptr<hyper::RemoteDrive>> DriveOf(const hyper::DriveKey& key)
      HNX_EXCLUDES(mutex_);
  void CloseOldest() HNX_REQUIRES(mutex_);
  void NobodyHas(const hyper::DriveKey& key) HNX_EXCLUDES(mutex_);

  const std::filesystem::path folder_;
  const Open open_;
  const Clock& clock_;
  Mutex mutex_;
  std::map<hyper::DriveKey, Shard> shards_ HNX_GUARDED_BY(mutex_);
  std::list<hyper::DriveKey> uses_ HNX_GUARDED_BY(mutex_);  // least recently used first
};

}  // namespace hnx::worker
