// Blocks of a Hyperbee (docs/formats/hyperbee.md): block 0 is the header, every other block is one
// entry (or one deletion) with the tree nodes that were written together with it.
//
//   Header  { 1: string "hyperbee", 2: Metadata { 1: bytes contentFeed, 2: bytes userData } }
//   Node    { 1: bytes index, 2: bytes key, 3: bytes value }       value absent = deletion
//   index   = YoloIndex { 1: repeated Level }
//   Level   { 1: packed varints keys, 2: packed varints children } children = (seq, offset) pairs
//
// Source: hyperbee 2.27, lib/messages.js (protobuf wire format). Decoding takes foreign bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace hnx::hyper {

// Shape of the tree: a node splits when it reaches 9 keys, and all but the root have at least 4.
inline constexpr std::size_t kBeeMinKeys = 4;
inline constexpr std::size_t kBeeMaxKeys = 8;

// Limits on foreign blocks. JavaScript writes one level per node on a path (about 10 at a billion
// keys); a batch may place many nodes in one block.
inline constexpr std::size_t kBeeBlockBytesMax = std::size_t{4} << 20;
inline constexpr std::size_t kBeeLevelsMax = 4096;
// Sequence numbers are JavaScript numbers.
inline constexpr std::uint64_t kBeeSeqMax = (std::uint64_t{1} << 53) - 1;

// Where a child node is: level number `offset` of the block `seq`.
struct BeeChild {
  std::uint64_t seq = 0;
  std::uint64_t offset = 0;

  bool operator==(const BeeChild&) const = default;
};

// One tree node. `keys` are the sequence numbers of the blocks that hold the keys. Decoded: at most
// kBeeMaxKeys keys; no children (a leaf) or one more than keys; a leaf may be empty
// (the root of an empty tree), an inner node never is; every seq in 1..kBeeSeqMax.
struct BeeLevel {
  std::vector<std::uint64_t> keys;
  std::vector<BeeChild> children;

  bool is_leaf() const { return children.empty(); }
  bool operator==(const BeeLevel&) const = default;
};

struct BeeNode {
  Bytes key;
  std::optional<Bytes> value;
  std::vector<BeeLevel> levels;

  bool operator==(const BeeNode&) const = default;
};

struct BeeHeader {
  std::optional<Bytes> content_feed;
  std::optional<Bytes> user_data;

  bool operator==(const BeeHeader&) const = default;
};

Bytes EncodeBeeNode(const BeeNode& node);
// kInvalidArgument names what is wrong; unknown fields are skipped as JavaScript does.
Result<BeeNode> DecodeBeeNode(ByteView block);

// The header always carries Metadata, empty or not, as hyperdrive writes it.
Bytes EncodeBeeHeader(const BeeHeader& header);
Result<BeeHeader> DecodeBeeHeader(ByteView block);

}  // namespace hnx::hyper
