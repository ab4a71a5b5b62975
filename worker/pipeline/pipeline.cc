#include "worker/pipeline/pipeline.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/service.h"
#include "http/redirect_rules.h"
#include "nix/reject_reason.h"

namespace hnx::worker {
namespace {

// A compressed file may be a little larger than what it holds; FileSize is unsigned.
std::uint64_t FileBytesMax(std::uint64_t nar_size) {
  constexpr std::uint64_t kSlackBytes = std::uint64_t{64} << 10;
  return nar_size + nar_size / 16 + kSlackBytes;
}

}  // namespace

// Takes what the fetcher brings for one fetch of one task.
class Pipeline::Sink final : public http::DownloadSink {
 public:
  Sink(Pipeline& pipeline, Task task, int generation)
      : pipeline_(pipeline), task_(std::move(task)), generation_(generation) {}

  Result<void> OnRestart() override {
    pipeline_.OnRestart(task_, generation_);
    return {};
  }
  Result<http::DataVerdict> OnData(ByteView chunk) override {
    return pipeline_.OnData(task_, generation_, chunk);
  }
  void OnDone(http::DownloadOutcome outcome) override {
    // The last touch of the pipeline, which may be waiting for it in Stop.
    pipeline_.OnFetched(std::exchange(task_, nullptr), generation_, std::move(outcome));
  }

