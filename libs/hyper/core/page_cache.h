// A few pages of one file of a core, so that walking the tree or the bitfield does not read the
// same bytes again and again. What lies beyond the end of the file reads as zeros.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "base/bytes.h"
#include "base/result.h"
#include "hyper/core/core_storage.h"

namespace hnx::hyper {

class PageCache {
 public:
  static constexpr std::size_t kPageBytes = 4096;
  static constexpr std::size_t kPagesMax = 64;

  // `storage` must outlive the cache.
  PageCache(CoreStorage& storage, CoreFile file) : storage_(storage), file_(file) {}

  // The page; valid until the next call.
  Result<ByteView> Page(std::uint64_t number);
  Result<void> Read(std::uint64_t offset, std::span<std::byte> out);
  // Forgets everything: the file was changed.
  void Drop() { pages_.clear(); }
  // The same in every cache of this process, before its next read: a file was mended beside its
  // writer. Any thread.
  static void DropAll();

 private:
  struct Entry {
    Bytes bytes;
    std::uint64_t last_used = 0;
  };

  void EvictOne();

  CoreStorage& storage_;
  CoreFile file_;
  std::unordered_map<std::uint64_t, Entry> pages_;
  std::uint64_t clock_ = 0;
  std::uint64_t drops_seen_ = 0;  // of DropAll
};

}  // namespace hnx::hyper
