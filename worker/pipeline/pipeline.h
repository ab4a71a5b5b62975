// Pipeline: fetch -> hash, decompress, check -> append, for all NARs of the leased jobs at once.
//
//   fetcher's thread     puts bytes into tasks, pauses a transfer that is far ahead
//   decoding threads     one per core: take any task that has bytes; decoding is nearly all the
//   work append threads       one per shard (ShardWriter)
//
// A NAR of at most `whole_bytes_max` waits in memory until it is verified. A larger one goes piece
// by piece into the uncommitted tail of a shard reserved for it, and is cut off again when refused.
// Bytes in memory are bounded by the budget plus one window per transfer.
//
// A refused NAR is fetched anew as often as its reason allows (nix::RetriesMax), then reported.
// Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "worker/metrics.h"
#include "worker/pipeline/byte_budget.h"
#include "worker/pipeline/fetcher.h"
#include "worker/pipeline/nar_task.h"
#include "worker/shard/shard_set.h"

namespace hnx::worker {

inline constexpr std::uint64_t kWholeBytesMax = std::uint64_t{1} << 20;
// What one transfer may have waiting however full the budget is: without it a stream could starve.
inline constexpr std::uint64_t kTransferWindowMin = kWholeBytesMax + (std::uint64_t{64} << 10);
inline constexpr std::uint64_t kTransferWindowMax = std::uint64_t{6} << 20;
// Smaller pieces from the network are joined up to this size.
inline constexpr std::size_t kChunkBytes = std::size_t{64} << 10;

struct PipelineOptions {
  std::size_t decode_threads = 2;
  std::size_t transfers_max = 16;
  std::uint64_t memory_max = std::uint64_t{24} << 20;
  nix::DecompressorLimits decompressor;
};

class Pipeline {
 public:
  Pipeline(const PipelineOptions& options, Fetcher& fetcher, ShardSet& shards,
           NarOutcomes& outcomes, Metrics& metrics);
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;
  Pipeline(Pipeline&&) = delete;
  Pipeline& operator=(Pipeline&&) = delete;

  // In this order; verdicts come through NarOutcomes.
  void Begin(std::vector<NarUnit> units) HNX_EXCLUDES(mutex_);
  // No verdicts any more for this lease (what already waits to be appended is appended).
  void Drop(std::uint64_t job_id, std::uint32_t attempt) HNX_EXCLUDES(mutex_);
  // There is room in a shard's queue or in the budget again.
  void Pump() HNX_EXCLUDES(mutex_);
  // Abandons everything; when it returns no thread and no sink of it runs. Idempotent.
  void Stop() HNX_EXCLUDES(mutex_);

  bool idle() const HNX_EXCLUDES(mutex_);
  std::uint64_t queued_bytes() const { return budget_.used(); }

 private:
  class Sink;
  using Task = std::shared_ptr<NarTask>;

  // From the sinks.
  Result<http::DataVerdict> OnData(const Task& task, int generation, ByteView bytes)
      HNX_EXCLUDES(mutex_);
  void OnRestart(const Task& task, int generation) HNX_EXCLUDES(mutex_);
  void OnFetched(const Task& task, int generation, http::DownloadOutcome outcome)
      HNX_EXCLUDES(mutex_);

  void DecodeLoop();
  Task Pick() HNX_REQUIRES(mutex_);
  bool ReadyToGoOn(const NarTask& task) const HNX_REQUIRES(mutex_);
  bool TryOpen(NarTask& task) HNX_REQUIRES(mutex_);
  void Work(const Task& task) HNX_EXCLUDES(mutex_);
  Result<void> FeedChunks(NarTask& task) HNX_EXCLUDES(mutex_);
  Result<void> DecodeAndSend(NarTask& task, Chunk chunk, std::vector<Chunk>* kept);
  Result<void> Finish(NarTask& task, std::vector<Chunk> kept);
  void AbandonStream(NarTask& task);
  void EndWith(const Task& task, const Error& error) HNX_EXCLUDES(mutex_);
  void End(const Task& task) HNX_EXCLUDES(mutex_);
  void ClearBytes(NarTask& task) HNX_REQUIRES(mutex_);
  bool FarAhead(const NarTask& task) const HNX_REQUIRES(mutex_);

  const PipelineOptions options_;
  Fetcher& fetcher_;
  ShardSet& shards_;
  NarOutcomes& outcomes_;
  Metrics& metrics_;
  ByteBudget budget_;

  mutable Mutex mutex_;
  CondVar changed_;
  std::deque<Task> waiting_ HNX_GUARDED_BY(mutex_);
  std::list<Task> active_ HNX_GUARDED_BY(mutex_);
  std::size_t fetching_ HNX_GUARDED_BY(mutex_) = 0;
  std::size_t sinks_ HNX_GUARDED_BY(mutex_) = 0;
  bool stop_ HNX_GUARDED_BY(mutex_) = false;
  Mutex stop_mutex_;
  std::vector<std::thread> threads_ HNX_GUARDED_BY(stop_mutex_);
};

}  // namespace hnx::worker
