// WriteQueue: frames that wait for the socket, in the buffers from which they are written. A frame
// is made in place; a buffer once filled does not move until it was written.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <span>

#include "base/bytes.h"

namespace hnx::hyper {

class WriteQueue {
 public:
  // Small frames share a buffer of this size; a longer one gets its own.
  static constexpr std::size_t kBufferSize = 32 << 10;

  // Room for one frame after all others. Then Commit or Abandon.
  std::span<std::byte> Reserve(std::size_t size);
  void Commit();
  void Abandon();
  void Append(ByteView bytes);

  // The first bytes, at most `bytes_max` in at most views.size() pieces; returns how many pieces.
  std::size_t Gather(std::span<ByteView> views, std::size_t bytes_max) const;
  // The first `count` bytes were written.
  void Consume(std::size_t count);

  std::size_t bytes() const { return bytes_; }
  bool empty() const { return bytes_ == 0; }

 private:
  struct Buffer {
    // NOLINTNEXTLINE(modernize-avoid-c-arrays): sized at run time, and not zeroed
    std::unique_ptr<std::byte[]> memory;
    std::size_t capacity = 0;
    std::size_t begin = 0;
    std::size_t end = 0;
  };

  std::deque<Buffer> buffers_;
  std::size_t bytes_ = 0;
  std::size_t reserved_ = 0;
};

}  // namespace hnx::hyper
