// BodyPipe: the bytes of an answer's body on their way from the thread that finds them to the
// server's thread that sends them, with bounded memory: the writer waits while the pipe is full,
// the reader is called when there is something again.
//
// Threads: one writer, one reader; Abandon may come from any.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/mutex.h"
#include "base/result.h"

namespace hnx::http {

inline constexpr std::size_t kBodyPipeBytes = std::size_t{512} << 10;
// All pipes of a server together: when so much is given out, further pipes are of the least size.
inline constexpr std::size_t kBodyPipesBytesMax = std::size_t{16} << 20;
inline constexpr std::size_t kBodyPipeBytesMin = std::size_t{64} << 10;

// Threads: any.
class BodyPipeBudget {
 public:
  std::size_t Take() {
    if (given_.fetch_add(kBodyPipeBytes) + kBodyPipeBytes <= kBodyPipesBytesMax) {
      return kBodyPipeBytes;
    }
    given_ -= kBodyPipeBytes;
    return kBodyPipeBytesMin;
  }
  void Give(std::size_t bytes) {
    if (bytes == kBodyPipeBytes) {
      given_ -= bytes;
    }
  }
  std::size_t given() const { return given_; }

 private:
  std::atomic<std::size_t> given_{0};
};

class BodyPipe {
 public:
  explicit BodyPipe(std::size_t bytes_max = kBodyPipeBytes);
  // Takes its memory from `budget` with the first byte, and gives it back in the end.
  explicit BodyPipe(std::shared_ptr<BodyPipeBudget> budget);
  ~BodyPipe();
  BodyPipe(const BodyPipe&) = delete;
  BodyPipe& operator=(const BodyPipe&) = delete;

  // -- The writer
  // Returns when all of it is in the pipe. kCancelled: nobody reads any more.
  Result<void> Write(ByteView bytes) HNX_EXCLUDES(mutex_);
  // Bytes written so far, read or not.
  std::uint64_t written() const HNX_EXCLUDES(mutex_);
  // Nothing more comes. With an error the reader learns, after the bytes, that they are not all.
  void Finish(const Result<void>& outcome) HNX_EXCLUDES(mutex_);
  // `stop` is called once, when nobody reads any more (at once when that is so already): for a
  // writer that waits for bytes and not in Write. It must not call back.
  void OnAbandon(std::function<void()> stop) HNX_EXCLUDES(mutex_);

  // -- The reader
  enum class State { kBytes, kNothingYet, kEnd, kBroken };
  struct Taken {
    State state = State::kNothingYet;
    std::size_t size = 0;
  };
  // `wake` is called after Read said kNothingYet, once there is more to say.
  void OnReadable(std::function<void()> wake) HNX_EXCLUDES(mutex_);
  // Never waits. Before kNothingYet is returned, `pause` is called in a way that no wake comes
  // before it.
  Taken Read(std::span<std::byte> out, const std::function<void()>& pause) HNX_EXCLUDES(mutex_);
  // Nobody reads any more; no wake comes after it, but one may be under way. Idempotent.
  void Abandon() HNX_EXCLUDES(mutex_);

 private:
  mutable Mutex mutex_;
  CondVar room_;
  const std::shared_ptr<BodyPipeBudget> budget_;
  // A ring.
  std::vector<std::byte> buffer_ HNX_GUARDED_BY(mutex_);
  std::size_t begin_ HNX_GUARDED_BY(mutex_) = 0;
  std::size_t size_ HNX_GUARDED_BY(mutex_) = 0;
  std::uint64_t written_ HNX_GUARDED_BY(mutex_) = 0;
  bool finished_ HNX_GUARDED_BY(mutex_) = false;
  bool broken_ HNX_GUARDED_BY(mutex_) = false;
  bool abandoned_ HNX_GUARDED_BY(mutex_) = false;
  bool paused_ HNX_GUARDED_BY(mutex_) = false;
  std::function<void()> wake_ HNX_GUARDED_BY(mutex_);
  std::function<void()> stop_ HNX_GUARDED_BY(mutex_);
};

}  // namespace hnx::http
