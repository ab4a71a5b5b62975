// ServedCore: one core as peers are told of it and served from it. Three kinds: a folder whose
// writer lives in this process or another one (reader_core.h), and a replica (replica_served.h).
//
// What head() says is announced: it must be durable and, where someone decides about heads,
// accepted. Nothing beyond it ever leaves, not even a hash.
//
// Threads: that of the Replicator.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "base/result.h"
#include "hyper/codec/index_types.h"
#include "hyper/core/core_head.h"
#include "hyper/core/keys.h"
#include "hyper/core/proof.h"
#include "hyper/core/proof_verifier.h"

namespace hnx::hyper {

class ServedCore {
 public:
  ServedCore() = default;
  ServedCore(const ServedCore&) = delete;
  ServedCore& operator=(const ServedCore&) = delete;
  virtual ~ServedCore() = default;

  virtual const CoreKey& key() const = 0;
  virtual bool has_manifest() const = 0;
  virtual const CoreHead& head() const = 0;

  // Blocks below the head: all before this one are there.
  virtual std::uint64_t contiguous_length() = 0;
  // The first block of the range that is there / is not; the range's end when there is none.
  virtual Result<BlockIndex> NextPresent(BlockRange range) = 0;
  virtual Result<BlockIndex> NextAbsent(BlockRange range) = 0;

  // The proof with the place of the block's bytes, not the bytes. Errors as BuildProof.
  virtual Result<Proof> Prove(const ProofRequest& request) = 0;
  // What a peer sent as the proof of a second tree under the owner's signature: none when it proves
  // nothing.
  virtual Result<std::optional<TreeConflict>> JudgeConflict(const Proof& /*proof*/,
                                                            std::uint64_t /*remote_length*/) {
    return std::optional<TreeConflict>();
  }
  // The bytes of a block that Prove located. kNotFound: it was cleared since.
  virtual Result<void> ReadBlock(const BlockProof& block, std::span<std::byte> out) = 0;
};

}  // namespace hnx::hyper
