#include "hyper/replication/sparse_core.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "hyper/storage/flat_core_storage.h"

namespace hnx::hyper {
namespace {

thread_local const ReadDeadline* innermost = nullptr;

// A value that one thread waits for and the loop's thread gives. Shared by both, so that either may
// go first.
template <class T>
class Awaited {
 public:
  void Give(Result<T> value) HNX_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    value_ = std::move(value);
    given_.NotifyAll();
  }
  // None: not in time.
  std::optional<Result<T>> Wait(const Clock& clock, std::chrono::milliseconds timeout)
      HNX_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    const Clock::SteadyTime end = clock.Steady() + timeout;
    while (!value_ && clock.Steady() < end) {
      given_.WaitFor(mutex_, end - clock.Steady());
    }
    return std::exchange(value_, std::nullopt);
  }

  std::optional<FetchId> id;  // of the loop's thread

 private:
  Mutex mutex_;
  CondVar given_;
  std::optional<Result<T>> value_ HNX_GUARDED_BY(mutex_);
};

// Pieces on their way from the loop's thread to a reader, a window full at most.
class Pieces {
 public:
  // True when it is full now.
  bool Push(ByteView piece) HNX_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    bytes_ += piece.size();
    pieces_.push_back(ToBytes(piece));
    changed_.NotifyAll();
    return bytes_ >= kBlobFetchBytesMax / 2;
  }
  void End(Result<void> result) HNX_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    end_ = std::move(result);
    changed_.NotifyAll();
  }

  struct Next {
    std::optional<Bytes> piece;
    std::optional<Result<void>> end;
    bool drained = false;  // the window is empty again
  };
  // Neither piece nor end: not in time.
  Next Pop(const Clock& clock, std::chrono::milliseconds timeout) HNX_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    const Clock::SteadyTime until = clock.Steady() + timeout;
    while (pieces_.empty() && !end_ && clock.Steady() < until) {
      changed_.WaitFor(mutex_, until - clock.Steady());
    }
    Next next;
    if (!pieces_.empty()) {
      next.piece = std::move(pieces_.front());
      pieces_.pop_front();
      bytes_ -= next.piece->size();
      next.drained = pieces_.empty();
    } else {
      next.end = end_;
    }
    return next;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::deque<Bytes> pieces_ HNX_GUARDED_BY(mutex_);
  std::uint64_t bytes_ HNX_GUARDED_BY(mutex_) = 0;
  std::optional<Result<void>> end_ HNX_GUARDED_BY(mutex_);
};

Error Stopped() {
  return Error{ErrorCode::kCancelled, "the event loop has stopped"};
}

}  // namespace

ReadDeadline::ReadDeadline(const Clock& clock, std::chrono::milliseconds from_now)
    : outer_(innermost), at_(clock.Steady() + from_now) {
  if (outer_ != nullptr) {
    at_ = std::min(at_, outer_->at_);
  }
  innermost = this;
}

ReadDeadline::~ReadDeadline() {
  innermost = outer_;
}

std::chrono::milliseconds ReadDeadline::Left(const Clock& clock) {
  if (innermost == nullptr) {
    return kReadStallDefault;
  }
  return std::max(
      std::chrono::milliseconds(0),
      std::chrono::duration_cast<std::chrono::milliseconds>(innermost->at_ - clock.Steady()));
}

Result<std::unique_ptr<SparseCore>> SparseCore::Open(const ReplicaPlace& place,
                                                     const CoreKey& key) {
  auto core = std::unique_ptr<SparseCore>(new SparseCore(place, key));
  Result<void> opened = Stopped();
  place.loop.RunAndWait([&] { opened = core->OpenOnLoop(); });
  if (!opened) {
    return opened.error().Annotate("open a replica of core " + CoreKeyId(key) + " in " +
                                   place.store.string());
  }
  return core;
}

