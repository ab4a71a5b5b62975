// ShardWriter: the append thread of one shard. NARs come through a bounded queue and become durable
// in groups; what is durable stands in the ledger until the coordinator recorded it.
//
// A group is committed when it is large, old, or many (kCommit...), when the pipeline ran dry
// (CommitSoon), and at the end. A streamed NAR belongs to one caller at a time (TryReserve); whole
// NARs go to writers that are not reserved.
//
// All methods are thread-safe. Errors of the drive fail the NARs concerned through NarOutcomes.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "hyper/drive/drive_key.h"
#include "worker/data_directory.h"
#include "worker/metrics.h"
#include "worker/nar_unit.h"
#include "worker/peers/drive_heads.h"
#include "worker/pipeline/byte_budget.h"
#include "worker/shard/shard_drive.h"
#include "worker/shard/shard_ledger.h"

namespace hnx::worker {

inline constexpr std::uint64_t kShardSizeMaxDefault = std::uint64_t{64} << 30;
// Bytes that wait for one append thread.
inline constexpr std::uint64_t kShardQueueBytesMax = std::uint64_t{4} << 20;
inline constexpr std::uint64_t kCommitBytesMax = std::uint64_t{64} << 20;
inline constexpr std::size_t kCommitNarsMax = 512;
inline constexpr std::chrono::milliseconds kCommitDelayMax{1000};

// What a shard is and has, for the coordinator.
struct ShardState {
  std::optional<hyper::DriveKey> key;  // none: not made yet, or not read
  // Its folder is there, and it is not open yet or cannot be read.
  std::optional<hyper::DriveKey> unread;
  std::optional<hyper::DriveKey> content_key;
  hyper::DriveHead head;
  std::optional<hyper::DriveHead> base;
  std::vector<ShardEntry> entries;
  // Block offsets of blobs that were cleared as the coordinator asked and that it still asks for.
  std::vector<std::uint64_t> cleared;
  ShardLedger::Standing standing = ShardLedger::Standing::kUnconfirmed;
  bool sealed = false;
};

// What several writers share; must outlive them.
struct ShardEnvironment {
  DataDirectory& data;
  NarOutcomes& outcomes;
  Metrics& metrics;
  std::uint64_t shard_size_max = kShardSizeMaxDefault;
  // Something durable is there to be reported.
  std::function<void()> on_committed;
  // There is room in the queue again.
  std::function<void()> on_room;
  // Told of every head; may be null.
  DriveHeads* heads = nullptr;
};

class ShardWriter {
 public:
  // Without a key the drive is made by the thread, at its first NAR.
  ShardWriter(ShardEnvironment& environment, std::optional<hyper::DriveKey> key);
  ~ShardWriter();
  ShardWriter(const ShardWriter&) = delete;
  ShardWriter& operator=(const ShardWriter&) = delete;
  ShardWriter(ShardWriter&&) = delete;
  ShardWriter& operator=(ShardWriter&&) = delete;

  // -- For the pipeline
  // Takes new NARs: confirmed, not sealed, not full, not stopping.
  bool Accepts() const HNX_EXCLUDES(mutex_);
  bool HasRoom() const HNX_EXCLUDES(mutex_);
  bool TryReserve() HNX_EXCLUDES(mutex_);
  bool reserved() const HNX_EXCLUDES(mutex_);
  void Unreserve() HNX_EXCLUDES(mutex_);
  // A whole, verified NAR. `entry` without blob.
  void PutNar(ShardEntry entry, std::vector<Chunk> chunks) HNX_EXCLUDES(mutex_);
  // A NAR in pieces, by whoever reserved the writer.
  void StreamChunk(const std::string& file, Chunk chunk) HNX_EXCLUDES(mutex_);
  void StreamFinish(ShardEntry entry) HNX_EXCLUDES(mutex_);
  void StreamAbort() HNX_EXCLUDES(mutex_);
  void CommitSoon() HNX_EXCLUDES(mutex_);

  // -- For the scrubber
  // Takes a NAR out that is damaged for good, as an order to drop it would; the coordinator hears
  // that it is gone. Returns before that is done. kFailedPrecondition: nothing may be appended to
  // this shard.
  Result<void> DropDamaged(const std::string& file) HNX_EXCLUDES(mutex_);

