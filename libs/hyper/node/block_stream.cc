#include "hyper/node/block_stream.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "base/mutex.h"

namespace hnx::hyper {
namespace {

// A view of the disk is looked at anew after so long: blocks that came meanwhile are read from it.
constexpr std::chrono::milliseconds kLookAgain{250};
constexpr int kStreamPriority = 1;
// Blocks that a stream may always have asked for.
constexpr std::size_t kWindowMin = 2;

}  // namespace

struct BlockStream::Shared {
  explicit Shared(std::shared_ptr<Signal> signal_in) : signal(std::move(signal_in)) {}

  void Put(BlockIndex block, Result<Bytes> value) HNX_EXCLUDES(mutex) {
    {
      const MutexLock lock(mutex);
      if (ended) {
        return;
      }
      arrived.insert_or_assign(block, std::move(value));
    }
    signal->Notify();
  }

  // Of the loop's thread. The oldest are done long since.
  void Remember(FetchId fetch) {
    if (fetches.size() >= 2 * kReadAheadBlocksMax) {
      fetches.erase(fetches.begin(), fetches.begin() + kReadAheadBlocksMax);
    }
    fetches.push_back(fetch);
  }

  const std::shared_ptr<Signal> signal;
  Mutex mutex;
  bool ended HNX_GUARDED_BY(mutex) = false;
  std::map<BlockIndex, Result<Bytes>> arrived HNX_GUARDED_BY(mutex);
  std::set<BlockIndex> asked;    // of the reader's thread
  std::vector<FetchId> fetches;  // of the loop's thread
};

BlockStream::BlockStream(std::shared_ptr<RemoteCore> core, BlockRange blocks, std::size_t window,
                         std::uint64_t block_bytes, const ReadLimits& limits)
    : core_(std::move(core)),
      blocks_(blocks),
      window_(std::clamp<std::size_t>(window, 1, kReadAheadBlocksMax)),
      block_bytes_(block_bytes),
      limits_(limits),
      shared_(std::make_shared<Shared>(std::make_shared<Signal>())),
      cancel_hook_(limits_, shared_->signal),
      next_(blocks.begin),
      ahead_(blocks.begin) {
  if (window_ > 1) {
    core_->node().read_ahead().Enter();
  }
}

BlockStream::~BlockStream() {
  if (window_ > 1) {
    core_->node().read_ahead().Give(reserved_.size() * block_bytes_);
    core_->node().read_ahead().Leave();
  }
  {
    const MutexLock lock(shared_->mutex);
    shared_->ended = true;
    shared_->arrived.clear();
  }
  if (shared_->asked.empty()) {
    return;
  }
  core_->node().loop().Post([core = core_, shared = shared_] {
    if (const Result<Downloader*> downloader = core->downloader()) {
      for (const FetchId fetch : shared->fetches) {
        (*downloader)->CancelFetch(fetch);
      }
    }
  });
}

Result<Bytes> BlockStream::Next() {
  const BlockIndex block = next_;
  ++next_;
  HNX_TRY(AskAhead());
  if (shared_->asked.erase(block) == 0) {
    HNX_ASSIGN_OR_RETURN(const auto reader, core_->local().Borrow(block.value() + 1));
    Result<Bytes> here = reader->Get(block);
    if (here || (here.error().code != ErrorCode::kNotFound &&
                 here.error().code != ErrorCode::kOutOfRange)) {
      return here;
    }
    Ask({block});  // given up since we looked, or there was no room before
    shared_->asked.erase(block);
  }
  Result<Bytes> value = Await(block);
  GiveBack(block);
  return value;
}

bool BlockStream::Reserve(BlockIndex block) {
  if (shared_->asked.size() < kWindowMin) {
    return true;
  }
  if (!core_->node().read_ahead().Take(block_bytes_, reserved_.size() * block_bytes_)) {
    return false;
  }
  reserved_.insert(block);
  return true;
}

void BlockStream::GiveBack(BlockIndex block) {
  if (reserved_.erase(block) > 0) {
    core_->node().read_ahead().Give(block_bytes_);
  }
}

// What lies on the disk is read when its turn comes.
Result<void> BlockStream::AskAhead() {
  const BlockIndex end =
      std::min(blocks_.end, BlockIndex(next_.value() - 1 + static_cast<std::uint64_t>(window_)));
  if (ahead_ >= end) {
    return {};
  }
  HNX_ASSIGN_OR_RETURN(const auto reader, core_->local().Borrow(0));
  std::vector<BlockIndex> missing;
  for (; ahead_ < end; ++ahead_) {
    bool here = false;
    if (ahead_.value() < reader->length()) {
      HNX_ASSIGN_OR_RETURN(here, reader->Has(ahead_));
    }
    const Clock::SteadyTime now = Clock::Real().Steady();
    if (!here && (!looked_ || now - *looked_ >= kLookAgain)) {
      looked_ = now;
      HNX_TRY(reader->Refresh());
      if (ahead_.value() < reader->length()) {
        HNX_ASSIGN_OR_RETURN(here, reader->Has(ahead_));
      }
    }
    if (!here) {
      if (!Reserve(ahead_)) {
        break;
      }
      shared_->asked.insert(ahead_);
      missing.push_back(ahead_);
    }
  }
  if (!missing.empty()) {
    Ask(std::move(missing));
  }
  return {};
}

void BlockStream::Ask(std::vector<BlockIndex> blocks) {
  shared_->asked.insert(blocks.begin(), blocks.end());
  const bool posted = core_->node().loop().Post([core = core_, shared = shared_, blocks] {
    {
      const MutexLock lock(shared->mutex);
      if (shared->ended) {
        return;
      }
    }
    const Result<Downloader*> downloader = core->downloader();
    for (const BlockIndex block : blocks) {
      if (!downloader) {
        shared->Put(block, downloader.error());
        continue;
      }
      const Result<FetchId> fetch =
          (*downloader)->Fetch(block, kStreamPriority, [shared, block](Result<Bytes> value) {
            shared->Put(block, std::move(value));
          });
      if (!fetch) {
        shared->Put(block, fetch.error());
      } else {
        shared->Remember(*fetch);
      }
    }
  });
  if (!posted) {
    for (const BlockIndex block : blocks) {
      shared_->Put(block, Error{ErrorCode::kCancelled, "the peer node has stopped"});
    }
  }
}

Result<Bytes> BlockStream::Await(BlockIndex block) {
  const std::string what =
      "fetch block " + std::to_string(block.value()) + " of core " + CoreKeyId(core_->key());
  std::optional<Clock::SteadyTime> until;
  if (limits_.stall_max) {
    until = Clock::Real().Steady() + *limits_.stall_max;
  }
  for (;;) {
    const std::uint64_t seen = shared_->signal->seen();
    {
      const MutexLock lock(shared_->mutex);
      const auto found = shared_->arrived.find(block);
      if (found != shared_->arrived.end()) {
        Result<Bytes> value = std::move(found->second);
        shared_->arrived.erase(found);
        return value ? std::move(value) : Result<Bytes>(value.error().Annotate(what));
      }
    }
    if (until && Clock::Real().Steady() >= *until) {
      return Error{
          ErrorCode::kDeadlineExceeded,
          what + ": no peer sent it within " + std::to_string(limits_.stall_max->count()) + " ms"};
    }
    HNX_TRY(shared_->signal->WaitChange(seen, limits_, until, what));
  }
}

}  // namespace hnx::hyper