Result<void> SparseCore::OpenOnLoop() {
  HNX_ASSIGN_OR_RETURN(downloader_, place_.replicator.AcquireReplica(
                                        key_, CoreFolder(place_.store, DiscoveryKeyOf(key_))));
  downloader_->SetFollow(true);
  watch_ = downloader_->WatchHead([this](const CoreHead& head) {
    const MutexLock lock(mutex_);
    head_ = head;
    changed_.NotifyAll();
  });
  const MutexLock lock(mutex_);
  head_ = downloader_->replica().head();
  return {};
}

SparseCore::~SparseCore() {
  if (downloader_ == nullptr) {
    return;
  }
  place_.loop.RunAndWait([this] {
    downloader_->UnwatchHead(watch_);
    place_.replicator.ReleaseReplica(key_);
  });
}

CoreHead SparseCore::head() const {
  const MutexLock lock(mutex_);
  return head_;
}

Result<CoreHead> SparseCore::WaitForLength(std::uint64_t length) {
  const Clock& clock = place_.loop.clock();
  const MutexLock lock(mutex_);
  while (head_.length < length) {
    const auto left = ReadDeadline::Left(clock);
    if (left.count() == 0) {
      return Error{ErrorCode::kDeadlineExceeded,
                   "core " + CoreKeyId(key_) + ": no peer proved a head of " +
                       std::to_string(length) + " blocks in time; it is at " +
                       std::to_string(head_.length)};
    }
    changed_.WaitFor(mutex_, left);
  }
  return head_;
}

Result<Bytes> SparseCore::Block(BlockIndex block, int priority) {
  const auto awaited = std::make_shared<Awaited<Bytes>>();
  const bool posted = place_.loop.Post([this, awaited, block, priority] {
    const Result<FetchId> id = downloader_->Fetch(
        block, priority, [awaited](Result<Bytes> bytes) { awaited->Give(std::move(bytes)); });
    if (id) {
      awaited->id = *id;
    } else {
      awaited->Give(id.error());
    }
  });
  if (!posted) {
    return Stopped();
  }
  std::optional<Result<Bytes>> bytes =
      awaited->Wait(place_.loop.clock(), ReadDeadline::Left(place_.loop.clock()));
  if (bytes) {
    return *std::move(bytes);
  }
  std::size_t peers = 0;
  place_.loop.RunAndWait([&] {
    peers = downloader_->peer_count();
    if (awaited->id) {
      downloader_->CancelFetch(*awaited->id);
    }
  });
  return Error{ErrorCode::kDeadlineExceeded,
               "core " + CoreKeyId(key_) + ": block " + std::to_string(block.value()) +
                   " did not come in time from " + std::to_string(peers) + " peers"};
}

Result<void> SparseCore::ReadBlob(const BlobRange& range,
                                  const std::function<Result<void>(ByteView)>& sink) {
  const Clock& clock = place_.loop.clock();
  const auto pieces = std::make_shared<Pieces>();
  std::shared_ptr<BlobFetch> fetch;  // made, used and destroyed on the loop's thread
  place_.loop.RunAndWait([&] {
    BlobFetch* raw = nullptr;
    Result<std::unique_ptr<BlobFetch>> made = BlobFetch::Make(
        *downloader_, range, 1,
        [pieces, &fetch](ByteView piece) {
          if (pieces->Push(piece)) {
            fetch->Pause();
          }
        },
        [pieces](Result<void> result) { pieces->End(std::move(result)); });
    if (!made) {
      pieces->End(made.error());
      return;
    }
    raw = made->get();
    fetch = *std::move(made);
    raw->Start();
  });
  Result<void> result;
  for (;;) {
    Pieces::Next next = pieces->Pop(clock, ReadDeadline::Left(clock));
    if (next.piece) {
      result = sink(*next.piece);
      if (!result) {
        break;
      }
      if (next.drained) {
        place_.loop.Post([&fetch] { fetch->Resume(); });
      }
      continue;
    }
    result = next.end ? *next.end
                      : Result<void>(Error{ErrorCode::kDeadlineExceeded,
                                           "core " + CoreKeyId(key_) +
                                               ": the next block of a blob did not come in time"});
    break;
  }
  place_.loop.RunAndWait([&fetch] { fetch.reset(); });
  return result;
}

}  // namespace hnx::hyper
