// RecordedCore: a core whose files one process writes, whoever signs it: what Hypercore (our own
// cores) and ReplicaCore (those of others) have in common. Its state is what CoreView says; every
// change is an entry of the oplog first.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "hyper/core/core_storage.h"
#include "hyper/core/core_view.h"
#include "hyper/core/hypercore.h"
#include "hyper/core/oplog.h"
#include "hyper/core/record_work.h"

namespace hnx::hyper {

class RecordedCore {
 public:
  RecordedCore(std::unique_ptr<CoreStorage> storage_in, std::unique_ptr<CoreView> view_in,
               OplogWriter oplog_in)
      : storage(std::move(storage_in)), view(std::move(view_in)), oplog(oplog_in) {}

  // Makes the files of an empty core under this header, durable. kAlreadyExists: there is a core.
  static Result<OplogWriter> MakeFiles(CoreStorage& files, OplogHeader& header);

  // kFailedPrecondition after a failure that left the files in a state we do not know.
  Result<void> Usable() const;
  Error OutOfOrder(const std::string& what) const;

  // Appends the entries to the oplog as one group and syncs it; then they are true. `tree` is the
  // tree after them. A crash leaves all or none.
  Result<void> Record(std::span<const OplogEntry> entries, const MerkleTree& tree);
  // The same in three steps: Begin, RecordWork::Run on any thread, End. Nothing else is recorded,
  // flushed or cleared between them. A flush that is due goes before it.
  std::unique_ptr<RecordWork> BeginRecord(std::vector<OplogEntry> entries, bool sync_data);
  Result<void> EndRecord(const RecordWork& work, const MerkleTree& tree);
  // A flush that fails is told to the log only: what was recorded stands, and the next one tries
  // again.
  void FlushIfDue();
  Result<void> Flush();
  // After loading: cuts off what a crash left behind, and makes durable what was read.
  Result<void> Repair();
  // Hypercore::Clear.
  Result<void> Clear(BlockRange blocks, LockWait wait);

  std::unique_ptr<CoreStorage> storage;
  std::unique_ptr<CoreView> view;
  OplogWriter oplog;
  OpenReport report;
  bool holes_unsynced = false;
  bool broken = false;

 private:
  Result<void> Apply(std::span<const OplogEntry> entries, const MerkleTree& tree);
  // Tree and bitfield, not synced.
  Result<void> WritePending();
  void WarnUnflushed(const Error& why) const;
  Result<void> CheckDataLength() const;
  // Punches the bytes of absent blocks, and absent neighbours that share their pages of the disk.
  Result<void> Punch(BlockRange blocks, const ByteRange& bytes);
  Result<void> PunchDropped(BlockRange blocks);
  // How far a hole may reach on either side.
  Result<ByteOffset> HoleBegin(BlockIndex edge, ByteOffset at_edge) const;
  Result<ByteOffset> HoleEnd(BlockIndex edge, ByteOffset at_edge) const;
};

}  // namespace hnx::hyper
