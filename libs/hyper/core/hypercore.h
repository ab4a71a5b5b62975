// Hypercore: the one writer of a signed, append-only log of blocks, in the Hypercore 10 files
// (docs/formats/hypercore-oplog.md, -tree.md, -bitfield.md). JavaScript's hypercore 10 opens the
// same files.
//
// Durability. Appending is two steps: blocks are staged (hashed and written to `data` beyond the
// committed length), then any number of them are committed together:
//
//   PrepareCommit    fdatasync of `data`
//   CommitPrepared   one oplog entry {nodes, signed upgrade, bitfield}; fdatasync of `oplog`
//
// The head that CommitPrepared returns is durable; no head is ever given out before. After a crash
// the core opens at the last committed length and the staged bytes are cut off. After
// kOplogEntriesBytesMax of entries tree and bitfield are brought up to date and the entries
// dropped, synced in an order in which every crash leaves a core that opens.
//
// An fsync that fails ends the process. Any other failed write (a full disk) is an Error, and the
// core goes on from its last committed state; if even that is impossible, every later call returns
// kFailedPrecondition and the core must be opened again.
//
// Memory: roots, entries not yet flushed and a few pages of tree and bitfield; staged blocks cost
// about 0.2 % of their bytes. Nothing grows with the size of the core.
//
// Threads: one thread at a time owns a Hypercore and its StagedAppend. Readers are other objects
// (core_reader.h), in other threads or processes. There must be one writer per core:
// FlatCoreStorage holds a lock, as does the Corestore.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "hyper/codec/index_types.h"
#include "hyper/core/audit.h"
#include "hyper/core/core_head.h"
#include "hyper/core/core_storage.h"
#include "hyper/core/keys.h"
#include "hyper/core/manifest.h"
#include "hyper/core/proof_builder.h"

namespace hnx::hyper {

// The block size of streamed content; the last block of an append is shorter.
inline constexpr std::size_t kStagedBlockBytes = std::size_t{64} << 10;
// Entries that the oplog gathers before it is flushed.
inline constexpr std::uint64_t kOplogEntriesBytesMax = std::uint64_t{64} << 10;
// Staged and uncommitted bytes (their nodes are in memory, about 0.2 %).
inline constexpr std::uint64_t kStagedBytesMax = std::uint64_t{64} << 30;

struct UserDataItem {
  std::string key;
  Bytes value;

  friend bool operator==(const UserDataItem&, const UserDataItem&) = default;
};

// The keys under which corestore 6 notes the name of a named core.
inline constexpr std::string_view kUserDataName = "corestore/name";
inline constexpr std::string_view kUserDataNamespace = "corestore/namespace";

struct NewCore {
  Manifest manifest;
  KeyPair key_pair;  // of one of the manifest's signers
  std::vector<UserDataItem> user_data;
};

struct StagedRange {
  BlockRange blocks;
  ByteRange bytes;
};

class Hypercore;

// Streams bytes into the uncommitted tail of `data`, cut into blocks of kStagedBlockBytes.
// Destroyed without Finish it aborts. The Hypercore must outlive it.
class StagedAppend {
 public:
  StagedAppend(StagedAppend&& other) noexcept;
  StagedAppend& operator=(StagedAppend&& other) noexcept;
  StagedAppend(const StagedAppend&) = delete;
  StagedAppend& operator=(const StagedAppend&) = delete;
  ~StagedAppend();

  // After an error only Abort makes sense.
  Result<void> Write(ByteView bytes);
  // Keeps the blocks staged: the next commit takes them. No bytes are no blocks.
  Result<StagedRange> Finish();
  // Cuts off what this append wrote, at once.
  Result<void> Abort();

  // Where the first block and the first byte are (or will be).
  BlockIndex first_block() const;
  ByteOffset first_byte() const;
  std::uint64_t bytes_written() const;

