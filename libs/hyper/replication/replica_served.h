// ReplicaServed: a replica as it is announced and served to others: its committed part.
//
// Threads: that of the Replicator.
#pragma once

#include "hyper/core/replica_core.h"
#include "hyper/replication/served_core.h"

namespace hnx::hyper {

class ReplicaServed final : public ServedCore {
 public:
  // `replica` must outlive it.
  explicit ReplicaServed(ReplicaCore& replica) : replica_(replica) {}

  const CoreKey& key() const override { return replica_.key(); }
  bool has_manifest() const override { return replica_.manifest().has_value(); }
  const CoreHead& head() const override { return replica_.head(); }
  std::uint64_t contiguous_length() override { return replica_.contiguous_length(); }
  Result<BlockIndex> NextPresent(BlockRange range) override { return replica_.NextPresent(range); }
  Result<BlockIndex> NextAbsent(BlockRange range) override { return replica_.NextAbsent(range); }
  Result<Proof> Prove(const ProofRequest& request) override {
    return replica_.Prove(request, BlockBytes::kLocate);
  }
  Result<void> ReadBlock(const BlockProof& block, std::span<std::byte> out) override {
    return replica_.ReadBytes(block.bytes.begin, out);
  }

 private:
  ReplicaCore& replica_;
};

}  // namespace hnx::hyper
