// The three numbers that a Hypercore counts in, as types that do not mix: a block's number, a
// node's number in the flat tree, and a byte's place in `data`. Taking one for another is the
// classic Hypercore bug, so it does not compile; going from one to the other has a name
// (flat_tree.h).
#pragma once

#include <compare>
#include <cstdint>

namespace hnx::hyper {

// A position of kind `Tag`. Distances between two positions are plain integers.
template <class Tag>
class StrongIndex {
 public:
  constexpr StrongIndex() = default;
  constexpr explicit StrongIndex(std::uint64_t value) : value_(value) {}

  constexpr std::uint64_t value() const { return value_; }

  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 sees a 0 in a defaulted comparison
  friend constexpr auto operator<=>(StrongIndex, StrongIndex) = default;
  friend constexpr StrongIndex operator+(StrongIndex at, std::uint64_t distance) {
    return StrongIndex(at.value_ + distance);
  }
  friend constexpr StrongIndex operator-(StrongIndex at, std::uint64_t distance) {
    return StrongIndex(at.value_ - distance);
  }
  // How far `to` lies behind `from`; `to` must not be smaller.
  friend constexpr std::uint64_t operator-(StrongIndex to, StrongIndex from) {
    return to.value_ - from.value_;
  }
  constexpr StrongIndex& operator+=(std::uint64_t distance) {
    value_ += distance;
    return *this;
  }
  constexpr StrongIndex& operator++() {
    ++value_;
    return *this;
  }

 private:
  std::uint64_t value_ = 0;
};

// Block 0, 1, 2, ... of a core.
using BlockIndex = StrongIndex<struct BlockIndexTag>;
// A node of the flat tree: even = leaf (block index * 2), odd = parent.
using TreeIndex = StrongIndex<struct TreeIndexTag>;
// A byte of the concatenation of all blocks, which is its offset in the file `data`.
using ByteOffset = StrongIndex<struct ByteOffsetTag>;

// Half-open ranges.
struct BlockRange {
  BlockIndex begin;
  BlockIndex end;

  std::uint64_t length() const { return end - begin; }
  bool empty() const { return begin == end; }
  friend bool operator==(const BlockRange&, const BlockRange&) = default;
};
struct ByteRange {
  ByteOffset begin;
  ByteOffset end;

  std::uint64_t length() const { return end - begin; }
  bool empty() const { return begin == end; }
  friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

}  // namespace hnx::hyper