  // -- For the Synchronize loop
  ShardState State() const HNX_EXCLUDES(mutex_);
  // Its drive was read, or is yet to be made.
  bool readable() const HNX_EXCLUDES(mutex_);
  // False while it may hold NARs that the coordinator has not heard of: no work is taken until
  // then.
  bool Confirmed() const HNX_EXCLUDES(mutex_);
  std::size_t unrecorded() const HNX_EXCLUDES(mutex_);
  struct Verdict {
    hyper::DriveHead recorded;
    bool cut_tail = false;
    bool sealed = false;
    std::vector<std::string> drop_files;
    std::vector<std::string> delete_files;  // entries only
    std::vector<hyper::BlobId> clear_blobs;
  };
  void Apply(const Verdict& verdict) HNX_EXCLUDES(mutex_);
  // Not in the coordinator's answer.
  void Refuse(const std::string& why) HNX_EXCLUDES(mutex_);

  // Commits what is staged and verified, abandons a half-streamed NAR, ends the thread. Idempotent.
  void Stop() HNX_EXCLUDES(mutex_);

 private:
  struct Put {
    ShardEntry entry;
    std::vector<Chunk> chunks;
  };
  struct StreamPiece {
    std::string file;
    Chunk chunk;
  };
  struct StreamEnd {
    std::optional<ShardEntry> entry;  // none: refused, cut it off
  };
  struct ReadTail {};
  struct CutTail {
    hyper::DriveHead to;
  };
  struct DropFile {
    std::string file;
  };
  struct DeleteFiles {
    std::vector<std::string> files;
  };
  struct ClearBlobs {
    std::vector<hyper::BlobId> blobs;
  };
  using Item = std::variant<Put, StreamPiece, StreamEnd, ReadTail, CutTail, DropFile, DeleteFiles,
                            ClearBlobs>;

  void Push(Item item, std::uint64_t bytes) HNX_REQUIRES(mutex_);
  void Run();
  // Nothing: time to commit or to stop.
  std::optional<Item> Next() HNX_EXCLUDES(mutex_);
  void OpenAtStart();
  Result<ShardDrive*> Drive();
  void Handle(Put& put);
  void Handle(StreamPiece& piece);
  void Handle(StreamEnd& end);
  void Handle(ReadTail& command);
  void Handle(CutTail& command);
  void Handle(DropFile& command);
  // shard_retirement.cc
  void Handle(DeleteFiles& command);
  void Handle(ClearBlobs& command);
  void TakeRetirement(const Verdict& verdict) HNX_REQUIRES(mutex_);
  bool WasPutAgain(const std::string& file) const HNX_EXCLUDES(mutex_);
  bool CommitIsDue() const;
  void Commit();
  void CloseWhenDormant();
  void StagedOne();
  void TellHead() HNX_EXCLUDES(mutex_);
  // The batch is gone: its NARs and the one concerned fail.
  void FailStaged(const Error& error);
  void Fail(const ShardEntry& entry, const Error& error);
  bool IsUnrecorded(const ShardEntry& entry) const HNX_EXCLUDES(mutex_);
  void RefuseLocked(std::string why, std::vector<ShardEntry>* lost) HNX_REQUIRES(mutex_);
  void ReportLost(const std::vector<ShardEntry>& lost, const std::string& why);

  ShardEnvironment& environment_;
  // Of the thread alone.
  std::unique_ptr<ShardDrive> drive_;
  std::optional<Error> stream_error_;
  std::optional<Clock::SteadyTime> staged_since_;

  mutable Mutex mutex_;
  CondVar changed_;
  std::optional<hyper::DriveKey> key_ HNX_GUARDED_BY(mutex_);
  std::optional<hyper::DriveKey> content_key_ HNX_GUARDED_BY(mutex_);
  std::optional<ShardLedger> ledger_ HNX_GUARDED_BY(mutex_);
  std::deque<std::pair<Item, std::uint64_t>> queue_ HNX_GUARDED_BY(mutex_);
  std::uint64_t queued_bytes_ HNX_GUARDED_BY(mutex_) = 0;
  std::uint64_t size_bytes_ HNX_GUARDED_BY(mutex_) = 0;
  std::set<std::string> dropping_ HNX_GUARDED_BY(mutex_);
  std::set<std::string> deleting_ HNX_GUARDED_BY(mutex_);
  std::set<std::uint64_t> clearing_ HNX_GUARDED_BY(mutex_);  // by block offset
  std::set<std::uint64_t> cleared_ HNX_GUARDED_BY(mutex_);
  bool fresh_ HNX_GUARDED_BY(mutex_);
  bool broken_ HNX_GUARDED_BY(mutex_) = false;
  bool sealed_ HNX_GUARDED_BY(mutex_) = false;
  bool cutting_ HNX_GUARDED_BY(mutex_) = false;
  bool reserved_ HNX_GUARDED_BY(mutex_) = false;
  bool commit_soon_ HNX_GUARDED_BY(mutex_) = false;
  bool stop_ HNX_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace hnx::worker
