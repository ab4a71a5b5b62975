// SparseCore: blocking reads, from any thread, of a core that is fetched on demand. A block that is
// here is read from disk on the loop's thread; any other is asked from peers and comes back when it
// is verified. What was fetched stays.
//
// Threads: any but the loop's, many at once; `downloader()` on the loop's thread only. Closed (on
// destruction) when no call is under way, while the loop runs.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "hyper/replication/blob_fetch.h"
#include "hyper/replication/replicator.h"
#include "hyper/transport/event_loop.h"

namespace hnx::hyper {

// How long the reads of this thread may wait, while the object lives; the narrowest one counts.
// Without any, a read waits kReadStallDefault for its next block.
inline constexpr std::chrono::milliseconds kReadStallDefault{30'000};

class ReadDeadline {
 public:
  ReadDeadline(const Clock& clock, std::chrono::milliseconds from_now);
  ~ReadDeadline();
  ReadDeadline(const ReadDeadline&) = delete;
  ReadDeadline& operator=(const ReadDeadline&) = delete;
  ReadDeadline(ReadDeadline&&) = delete;
  ReadDeadline& operator=(ReadDeadline&&) = delete;

  // What is left on this thread.
  static std::chrono::milliseconds Left(const Clock& clock);

 private:
  const ReadDeadline* const outer_;
  Clock::SteadyTime at_;
};

struct ReplicaPlace {
  EventLoop& loop;  // these two must outlive what is opened
  Replicator& replicator;
  std::filesystem::path store;  // the root: cores lie below it as in a Corestore
};

class SparseCore {
 public:
  // Makes the replica when there is none. One that the replicator has already is shared, and stays
  // while anyone uses it. Not on the loop's thread.
  static Result<std::unique_ptr<SparseCore>> Open(const ReplicaPlace& place, const CoreKey& key);
  ~SparseCore();
  SparseCore(const SparseCore&) = delete;
  SparseCore& operator=(const SparseCore&) = delete;
  SparseCore(SparseCore&&) = delete;
  SparseCore& operator=(SparseCore&&) = delete;

  const CoreKey& key() const { return key_; }
  // The longest verified, durable head.
  CoreHead head() const HNX_EXCLUDES(mutex_);
  // Waits until the head has `length` blocks. kDeadlineExceeded: nobody proved such a one in time.
  Result<CoreHead> WaitForLength(std::uint64_t length) HNX_EXCLUDES(mutex_);

  // kDeadlineExceeded names the block and how many peers there are. kOutOfRange cannot be told from
  // a block that nobody has yet: it is a deadline as well.
  Result<Bytes> Block(BlockIndex block, int priority = 1);
  // Streams a range of a blob in order while it arrives.
  Result<void> ReadBlob(const BlobRange& range, const std::function<Result<void>(ByteView)>& sink);

  // On the loop's thread.
  Downloader& downloader() { return *downloader_; }

 private:
  SparseCore(const ReplicaPlace& place, const CoreKey& key) : place_(place), key_(key) {}

  Result<void> OpenOnLoop();

  const ReplicaPlace place_;
  const CoreKey key_;
  Downloader* downloader_ = nullptr;
  Downloader::HeadWatch watch_ = 0;
  mutable Mutex mutex_;
  CondVar changed_;
  CoreHead head_ HNX_GUARDED_BY(mutex_);
};

}  // namespace hnx::hyper
