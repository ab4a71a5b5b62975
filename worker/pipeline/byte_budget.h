// ByteBudget: how many bytes of NAR files wait in memory, over all stages. Taking never fails (the
// bytes are there already); whoever brings more asks exhausted() and stops reading from its source.
// Thread-safe; must outlive its holds.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "base/bytes.h"

namespace hnx::worker {

class ByteBudget {
 public:
  explicit ByteBudget(std::uint64_t limit_bytes) : limit_(limit_bytes) {}

  class Hold {
   public:
    Hold() = default;
    Hold(ByteBudget* budget, std::uint64_t bytes) : budget_(budget), bytes_(bytes) {
      budget_->used_ += bytes_;
    }
    Hold(Hold&& other) noexcept
        : budget_(std::exchange(other.budget_, nullptr)), bytes_(other.bytes_) {}
    Hold& operator=(Hold&& other) noexcept {
      if (this != &other) {
        Release();
        budget_ = std::exchange(other.budget_, nullptr);
        bytes_ = other.bytes_;
      }
      return *this;
    }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    ~Hold() { Release(); }

    // More bytes came to the same place.
    void Add(std::uint64_t bytes) {
      if (budget_ != nullptr) {
        bytes_ += bytes;
        budget_->used_ += bytes;
      }
    }

   private:
    void Release() {
      if (budget_ != nullptr) {
        budget_->used_ -= bytes_;
        budget_ = nullptr;
      }
    }
    ByteBudget* budget_ = nullptr;
    std::uint64_t bytes_ = 0;
  };

  Hold Take(std::uint64_t bytes) { return {this, bytes}; }
  std::uint64_t used() const { return used_; }
  std::uint64_t limit() const { return limit_; }
  bool exhausted() const { return used_ >= limit_; }

 private:
  const std::uint64_t limit_;
  std::atomic<std::uint64_t> used_{0};
};

// A piece of a NAR file on its way through the stages.
struct Chunk {
  Bytes bytes;
  ByteBudget::Hold hold;
};

}  // namespace hnx::worker
