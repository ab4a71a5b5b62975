// RemoteBlocks: which blocks a peer says it has, from its range and bitfield messages. Sans-I/O.
//
// A run from block 0 is one number; everything else is kept in pages of kBitsPerPage. A hostile
// peer can make it hold kRemotePagesMax pages (4 MiB) at most: what does not fit is taken as
// absent, which costs that peer's usefulness and nothing else.
//
// Threads: one at a time.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <span>

#include "hyper/codec/index_types.h"

namespace hnx::hyper {

inline constexpr std::size_t kRemotePagesMax = 1024;

class RemoteBlocks {
 public:
  static constexpr std::uint64_t kBitsPerPage = 32768;

  bool Has(BlockIndex block) const;
  // The first block of the range that is there; the range's end when there is none.
  BlockIndex NextPresent(BlockRange range) const;
  // All blocks below are there.
  std::uint64_t contiguous_length() const { return contiguous_; }

  void Set(BlockRange range, bool present);
  // 32 blocks a word, the first in the lowest bit; `start` is a multiple of 32. Replaces what was
  // known of these blocks.
  void SetWords(BlockIndex start, std::span<const std::uint32_t> words);

  std::size_t page_count() const { return pages_.size(); }

 private:
  static constexpr std::size_t kWordsPerPage = kBitsPerPage / 64;
  using Page = std::array<std::uint64_t, kWordsPerPage>;

  const Page* FindPage(std::uint64_t number) const;
  // Null when there is none and no room for one.
  Page* MakePage(std::uint64_t number);
  void SetInPages(BlockRange range, bool present);
  // Takes what pages hold right behind the run from 0 into it.
  void GrowContiguous();
  // The run from 0 ends at `end`, at the latest; what it covered beyond goes into pages.
  void CutContiguous(std::uint64_t end, std::uint64_t keep_until);

  std::uint64_t contiguous_ = 0;
  std::map<std::uint64_t, std::unique_ptr<Page>> pages_;
};

}  // namespace hnx::hyper
