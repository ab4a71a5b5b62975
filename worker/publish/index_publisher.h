// IndexPublisher: the one writer of the index drive. It appends the publish batches that the
// coordinator's log holds, one after the other, each onto exactly the head that was recorded before
// it.
//
// A drive that is longer than a batch's base carries a tail that was never accepted (a crash
// between commit and report): it is cut off and made again, which gives the same blocks. A drive
// that is shorter has lost accepted blocks: it is never appended to.
//
// A drive that is known to others beyond what the coordinator has recorded outlived the
// coordinator's database: nothing is cut or appended. When the drive grew out of what is recorded,
// the coordinator is told so, with what the drive says of its mirror, and takes it over.
//
// One thread owns the drive; State and Apply may be called from any.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/mutex.h"
#include "base/retry_policy.h"
#include "base/service.h"
#include "hyper/drive/corestore.h"
#include "hyper/drive/hyperdrive.h"
#include "mirror/published_index.h"
#include "worker/data_directory.h"
#include "worker/metrics.h"
#include "worker/peers/drive_heads.h"
#include "worker/recovery/index_recovery.h"
#include "worker/sync/lease_client.h"

namespace hnx::worker {

struct IndexState {
  hyper::DriveKey key;
  hyper::DriveKey content_key;
  hyper::DriveHead head;
  std::optional<hyper::DriveHead> base;
  std::uint64_t publish_batch = 0;
  std::uint64_t publish_plan = 0;  // of that batch, as its task said
  // What others may have; see IndexStart.
  DataDirectory::IndexLengths known;
  std::optional<std::uint64_t> accept_length;
  std::optional<hyper::DriveKey> predecessor;
  // While the coordinator's record is behind `known`, and `base` is that record.
  std::shared_ptr<const mirror::PublishedIndex> published;
};

class IndexPublisher final : public LoopService {
 public:
  // Opens the index drive that RecoverIndex left there. `heads` is told of every head.
  static Result<std::unique_ptr<IndexPublisher>> Open(DataDirectory& data, const IndexStart& start,
                                                      LeaseClient& coordinator, Metrics& metrics,
                                                      std::function<void()> changed,
                                                      DriveHeads* heads = nullptr);
  ~IndexPublisher() override;
  IndexPublisher(const IndexPublisher&) = delete;
  IndexPublisher& operator=(const IndexPublisher&) = delete;
  IndexPublisher(IndexPublisher&&) = delete;
  IndexPublisher& operator=(IndexPublisher&&) = delete;

  IndexState State() const HNX_EXCLUDES(mutex_);

  struct Task {
    std::uint64_t batch = 0;
    hyper::DriveHead base;
    std::uint64_t plan = 0;  // which planning of the batch it is
  };
  // The coordinator's answer. No task: nothing to append.
  void Apply(const hyper::DriveHead& recorded, bool cut_tail, const std::optional<Task>& task)
      HNX_EXCLUDES(mutex_);

  std::chrono::milliseconds RunOnce() override HNX_EXCLUDES(mutex_);

 private:
  IndexPublisher(std::unique_ptr<hyper::Corestore> store, std::unique_ptr<hyper::Hyperdrive> drive,
                 DataDirectory& data, DataDirectory::IndexLengths accepted, IndexStart start,
                 LeaseClient& coordinator, Metrics& metrics, std::function<void()> changed,
                 DriveHeads* heads);
  Result<void> NoteAccepted(DataDirectory::IndexLengths lengths) HNX_EXCLUDES(mutex_);
  Result<void> RunTask(const Task& task);
  void TellHead();
  Result<void> CutTo(const hyper::DriveHead& base);
  // Sees whether the drive grew out of what is recorded, and reads what it says of its mirror.
  Result<void> Compare(const hyper::DriveHead& recorded) HNX_EXCLUDES(mutex_);
  bool KnownBeyond(const hyper::DriveHead& recorded) const HNX_REQUIRES(mutex_);

  std::unique_ptr<hyper::Corestore> store_;
  std::unique_ptr<hyper::Hyperdrive> drive_;
  DataDirectory& data_;
  LeaseClient& coordinator_;
  Metrics& metrics_;
  const std::function<void()> changed_;
  DriveHeads* const heads_;                   // may be null
  IndexStart start_;                          // without the key
  std::optional<hyper::DriveHead> foreseen_;  // content alone, cut off and to be made again
  int failures_ = 0;
  std::mt19937_64 random_{std::random_device{}()};

  mutable Mutex mutex_;
  hyper::DriveHead head_ HNX_GUARDED_BY(mutex_);
  std::optional<hyper::DriveHead> base_ HNX_GUARDED_BY(mutex_);
  std::uint64_t publish_batch_ HNX_GUARDED_BY(mutex_) = 0;
  std::uint64_t publish_plan_ HNX_GUARDED_BY(mutex_) = 0;
  std::optional<Task> task_ HNX_GUARDED_BY(mutex_);
  std::optional<hyper::DriveHead> cut_to_ HNX_GUARDED_BY(mutex_);
  DataDirectory::IndexLengths accepted_ HNX_GUARDED_BY(mutex_);  // as the data directory has them
  std::optional<DataDirectory::IndexLengths> to_note_ HNX_GUARDED_BY(mutex_);
  // What is recorded while more is known: to be compared, and what was compared last.
  std::optional<hyper::DriveHead> to_compare_ HNX_GUARDED_BY(mutex_);
  std::optional<hyper::DriveHead> compared_ HNX_GUARDED_BY(mutex_);
  std::shared_ptr<const mirror::PublishedIndex> published_ HNX_GUARDED_BY(mutex_);
};

}  // namespace hnx::worker
