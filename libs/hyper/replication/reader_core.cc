#include "hyper/replication/reader_core.h"

#include <algorithm>
#include <string>
#include <utility>
#include <variant>

#include "hyper/core/tree_signature.h"

namespace hnx::hyper {

Result<std::unique_ptr<ReaderCore>> ReaderCore::Open(std::unique_ptr<CoreStorage> storage,
                                                     HeadRule rule) {
  HNX_ASSIGN_OR_RETURN(std::unique_ptr<CoreReader> reader, CoreReader::Open(std::move(storage)));
  auto core = std::unique_ptr<ReaderCore>(new ReaderCore(std::move(reader), rule));
  if (rule == HeadRule::kNewest) {
    core->head_ = core->reader_->head();
    HNX_TRY(core->UpdateContiguous());
  } else {
    core->head_.fork = core->reader_->head().fork;
  }
  return core;
}

Result<void> ReaderCore::SetAccepted(const CoreHead& head) {
  const std::string object = "announce head " + std::to_string(head.length) + " of core " +
                             CoreKeyId(key()) + " in " + reader_->name();
  HNX_TRY(reader_->Refresh());
  if (head.length < head_.length || head.fork != reader_->head().fork) {
    return FailedPrecondition(object + ": length " + std::to_string(head_.length) + ", fork " +
                              std::to_string(reader_->head().fork) + " was announced already");
  }
  if (head.length > reader_->length()) {
    return FailedPrecondition(object + ": the files have " + std::to_string(reader_->length()) +
                              " blocks");
  }
  const Result<void> verified = VerifyTree({key(), reader_->manifest()}, head);
  if (!verified) {
    return verified.error().Annotate(object);
  }
  HNX_ASSIGN_OR_RETURN(const CoreHead here, reader_->HeadAt(head.length));
  if (here.tree_hash != head.tree_hash) {
    return DataLoss(object + ": the files have another tree at that length");
  }
  head_ = head;
  return UpdateContiguous();
}

Result<bool> ReaderCore::Refresh() {
  HNX_ASSIGN_OR_RETURN(const bool changed, reader_->Refresh());
  if (!changed) {
    return false;
  }
  if (rule_ == HeadRule::kNewest) {
    head_ = reader_->head();
  }
  HNX_TRY(UpdateContiguous());
  return true;
}

Result<void> ReaderCore::UpdateContiguous() {
  HNX_ASSIGN_OR_RETURN(const BlockIndex gap,
                       reader_->Find(false, {BlockIndex(0), BlockIndex(head_.length)}));
  contiguous_ = gap.value();
  return {};
}

Result<BlockIndex> ReaderCore::Next(bool present, BlockRange range) {
  const BlockIndex end = std::min(range.end, BlockIndex(head_.length));
  if (range.begin >= end) {
    return present ? range.end : range.begin;
  }
  HNX_ASSIGN_OR_RETURN(const BlockIndex found, reader_->Find(present, {range.begin, end}));
  return found == end && present ? range.end : found;
}

Result<BlockIndex> ReaderCore::NextPresent(BlockRange range) {
  return Next(true, range);
}

Result<BlockIndex> ReaderCore::NextAbsent(BlockRange range) {
  return Next(false, range);
}

Result<Proof> ReaderCore::Prove(const ProofRequest& request) {
  return reader_->ProveAt(head_, request);
}

Result<std::optional<TreeConflict>> ReaderCore::JudgeConflict(const Proof& proof,
                                                              std::uint64_t remote_length) {
  const CoreHead& ours = reader_->head();
  if (ours.length == 0 || remote_length == 0) {
    return std::optional<TreeConflict>();
  }
  HNX_ASSIGN_OR_RETURN(ProofVerdict verdict,
                       reader_->Judge(ConflictProbe(ours, remote_length), proof));
  auto* const conflict = std::get_if<TreeConflict>(&verdict);
  return conflict == nullptr ? std::optional<TreeConflict>() : std::move(*conflict);
}

Result<void> ReaderCore::ReadBlock(const BlockProof& block, std::span<std::byte> out) {
  HNX_TRY(reader_->ReadBytes(block.bytes.begin, out));
  HNX_ASSIGN_OR_RETURN(const bool still_there, reader_->StillThere(block.index, block.bytes));
  if (!still_there) {
    return NotFound("core " + CoreKeyId(key()) + ": block " + std::to_string(block.index.value()) +
                    " was cleared");
  }
  return {};
}

}  // namespace hnx::hyper
