// CoreView: what the four files of a core say together, verified: the oplog's header and entries
// laid over tree and bitfield. The writer keeps it up to date; a reader loads it anew when the
// files changed.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "hyper/core/bitfield.h"
#include "hyper/core/core_head.h"
#include "hyper/core/core_storage.h"
#include "hyper/core/merkle_tree.h"
#include "hyper/core/oplog.h"
#include "hyper/core/tree_signature.h"
#include "hyper/core/tree_store.h"

namespace hnx::hyper {

class CoreView {
 public:
  // Reads and verifies; changes nothing. Errors as ReadOplog, and kDataLoss when the roots, the
  // tree hash or the signature do not fit. `storage` must outlive the view.
  static Result<std::unique_ptr<CoreView>> Load(CoreStorage& storage);
  // As Load, without looking whether tree and signature fit: for an audit. The tree is empty.
  static Result<std::unique_ptr<CoreView>> LoadUnverified(CoreStorage& storage,
                                                          OplogContent content);
  // For a core that was just made: an empty tree under this header.
  static std::unique_ptr<CoreView> Empty(CoreStorage& storage, OplogHeader header);

  const CoreIdentity& identity() const { return identity_; }
  const DiscoveryKey& discovery_key() const { return discovery_key_; }
  const CoreHead& head() const { return head_; }
  const MerkleTree& tree() const { return tree_; }
  OplogHeader& header() { return header_; }
  const OplogHeader& header() const { return header_; }
  TreeStore& nodes() { return nodes_; }
  Bitfield& bits() { return bits_; }
  // The oplog as it was loaded; its entries were taken out.
  const OplogContent& loaded() const { return loaded_; }

  // What a peer taught us of who may sign; it must be the manifest that the key names.
  void LearnManifest(Manifest manifest);

  // An entry that is in the oplog now. `tree` is the tree after it (when it has an upgrade).
  Result<void> Apply(const OplogEntry& entry, MerkleTree tree);

  Result<bool> Has(BlockIndex block);
  // kOutOfRange, and kNotFound for an absent block when the nodes that tell are not here.
  Result<ByteRange> Locate(BlockIndex block);
  // The block, checked up to the signed roots. kOutOfRange, kNotFound (cleared), kDataLoss.
  Result<Bytes> Get(BlockIndex block);
  Result<void> ReadBytes(ByteOffset at, std::span<std::byte> out);

 private:
  CoreView(CoreStorage& storage, OplogHeader header);

  // Everything of an entry but its tree.
  Result<void> Overlay(const OplogEntry& entry);
  Result<void> ExtendContiguous();
  Result<void> VerifyLoaded();
  Result<Bytes> GetOnce(BlockIndex block);
  // Head and header say what the tree says.
  void FollowTree();

  CoreStorage& storage_;
  OplogHeader header_;
  CoreIdentity identity_;
  DiscoveryKey discovery_key_;
  CoreHead head_;
  MerkleTree tree_;
  TreeStore nodes_;
  Bitfield bits_;
  OplogContent loaded_;
  std::uint64_t length_max_ = 0;  // the greatest that header and loaded entries told of
};

}  // namespace hnx::hyper
