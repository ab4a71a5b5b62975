// CoreReader: a live, read-only view of a core while another thread or process appends to, flushes
// and clears it. It writes nothing and needs no lock but the shared one on a range of `data`.
//
// The view stands at one head until Refresh, or a read that says so, moves it. The head may be one
// that the writer's machine would still lose in a power cut, or that was not accepted by whoever
// decides about it: a process that announces heads to others takes them from the writer, not from
// here.
//
// Blocks come verified against the signed roots. A block that the writer cleared in the meantime is
// kNotFound, never zeros.
//
// Threads: one at a time. A DataLock it gave out is independent of it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "hyper/codec/index_types.h"
#include "hyper/core/audit.h"
#include "hyper/core/core_head.h"
#include "hyper/core/core_storage.h"
#include "hyper/core/hypercore.h"
#include "hyper/core/merkle_tree.h"
#include "hyper/core/proof_verifier.h"

namespace hnx::hyper {

class CoreReader {
 public:
  // `storage` needs to be readable only (FlatCoreStorage::OpenReadOnly). kNotFound: no core there.
  // kDataLoss: its newest head does not verify.
  static Result<std::unique_ptr<CoreReader>> Open(std::unique_ptr<CoreStorage> storage);
  ~CoreReader();
  CoreReader(const CoreReader&) = delete;
  CoreReader& operator=(const CoreReader&) = delete;

  // Moves to the newest head and the newest bitfield; true when anything changed since it was
  // called last, also when a read below has seen it already. Two small reads when nothing did. On
  // an error the view stays as it was.
  Result<bool> Refresh();

  const CoreKey& key() const;
  const DiscoveryKey& discovery_key() const;
  const std::optional<Manifest>& manifest() const;
  const std::vector<UserDataItem>& user_data() const;
  std::string name() const;
  // Whether the secret key lies with the core, so that this machine may write it. It is not kept.
  bool secret_key_here() const;

  const CoreHead& head() const;
  // Of the head, verified.
  const std::vector<TreeNode>& roots() const;
  std::uint64_t length() const { return head().length; }
  std::uint64_t byte_length() const { return head().byte_length; }

  Result<bool> Has(BlockIndex block);
  // Whether every block of the range is there.
  Result<bool> HasAll(BlockRange blocks);
  // The first block of the range that is there (or is not); the range's end when there is none.
  Result<BlockIndex> Find(bool present, BlockRange blocks);
  // As Hypercore::Get. When the writer cut or cleared in the meantime the view is refreshed.
  Result<Bytes> Get(BlockIndex block);
  Result<ByteRange> Locate(BlockIndex block);
  // The bytes of a run of blocks.
  Result<ByteRange> Locate(BlockRange blocks);

  // The node as the files have it, unverified; blank when it is not here. For those who check a
  // whole tree from its roots down, instead of each block on its own as Get does.
  Result<TreeNode> Node(TreeIndex index);

  // Answers a peer's request from the head of this view; see BuildProof. With kLocate the caller
  // reads the bytes with ReadBytes and asks StillThere before it sends them: the writer may clear
  // the block meanwhile.
  Result<Proof> Prove(const ProofRequest& request, BlockBytes block_bytes = BlockBytes::kRead);
  // The same from an earlier head of this core: the one that is announced while the writer is
  // further already. Only located, see kLocate.
  Result<Proof> ProveAt(const CoreHead& head, const ProofRequest& request);
  // Judges what a peer says of this core against this view; see VerifyProof. For the proof that its
  // owner signed two trees.
  Result<ProofVerdict> Judge(const ProofRequest& request, const Proof& proof);
  // What the core was at an earlier length, without the signature.
  Result<CoreHead> HeadAt(std::uint64_t length);
  // Refreshes; whether the block is there and still lies at `bytes`.
  Result<bool> StillThere(BlockIndex block, const ByteRange& bytes);

  // Locks the bytes of the blocks against clearing and looks, with the lock held, whether they are
  // all there: kNotFound when not. While the lock lives the bytes can be sent with sendfile(2) from
  // its descriptor; they are not verified. `wait`: clearing is short, so waiting is usual.
  struct LockedBlocks {
    ByteRange bytes;
    DataLock lock;
  };
  Result<LockedBlocks> LockRange(BlockRange blocks, LockWait wait = LockWait::kWait);

  // Bytes of `data` below byte_length(), unverified: only for a range that is locked, or that the
  // caller checks himself.
  Result<void> ReadBytes(ByteOffset at, std::span<std::byte> out);

  Result<AuditReport> Audit(const AuditProgress& progress = {});

 private:
  class Impl;
  explicit CoreReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hnx::hyper