 private:
  friend class Hypercore;
  struct State;
  explicit StagedAppend(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// What opening had to put right: traces of a crash, or of damage.
struct OpenReport {
  std::uint64_t oplog_bytes_cut = 0;  // a torn entry, or entries of an older header
  std::uint64_t data_bytes_cut = 0;   // staged and never committed
  bool header_slot_torn = false;

  friend bool operator==(const OpenReport&, const OpenReport&) = default;
};

class Hypercore {
 public:
  // Makes an empty core and makes it durable. kAlreadyExists: there is one. kInvalidArgument: the
  // key pair is of no signer of the manifest.
  static Result<std::unique_ptr<Hypercore>> Create(std::unique_ptr<CoreStorage> storage,
                                                   NewCore core);
  // kNotFound: no core there. kDataLoss: its files contradict one another or its signature; nothing
  // was changed then.
  static Result<std::unique_ptr<Hypercore>> Open(std::unique_ptr<CoreStorage> storage);
  // Opens a copy of a core of our own that was filled from peers (replica_core.h), with gaps or
  // without, and gives it its secret key: from here on it is written here. Blocks that are missing
  // stay absent; appending needs none of them. Idempotent. kFailedPrecondition: a core of somebody
  // else, of another fork than 0, or with a signature that this key pair does not give.
  static Result<std::unique_ptr<Hypercore>> TakeOver(std::unique_ptr<CoreStorage> storage,
                                                     NewCore core);
  // Does not flush: everything acknowledged is durable already.
  ~Hypercore();
  Hypercore(const Hypercore&) = delete;
  Hypercore& operator=(const Hypercore&) = delete;

  const CoreKey& key() const;
  const DiscoveryKey& discovery_key() const;
  // None only for cores that other software made.
  const std::optional<Manifest>& manifest() const;
  // Whether the secret key is there; without it nothing can be appended.
  bool writable() const;
  // A copy, for a further core that is signed with the same key. kFailedPrecondition: not writable.
  Result<KeyPair> CloneKeyPair() const;
  const std::vector<UserDataItem>& user_data() const;
  const OpenReport& open_report() const;
  // Where the files are.
  std::string name() const;

  // The committed, durable state.
  const CoreHead& head() const;
  std::uint64_t length() const { return head().length; }
  std::uint64_t byte_length() const { return head().byte_length; }
  // With what is staged.
  std::uint64_t staged_length() const;
  std::uint64_t staged_byte_length() const;

  // -- Appending

  // Begins a streamed append after everything staged so far. kFailedPrecondition: another one is
  // open, or the core is not writable.
  Result<StagedAppend> Stage();
  // Stages whole blocks, each view one block (empty ones too), written with one write.
  Result<StagedRange> StageBlocks(std::span<const ByteView> blocks);
  // Cuts off everything that is staged; no streamed append may be open.
  Result<void> DropStaged();

  // PrepareCommit syncs the data of what is staged. It touches nothing else, so two cores may
  // prepare on two threads.
  Result<void> PrepareCommit();
  // Commits exactly what was prepared: kFailedPrecondition when blocks were staged since, or a
  // streamed append is open. With nothing staged it returns the head as it is.
  Result<CoreHead> CommitPrepared();
  // Both.
  Result<CoreHead> Commit();
  // StageBlocks and Commit.
  Result<CoreHead> Append(std::span<const ByteView> blocks);

  // Cuts the committed core back to `length`, under the same fork. Only for a tail of which nobody
  // was told: peers that saw it would hold this core for forged for ever. Nothing may be staged.
  // kUnavailable: a reader holds a part of it locked.
  Result<CoreHead> CutUnannouncedTail(std::uint64_t length);

  // -- Reading (committed blocks)

  Result<bool> Has(BlockIndex block);
  // kOutOfRange beyond the length, kNotFound when cleared, kDataLoss when the bytes are not those
  // that were signed (checked up to the signed roots).
  Result<Bytes> Get(BlockIndex block);
  // Committed bytes, as they are in `data`: unverified, and zeros where blocks were cleared.
  Result<void> ReadBytes(ByteOffset at, std::span<std::byte> out);
  // Where a block lies.
  Result<ByteRange> Locate(BlockIndex block);
  // The tree hash that this core had at an earlier length; none when a node of it is not here.
  // kOutOfRange beyond the length.
  Result<std::optional<Hash>> TreeHashAt(std::uint64_t length);
  // Answers a peer's request from the committed state; see BuildProof.
  Result<Proof> Prove(const ProofRequest& request, BlockBytes block_bytes = BlockBytes::kRead);

  // -- Space

  // Forgets the bytes of the blocks and gives their space back; the tree stays. `wait`: what to do
  // while readers hold a part locked; with kFail kUnavailable says so and nothing has changed.
  Result<void> Clear(BlockRange blocks, LockWait wait = LockWait::kFail);

  // -- Upkeep

  // An entry of the header, kept with the core; an empty value removes it. Durable on return.
  Result<void> SetUserData(std::string_view key, ByteView value);
  // Brings tree and bitfield up to date and empties the oplog; happens by itself, too.
  Result<void> Flush();
  // Flushes, then checks every byte of the four files; see audit.h.
  Result<AuditReport> Audit();

 private:
  friend class StagedAppend;
  class Impl;
  explicit Hypercore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hnx::hyper
