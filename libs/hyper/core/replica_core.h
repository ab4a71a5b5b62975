// ReplicaCore: a core of somebody else, filled with what peers prove, in any order and with gaps,
// in the same Hypercore 10 files as a core of our own (hypercore.h). JavaScript's hypercore 10
// opens them; CoreReader reads them live.
//
//   Receive   judges a peer's answer; when it is true, writes the block's bytes to their place in
//             `data` (nobody sees them) and keeps the nodes: they are staged
//   Commit    fdatasync of `data`, the entries of all that is staged, fdatasync of `oplog`: from
//             here on the blocks are there, now and after a crash
//
// What is staged counts when further answers are judged, so answers may come in any order. A crash
// loses what is staged and nothing else. An fsync that fails ends the process.
//
// Nothing but the core key is trusted: the manifest is learnt from the first peer and checked
// against the key. A higher fork or a second tree under a signature is reported and never stored.
//
// Memory: roots, staged nodes (kReplicaStagedBlocksMax), entries not yet flushed, a few pages of
// tree and bitfield. Nothing grows with the size of the core.
//
// Threads: one at a time. One writer per folder: FlatCoreStorage holds the lock.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "hyper/codec/index_types.h"
#include "hyper/core/core_head.h"
#include "hyper/core/core_storage.h"
#include "hyper/core/hypercore.h"
#include "hyper/core/proof.h"
#include "hyper/core/proof_builder.h"
#include "hyper/core/proof_verifier.h"
#include "hyper/core/record_work.h"

namespace hnx::hyper {

// Staged and uncommitted: when one of them is reached, full().
inline constexpr std::uint64_t kReplicaStagedBytesMax = std::uint64_t{64} << 20;
inline constexpr std::size_t kReplicaStagedBlocksMax = 8192;
inline constexpr std::size_t kReplicaStagedNodesMax = std::size_t{64} << 10;
// Staged since the last commit was begun: when one of them is reached, commit_due().
inline constexpr std::uint64_t kReplicaCommitBytes = std::uint64_t{8} << 20;
inline constexpr std::size_t kReplicaCommitBlocks = 1024;
inline constexpr std::size_t kReplicaCommitNodes = std::size_t{8} << 10;

// What of a proof was new and is staged.
struct ProofStaged {
  std::optional<BlockIndex> block;  // none when we have it already
  bool upgraded = false;
  bool manifest = false;
};

using ReceiveVerdict = std::variant<ProofStaged, ProofRefused, ProofStale, ForkAhead, TreeConflict>;

class ReplicaCore {
 public:
  // Makes an empty core of which only the key is known, and makes it durable. kAlreadyExists: there
  // is a core.
  static Result<std::unique_ptr<ReplicaCore>> Create(std::unique_ptr<CoreStorage> storage,
                                                     const CoreKey& key);
  // kNotFound: no core there. kDataLoss: its files contradict one another or its signature; nothing
  // was changed. kFailedPrecondition: it is a core of our own (its secret key is there), to be
  // opened as a Hypercore.
  static Result<std::unique_ptr<ReplicaCore>> Open(std::unique_ptr<CoreStorage> storage);
  ~ReplicaCore();
  ReplicaCore(const ReplicaCore&) = delete;
  ReplicaCore& operator=(const ReplicaCore&) = delete;

  const CoreKey& key() const;
  const DiscoveryKey& discovery_key() const;
  // None until the first upgrade (and for ever with cores whose key is the public key).
  const std::optional<Manifest>& manifest() const;
  const OpenReport& open_report() const;
  std::string name() const;

  // The committed, durable state: this is what may be announced.
  const CoreHead& head() const;
  std::uint64_t length() const { return head().length; }
  std::uint64_t byte_length() const { return head().byte_length; }
  // With what is staged: requests start from here.
  const CoreHead& staged_head() const;

  // -- What is there, and what to ask for

  // Committed blocks. Beyond the length nothing is there.
  Result<bool> Has(BlockIndex block);
  Result<bool> HasAll(BlockRange blocks);
  // Committed blocks below which there is no gap.
  std::uint64_t contiguous_length() const;
  // The first committed block of the range that is there / is not there; blocks.end when there is
  // none. The range may reach beyond the length (nothing is there).
  Result<BlockIndex> NextPresent(BlockRange blocks);
  Result<BlockIndex> NextAbsent(BlockRange blocks);
  // The first block of the range that is neither committed nor staged.
  Result<BlockIndex> NextMissing(BlockRange blocks);

  // Requests with the right node counts for what we have now, of our fork; at length 0 the caller
  // puts the peer's fork. A block beyond staged_head() is asked for together with an upgrade to
  // `remote_length`.
  Result<ProofRequest> RequestBlock(BlockIndex block, std::uint64_t remote_length);
  // kInvalidArgument when remote_length is not greater than ours.
  Result<ProofRequest> RequestUpgrade(std::uint64_t remote_length);
  // Nodes that are missing from `node` (included) up to one that we have.
  Result<std::uint64_t> MissingNodes(TreeIndex node);

  // -- Filling

  // Judges and stages. The block's bytes may be borrowed. Errors are trouble of our own; after one
  // nothing of this proof is staged. kResourceExhausted: full(), commit first. `leaf_hash`:
  // LeafHash of the block, when the caller has computed it.
  Result<ReceiveVerdict> Receive(const ProofRequest& request, const Proof& proof,
                                 const Hash* leaf_hash = nullptr);
  // The blocks that this commit made present: in order, merged.
  struct Committed {
    CoreHead head;
    std::vector<BlockRange> blocks;
  };
  Result<Committed> Commit();
  // The same in three steps, so that what waits for the disk (CommitWork::Run) may be done on
  // another thread while this one receives, reads and serves. Between the steps nothing else may be
  // committed, flushed, cleared or dropped (kFailedPrecondition). Null: nothing was staged. The
  // work must be ended before the core goes. After an error of EndCommit everything is staged
  // still.
  using CommitWork = RecordWork;
  Result<std::unique_ptr<CommitWork>> BeginCommit();
  Result<Committed> EndCommit(const CommitWork& work);
  // Apart from what a commit under way holds.
  bool anything_staged() const;
  bool commit_due() const;
  bool full() const;
  // Uncommitted.
  std::uint64_t staged_bytes() const;
  Result<void> DropStaged();

  // -- Reading and serving (committed blocks)

  // As Hypercore: kOutOfRange, kNotFound (not here), kDataLoss.
  Result<Bytes> Get(BlockIndex block);
  // The same for blocks that are staged, too.
  Result<Bytes> GetStaged(BlockIndex block);
  // kNotFound when the nodes that tell are not here (they are for every block that is).
  Result<ByteRange> Locate(BlockIndex block);
  Result<void> ReadBytes(ByteOffset at, std::span<std::byte> out);
  Result<Proof> Prove(const ProofRequest& request, BlockBytes block_bytes = BlockBytes::kRead);

  // -- Space and upkeep

  // As Hypercore::Clear: the blocks become absent, their space goes back, the tree stays.
  // kFailedPrecondition: blocks are staged.
  Result<void> Clear(BlockRange blocks, LockWait wait = LockWait::kFail);
  Result<void> Flush();
  // Flushes, then checks what is there.
  Result<AuditReport> Audit();

 private:
  class Impl;
  explicit ReplicaCore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hnx::hyper
