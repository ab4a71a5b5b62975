// CopySet: read-only copies of other workers' shards, kept whole and kept up. What is to be held
// comes from the coordinator (Want); blocks come from the peers that it names, each verified; what
// is held is served to peers like every other drive, also before the coordinator was heard of.
//
//   copies/<id>/      one sparse Hyperdrive store each, as in drives/, id in z-base-32
//
// A copy is whole at a version when every entry of that version, and every blob that these name, is
// durable here. Of the rest, what was deleted, the room is given back. A copy is never appended to,
// and never removed here.
//
// Threads: hnx-copies (RunOnce); the others may be called from any.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "base/service.h"
#include "hyper/drive/drive_key.h"
#include "hyper/node/remote_drive.h"
#include "worker/disk_space.h"
#include "worker/peers/peer_server.h"

namespace hnx::worker {

struct WantedCopy {
  hyper::DriveKey key;
  std::uint64_t version = 0;  // recorded
  std::uint64_t bytes = 0;    // of the content then
  std::vector<std::string> peers;
  std::uint64_t content_end = 0;  // in blocks: blobs that end beyond do not count; 0: all count
};

struct HeldCopy {
  hyper::DriveKey key;
  // Whole at this version; 0: at none so far, or not looked at since the worker was started.
  std::uint64_t version = 0;
  std::uint64_t content_length = 0;  // in blocks: where the last blob of that version ends
  std::uint64_t bytes_on_disk = 0;
};

class CopySet final : public LoopService {
 public:
  // Takes up what is in `folder`. `peers` and `disk` must outlive it. `on_held` is called when a
  // copy has become whole at a later version.
  static Result<std::unique_ptr<CopySet>> Open(PeerServer& peers, const DiskSpace& disk,
                                               std::filesystem::path folder,
                                               std::function<void()> on_held);
  ~CopySet() override;
  CopySet(const CopySet&) = delete;
  CopySet& operator=(const CopySet&) = delete;
  CopySet(CopySet&&) = delete;
  CopySet& operator=(CopySet&&) = delete;

  // The last answer counts. A copy that is not in it stays as it is.
  void Want(const std::vector<WantedCopy>& wanted) HNX_EXCLUDES(mutex_);
  std::vector<HeldCopy> Held() const HNX_EXCLUDES(mutex_);
  // Who has the shard, as the coordinator said last.
  std::vector<std::string> SourcesOf(const hyper::DriveKey& key) const HNX_EXCLUDES(mutex_);
  // Gives the room of a part of the content back that is damaged; the copy is not whole until that
  // was fetched again. kUnavailable: somebody is sending it.
  Result<void> Evict(const hyper::DriveKey& key, const hyper::BlobId& blob) HNX_EXCLUDES(mutex_);
  // Room that wanted copies will still take.
  std::uint64_t MissingBytes() const HNX_EXCLUDES(mutex_);

  std::chrono::milliseconds RunOnce() override;
  // Ends a wait for peers; before Stop.
  void Cancel() { cancellation_->Cancel(); }

 private:
  struct Copy {
    std::shared_ptr<hyper::RemoteDrive> drive;  // null: not open so far
    hyper::LiveVersion held;
    std::uint64_t bytes_on_disk = 0;
    std::uint64_t version_wanted = 0;
    std::uint64_t bytes_wanted = 0;
    std::uint64_t content_end = 0;
    std::vector<std::string> sources;
    std::optional<std::uint64_t> looked_at_end;  // content_end of `held`
    std::string last_trouble;
  };

  CopySet(PeerServer& peers, const DiskSpace& disk, std::filesystem::path folder,
          std::function<void()> on_held);
  std::vector<hyper::DriveKey> Keys() const HNX_EXCLUDES(mutex_);
  Result<std::shared_ptr<hyper::RemoteDrive>> DriveOf(const hyper::DriveKey& key)
      HNX_EXCLUDES(mutex_);
  // True: it is whole at a later version.
  Result<bool> BringUp(const hyper::DriveKey& key) HNX_EXCLUDES(mutex_);
  Result<void> CheckRoom(std::uint64_t bytes) const;
  void Told(const hyper::DriveKey& key, const Result<bool>& outcome) HNX_EXCLUDES(mutex_);

  PeerServer& peers_;
  const DiskSpace& disk_;
  const std::filesystem::path folder_;
  const std::function<void()> on_held_;
  const std::shared_ptr<hyper::Cancellation> cancellation_ =
      std::make_shared<hyper::Cancellation>();
  mutable Mutex mutex_;
  std::map<hyper::DriveKey, Copy> copies_ HNX_GUARDED_BY(mutex_);
};

}  // namespace hnx::worker
