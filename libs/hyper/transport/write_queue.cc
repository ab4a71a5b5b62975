#include "hyper/transport/write_queue.h"

#include <algorithm>

#include "base/check.h"

namespace hnx::hyper {

std::span<std::byte> WriteQueue::Reserve(std::size_t size) {
  HNX_CHECK(reserved_ == 0 && size > 0);
  if (buffers_.empty() || buffers_.back().capacity - buffers_.back().end < size) {
    Buffer buffer;
    // A first small frame gets a small buffer: many streams only ever send keep-alives.
    buffer.capacity = buffers_.empty() && size < kBufferSize / 16 ? kBufferSize / 16
                                                                  : std::max(size, kBufferSize);
    // NOLINTNEXTLINE(modernize-avoid-c-arrays): sized at run time, and not zeroed
    buffer.memory = std::make_unique_for_overwrite<std::byte[]>(buffer.capacity);
    buffers_.push_back(std::move(buffer));
  }
  reserved_ = size;
  Buffer& last = buffers_.back();
  return {last.memory.get() + last.end, size};
}

void WriteQueue::Commit() {
  HNX_CHECK(reserved_ > 0);
  buffers_.back().end += reserved_;
  bytes_ += reserved_;
  reserved_ = 0;
}

void WriteQueue::Abandon() {
  reserved_ = 0;
  if (!buffers_.empty() && buffers_.back().begin == buffers_.back().end) {
    buffers_.pop_back();
  }
}

void WriteQueue::Append(ByteView bytes) {
  if (!bytes.empty()) {
    std::ranges::copy(bytes, Reserve(bytes.size()).begin());
    Commit();
  }
}

std::size_t WriteQueue::Gather(std::span<ByteView> views, std::size_t bytes_max) const {
  std::size_t count = 0;
  for (const Buffer& buffer : buffers_) {
    if (count == views.size() || bytes_max == 0) {
      break;
    }
    const std::size_t size = std::min(buffer.end - buffer.begin, bytes_max);
    if (size > 0) {
      views[count++] = ByteView(buffer.memory.get() + buffer.begin, size);
      bytes_max -= size;
    }
  }
  return count;
}

void WriteQueue::Consume(std::size_t count) {
  HNX_CHECK(count <= bytes_);
  bytes_ -= count;
  while (count > 0) {
    Buffer& first = buffers_.front();
    const std::size_t size = std::min(first.end - first.begin, count);
    first.begin += size;
    count -= size;
    // The last one goes too, unless a frame is being made in it: an idle stream holds no memory.
    if (first.begin == first.end && (buffers_.size() > 1 || reserved_ == 0)) {
      buffers_.pop_front();
    }
  }
}

}  // namespace hnx::hyper
