// What peers ask of one another's trees and what they answer: requests for a block, a node, a byte
// offset or a longer tree, and proofs that lead from there to a signature of the core's owner
// (docs/formats/hypercore-proofs.md). Plain values; the wire (hyper/wire) encodes them, BuildProof
// makes them, VerifyProof judges them.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "hyper/codec/index_types.h"
#include "hyper/core/manifest.h"
#include "hyper/core/merkle_tree.h"

namespace hnx::hyper {

// No list of nodes of a proof is longer: a path has one sibling a level, and a tree one root a bit
// of its length.
inline constexpr std::size_t kProofNodesMax = 128;
// Signatures of a quorum: 255 signers, 75 bytes each at most.
inline constexpr std::size_t kProofSignatureBytesMax = std::size_t{32} << 10;

struct BlockRequest {
  BlockIndex index;
  // How many nodes of the path from the leaf (included) upwards the asker lacks: the proof ends
  // below its `nodes`-th ancestor, which the asker has. Without meaning when the block is above
  // the asker's length (the path then ends in the upgrade).
  std::uint64_t nodes = 0;

  friend bool operator==(const BlockRequest&, const BlockRequest&) = default;
};

struct HashRequest {
  TreeIndex index;
  std::uint64_t nodes = 0;  // as for a block

  friend bool operator==(const HashRequest&, const HashRequest&) = default;
};

// Where is this byte? Comes with a block, a hash or an upgrade, within whose tree it is looked for.
struct SeekRequest {
  std::uint64_t bytes = 0;
  std::uint64_t padding = 0;  // bytes of each block that do not count; 0 but for encrypted cores

  friend bool operator==(const SeekRequest&, const SeekRequest&) = default;
};

// From `start` blocks, which the asker has the roots of, to `start` + `length`.
struct UpgradeRequest {
  std::uint64_t start = 0;
  std::uint64_t length = 0;

  friend bool operator==(const UpgradeRequest&, const UpgradeRequest&) = default;
};

struct ProofRequest {
  std::uint64_t fork = 0;  // the tree that is meant; another one gets no answer
  std::optional<BlockRequest> block;
  std::optional<HashRequest> hash;  // ignored beside a block
  std::optional<SeekRequest> seek;
  std::optional<UpgradeRequest> upgrade;
  bool manifest = false;

  friend bool operator==(const ProofRequest&, const ProofRequest&) = default;
};

// The bytes of a block: its own, or of somebody who outlives it (a receive buffer).
class BlockValue {
 public:
  BlockValue() = default;
  explicit BlockValue(Bytes bytes) : bytes_(std::move(bytes)), owned_(true) {}
  static BlockValue Borrowed(ByteView view) {
    BlockValue value;
    value.view_ = view;
    return value;
  }

  ByteView view() const { return owned_ ? ByteView(bytes_) : view_; }
  bool owned() const { return owned_; }

 private:
  Bytes bytes_;
  ByteView view_;
  bool owned_ = false;
};

struct BlockProof {
  BlockIndex index;
  BlockValue value;
  std::vector<TreeNode> nodes;
  // Set by BuildProof: where the value lies in the server's `data`, so that it can be read straight
  // into the buffer that is sent. Not sent.
  ByteRange bytes;
};

struct HashProof {
  TreeIndex index;
  std::vector<TreeNode> nodes;  // the node itself first
};

struct SeekProof {
  std::uint64_t bytes = 0;
  std::vector<TreeNode> nodes;
};

struct UpgradeProof {
  std::uint64_t start = 0;
  std::uint64_t length = 0;
  std::vector<TreeNode> nodes;
  // From start + length to the length that is signed.
  std::vector<TreeNode> additional_nodes;
  Bytes signature;
};

struct Proof {
  std::uint64_t fork = 0;
  std::optional<BlockProof> block;
  std::optional<HashProof> hash;
  std::optional<SeekProof> seek;
  std::optional<UpgradeProof> upgrade;
  std::optional<Manifest> manifest;

  bool empty() const { return !block && !hash && !seek && !upgrade && !manifest; }
};

}  // namespace hnx::hyper