 private:
  Pipeline& pipeline_;
  Task task_;
  const int generation_;
};

Pipeline::Pipeline(const PipelineOptions& options, Fetcher& fetcher, ShardSet& shards,
                   NarOutcomes& outcomes, Metrics& metrics)
    : options_(options),
      fetcher_(fetcher),
      shards_(shards),
      outcomes_(outcomes),
      metrics_(metrics),
      budget_(options.memory_max) {
  MutexLock lock(stop_mutex_);
  for (std::size_t i = 0; i < options_.decode_threads; ++i) {
    threads_.emplace_back([this] { DecodeLoop(); });
  }
}

Pipeline::~Pipeline() {
  Stop();
}

void Pipeline::Begin(std::vector<NarUnit> units) {
  {
    MutexLock lock(mutex_);
    for (NarUnit& unit : units) {
      waiting_.push_back(std::make_shared<NarTask>(std::move(unit)));
    }
  }
  Pump();
}

void Pipeline::Drop(std::uint64_t job_id, std::uint32_t attempt) {
  const auto concerned = [&](const Task& task) {
    return task->unit.ref.job_id == job_id && task->unit.ref.attempt == attempt;
  };
  std::vector<std::shared_ptr<Transfer>> transfers;
  {
    MutexLock lock(mutex_);
    waiting_.erase(std::remove_if(waiting_.begin(), waiting_.end(), concerned), waiting_.end());
    for (const Task& task : active_) {
      if (concerned(task)) {
        task->cancelled = true;
        if (task->transfer != nullptr && task->fetch == NarTask::Fetch::kRunning) {
          transfers.push_back(task->transfer);
        }
      }
    }
    changed_.NotifyAll();
  }
  for (const auto& transfer : transfers) {
    transfer->Cancel();
  }
}

bool Pipeline::FarAhead(const NarTask& task) const {
  return task.buffered_bytes >= kTransferWindowMax ||
         (budget_.exhausted() && task.buffered_bytes >= kTransferWindowMin);
}

void Pipeline::Pump() {
  std::vector<std::shared_ptr<Transfer>> resume;
  std::vector<std::pair<Task, int>> start;
  {
    MutexLock lock(mutex_);
    for (const Task& task : active_) {
      if (task->paused && task->transfer != nullptr && !FarAhead(*task) &&
          task->buffered_bytes < kTransferWindowMax / 2) {
        task->paused = false;
        resume.push_back(task->transfer);
      }
    }
    while (!stop_ && !waiting_.empty() && fetching_ < options_.transfers_max &&
           active_.size() < 2 * options_.transfers_max && !budget_.exhausted()) {
      Task task = std::move(waiting_.front());
      waiting_.pop_front();
      task->fetch = NarTask::Fetch::kRunning;
      ++task->generation;
      task->fetch_began = Clock::Real().Steady();
      ++fetching_;
      ++sinks_;
      active_.push_back(task);
      start.emplace_back(std::move(task), active_.back()->generation);
    }
    changed_.NotifyAll();
  }
  for (const auto& transfer : resume) {
    transfer->Resume();
  }
  for (auto& [task, generation] : start) {
    FetchRequest request{task->unit.url, FileBytesMax(task->unit.expectation.nar_size)};
    if (generation == 1) {
      request.lost = task->unit.lost;  // what was refused comes from upstream the next time
    }
    auto transfer = fetcher_.Start(request, std::make_shared<Sink>(*this, task, generation));
    bool cancel = false;
    bool resume_now = false;
    {
      MutexLock lock(mutex_);
      if (task->generation == generation && task->fetch == NarTask::Fetch::kRunning) {
        task->transfer = transfer;
        cancel = task->cancelled || stop_;
        // A pause that came before there was anything to resume.
        resume_now = task->paused && !FarAhead(*task);
        task->paused = task->paused && !resume_now;
      }
    }
    if (cancel) {
      transfer->Cancel();
    } else if (resume_now) {
      transfer->Resume();
    }
  }
}

Result<http::DataVerdict> Pipeline::OnData(const Task& task, int generation, ByteView bytes) {
  metrics_.CountFetched(bytes.size());
  outcomes_.OnProgress(task->unit.ref.job_id, bytes.size());
  MutexLock lock(mutex_);
  task->received_bytes += bytes.size();
  if (task->generation != generation || task->cancelled || task->ended) {
    return http::DataVerdict::kContinue;
  }
  if (!task->chunks.empty() && task->chunks.back().bytes.size() + bytes.size() <= kChunkBytes) {
    AppendTo(task->chunks.back().bytes, bytes);
    task->chunks.back().hold.Add(bytes.size());
  } else {
    task->chunks.push_back({ToBytes(bytes), budget_.Take(bytes.size())});
  }
  task->buffered_bytes += bytes.size();
  task->paused = FarAhead(*task);
  changed_.NotifyOne();
  return task->paused ? http::DataVerdict::kPause : http::DataVerdict::kContinue;
}

void Pipeline::OnRestart(const Task& task, int generation) {
  MutexLock lock(mutex_);
  if (task->generation == generation) {
    ClearBytes(*task);
    task->restarted = true;
    changed_.NotifyOne();
  }
}

void Pipeline::OnFetched(const Task& task, int generation, http::DownloadOutcome outcome) {
  const auto url = http::ParseHttpUrl(task->unit.url);
  MutexLock lock(mutex_);
  --fetching_;
  metrics_.CountTransfer(url ? url->host : "file",
                         nix::CompressionName(task->unit.expectation.compression),
                         task->received_bytes, Clock::Real().Steady() - task->fetch_began);
  if (task->generation == generation) {
    task->transfer.reset();
    task->paused = false;
    task->fetch = outcome.failure ? NarTask::Fetch::kFailed : NarTask::Fetch::kDone;
    task->failure = std::move(outcome.failure);
  }
  changed_.NotifyAll();
  --sinks_;
}

void Pipeline::ClearBytes(NarTask& task) {
  task.chunks.clear();
  task.buffered_bytes = 0;
}

// -- Decoding threads

void Pipeline::DecodeLoop() {
  NameThisThread("hnx-decode");
  while (true) {
    Task task;
    bool ran_dry = false;
    {
      MutexLock lock(mutex_);
      while (!stop_ && (task = Pick()) == nullptr) {
        changed_.Wait(mutex_);
      }
      if (task == nullptr) {
        return;
      }
      task->running = true;
    }
    Work(task);
    {
      MutexLock lock(mutex_);
      task->running = false;
      ran_dry = active_.empty() && waiting_.empty();
    }
    if (ran_dry) {
      shards_.CommitSoon();
    }
    Pump();
  }
}

bool Pipeline::ReadyToGoOn(const NarTask& task) const {
  if (task.cancelled || task.fetch == NarTask::Fetch::kFailed || task.restarted) {
    return true;
  }
  if (task.shard == nullptr) {
    return false;
  }
  return task.chunks.empty() ? task.fetch == NarTask::Fetch::kDone : task.shard->HasRoom();
}

// Chooses a shard for a task that has none, if its time has come.
bool Pipeline::TryOpen(NarTask& task) {
  const bool fetched = task.fetch == NarTask::Fetch::kDone;
  if (fetched && task.buffered_bytes <= kWholeBytesMax) {
    task.shard = shards_.ForWhole();
    return task.shard != nullptr;
  }
  // Enough to keep a decoder busy for a while, or all there will be for now.
  if (task.buffered_bytes > kWholeBytesMax) {
    task.shard = shards_.ReserveForStream();
    task.streaming = task.shard != nullptr;
    return task.streaming;
  }
  return false;
}

Pipeline::Task Pipeline::Pick() {
  for (const Task& task : active_) {
    if (!task->running && ReadyToGoOn(*task)) {
      return task;
    }
  }
  for (const Task& task : active_) {
    if (!task->running && task->shard == nullptr && TryOpen(*task)) {
      return task;
    }
  }
  return nullptr;
}

void Pipeline::Work(const Task& task) {
  std::optional<http::HttpFailure> failure;
  bool cancelled = false;
  bool restarted = false;
  {
    MutexLock lock(mutex_);
    cancelled = task->cancelled;
    restarted = std::exchange(task->restarted, false);
    if (task->fetch == NarTask::Fetch::kFailed) {
      failure = task->failure;
    }
  }
  if (cancelled) {
    AbandonStream(*task);
    End(task);
    return;
  }
  if (failure) {
    AbandonStream(*task);
    End(task);
    NarFailure nar = FailureOfDownload(*failure);
    metrics_.CountFailed(nar.reason);
    Log("fetch")->warn("{} ({}): {}", task->unit.store_path, nar.reason, nar.message);
    outcomes_.OnFailed(task->unit.ref, std::move(nar));
    return;
  }
  if (restarted) {
    AbandonStream(*task);
    return;
  }
  auto done = FeedChunks(*task);
  if (!done.has_value()) {
    EndWith(task, done.error());
  }
}

Result<void> Pipeline::FeedChunks(NarTask& task) {
  if (task.verifier == nullptr) {
    HNX_ASSIGN_OR_RETURN(
        task.verifier, nix::NarFileVerifier::Create(task.unit.expectation, options_.decompressor));
  }
  std::vector<Chunk> kept;
  while (true) {
    Chunk chunk;
    {
      MutexLock lock(mutex_);
      if (task.cancelled || task.restarted || task.fetch == NarTask::Fetch::kFailed || stop_) {
        return {};
      }
      if (task.chunks.empty()) {
        if (task.fetch == NarTask::Fetch::kDone) {
          break;
        }
        return {};
      }
      if (task.streaming && !task.shard->HasRoom()) {
        return {};
      }
      chunk = std::move(task.chunks.front());
      task.chunks.pop_front();
      task.buffered_bytes -= chunk.bytes.size();
    }
    HNX_TRY(DecodeAndSend(task, std::move(chunk), &kept));
    if (task.streaming) {
      Pump();
    }
  }
  return Finish(task, std::move(kept));
}

Result<void> Pipeline::DecodeAndSend(NarTask& task, Chunk chunk, std::vector<Chunk>* kept) {
  const auto began = Clock::Real().Steady();
  auto fed = task.verifier->Feed(chunk.bytes);
  const auto took = Clock::Real().Steady() - began;
  task.decoding += took;
  metrics_.CountDecoded(chunk.bytes.size(), took);
  HNX_TRY(fed);
  if (task.streaming) {
    task.sent_any = true;
    task.shard->StreamChunk(task.unit.file, std::move(chunk));
  } else {
    kept->push_back(std::move(chunk));
  }
  return {};
}

Result<void> Pipeline::Finish(NarTask& task, std::vector<Chunk> kept) {
  HNX_ASSIGN_OR_RETURN(const nix::NarFileVerdict verdict, task.verifier->Finish());
  ShardEntry entry;
  entry.file = task.unit.file;
  HNX_ASSIGN_OR_RETURN(entry.nar_hash, Sha256DigestOf(task.unit.expectation.nar_hash));
  entry.nar_size = verdict.nar_size;
  HNX_ASSIGN_OR_RETURN(entry.file_hash, Sha256DigestOf(verdict.file_hash));
  entry.file_hash_drift = verdict.file_hash_drift;
  entry.ref = task.unit.ref;
  task.verifier.reset();
  metrics_.ObserveDecode(task.decoding);
  if (task.streaming) {
    task.shard->StreamFinish(std::move(entry));
    task.shard->Unreserve();
  } else {
    task.shard->PutNar(std::move(entry), std::move(kept));
  }
  task.streaming = false;
  task.sent_any = false;
  task.shard = nullptr;
  MutexLock lock(mutex_);
  task.ended = true;
  active_.remove_if([&](const Task& other) { return other.get() == &task; });
  return {};
}

// Back to before the first byte.
void Pipeline::AbandonStream(NarTask& task) {
  task.verifier.reset();
  if (task.streaming) {
    if (task.sent_any) {
      task.shard->StreamAbort();
    }
    task.shard->Unreserve();
  }
  task.streaming = false;
  task.sent_any = false;
  task.shard = nullptr;
}

void Pipeline::End(const Task& task) {
  std::shared_ptr<Transfer> transfer;
  {
    MutexLock lock(mutex_);
    task->ended = true;
    ++task->generation;
    transfer = std::move(task->transfer);
    ClearBytes(*task);
    active_.remove(task);
  }
  if (transfer != nullptr) {
    transfer->Cancel();
  }
}

// Refused: fetched anew, or reported.
void Pipeline::EndWith(const Task& task, const Error& error) {
  AbandonStream(*task);
  const auto reason = nix::ReasonOf(error);
  const std::string word = reason ? std::string(nix::RejectReasonName(*reason)) : "verify-failed";
  metrics_.CountRefused(word);
  const int retries = reason ? nix::RetriesMax(*reason) : 0;
  std::shared_ptr<Transfer> transfer;
  bool again = false;
  {
    MutexLock lock(mutex_);
    again = task->generation <= retries && !task->cancelled && !stop_;
    if (again) {
      Task fresh = std::make_shared<NarTask>(task->unit);
      fresh->generation = task->generation;
      waiting_.push_back(std::move(fresh));
    }
  }
  End(task);
  if (again) {
    metrics_.CountRefetch();
    Log("verify")->info("{}: {}; it is fetched once more", task->unit.file, error.message);
    return;
  }
  metrics_.CountFailed(word);
  Log("verify")->warn("{} ({}): {}", task->unit.store_path, word, error.message);
  // Bytes that were refused as often as their reason allows are wrong, however transient one such
  // answer may be: the coordinator asks for them once more and not for minutes.
  const ErrorCode code = error.code == ErrorCode::kUnavailable ? ErrorCode::kDataLoss : error.code;
  outcomes_.OnFailed(task->unit.ref,
                     {code, word, fmt::format("{}: {}", task->unit.url, error.message), {}});
}

bool Pipeline::idle() const {
  MutexLock lock(mutex_);
  return active_.empty() && waiting_.empty();
}

void Pipeline::Stop() {
  MutexLock stop_lock(stop_mutex_);
  std::vector<std::shared_ptr<Transfer>> transfers;
  {
    MutexLock lock(mutex_);
    stop_ = true;
    waiting_.clear();
    for (const Task& task : active_) {
      if (task->transfer != nullptr) {
        transfers.push_back(task->transfer);
      }
    }
    changed_.NotifyAll();
  }
  for (const auto& transfer : transfers) {
    transfer->Cancel();
  }
  for (std::thread& thread : threads_) {
    thread.join();
  }
  threads_.clear();
  std::list<Task> rest;
  {
    MutexLock lock(mutex_);
    while (sinks_ > 0) {
      changed_.Wait(mutex_);
    }
    rest.swap(active_);
  }
  for (const Task& task : rest) {
    AbandonStream(*task);
  }
}

}  // namespace hnx::worker
