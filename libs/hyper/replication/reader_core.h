// ReaderCore: serves the files of a core that somebody writes, in this process or another one,
// through a view of its own (CoreReader).
//
// Which head is announced is a rule of the caller's:
//   kAccepted  only a head that SetAccepted was given. For drives with a coordinator: a head is
//   told
//              to peers when it is durable and the coordinator has accepted it, never before. Until
//              the first one, the core is announced as empty.
//   kNewest    each durable head that Refresh finds. For cores whose writer answers to nobody, and
//              for copies.
// The view may stand at a longer tree than the announced head; proofs are made from the latter.
//
// Threads: that of the Replicator.
#pragma once

#include <memory>

#include "base/result.h"
#include "hyper/core/core_reader.h"
#include "hyper/replication/served_core.h"

namespace hnx::hyper {

enum class HeadRule { kAccepted, kNewest };

class ReaderCore final : public ServedCore {
 public:
  // Errors as CoreReader::Open.
  static Result<std::unique_ptr<ReaderCore>> Open(std::unique_ptr<CoreStorage> storage,
                                                  HeadRule rule);

  // The head that may be announced from now on. kFailedPrecondition: the files do not reach that
  // far, or the head is shorter than the announced one. kDataLoss: it is not the signed tree of
  // these files.
  Result<void> SetAccepted(const CoreHead& head);
  // Looks at the files; true when something changed (head, or blocks that were cleared).
  Result<bool> Refresh();
  HeadRule rule() const { return rule_; }

  const CoreKey& key() const override { return reader_->key(); }
  bool has_manifest() const override { return reader_->manifest().has_value(); }
  const CoreHead& head() const override { return head_; }
  std::uint64_t contiguous_length() override { return contiguous_; }
  Result<BlockIndex> NextPresent(BlockRange range) override;
  Result<BlockIndex> NextAbsent(BlockRange range) override;
  Result<Proof> Prove(const ProofRequest& request) override;
  Result<std::optional<TreeConflict>> JudgeConflict(const Proof& proof,
                                                    std::uint64_t remote_length) override;
  Result<void> ReadBlock(const BlockProof& block, std::span<std::byte> out) override;

 private:
  ReaderCore(std::unique_ptr<CoreReader> reader, HeadRule rule)
      : reader_(std::move(reader)), rule_(rule) {}

  // The first block of the range whose presence is `present`.
  Result<BlockIndex> Next(bool present, BlockRange range);
  Result<void> UpdateContiguous();

  std::unique_ptr<CoreReader> reader_;
  const HeadRule rule_;
  CoreHead head_;
  std::uint64_t contiguous_ = 0;
};

}  // namespace hnx::hyper
