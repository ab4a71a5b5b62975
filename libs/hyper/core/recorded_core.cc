#include "hyper/core/recorded_core.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/crash_point.h"
#include "base/log.h"

namespace hnx::hyper {
namespace {

// How many absent blocks at its end may be missing from a file before it counts as too short
// without a look at each; a block that is missing in spite of it is found when it is read.
constexpr int kTailBlocksMax = 1 << 20;
// A hole frees whole pages of the file system only, so it is extended over absent neighbours: as
// far as a page may reach, and over no more blocks than this.
constexpr std::uint64_t kHoleReachBytes = std::uint64_t{64} << 10;
constexpr std::uint64_t kHoleNeighboursMax = 1024;

}  // namespace

Result<OplogWriter> RecordedCore::MakeFiles(CoreStorage& files, OplogHeader& header) {
  Result<OplogContent> existing = ReadOplog(files);
  if (existing) {
    return Error{ErrorCode::kAlreadyExists, "create core " + files.Name() + ": there is one"};
  }
  if (existing.error().code != ErrorCode::kNotFound) {
    return std::move(existing).error();
  }
  // What a creation that did not come to its end left behind.
  for (const CoreFile file :
       {CoreFile::kOplog, CoreFile::kTree, CoreFile::kBitfield, CoreFile::kData}) {
    HNX_TRY(files.Truncate(file, 0));
    files.Sync(file);
  }
  OplogWriter oplog(files);
  HNX_TRY(oplog.WriteHeader(header));
  return oplog;
}

Error RecordedCore::OutOfOrder(const std::string& what) const {
  return FailedPrecondition("core " + storage->Name() + ": " + what);
}

Result<void> RecordedCore::Usable() const {
  if (broken || oplog.broken()) {
    return OutOfOrder("an earlier write failed half way; open the core again");
  }
  return {};
}

Result<void> RecordedCore::Record(std::span<const OplogEntry> entries, const MerkleTree& tree) {
  HNX_TRY(oplog.Append(entries));
  CrashPoint("hypercore.after_oplog_write");
  storage->Sync(CoreFile::kOplog);
  CrashPoint("hypercore.after_oplog_sync");
  return Apply(entries, tree);
}

std::unique_ptr<RecordWork> RecordedCore::BeginRecord(std::vector<OplogEntry> entries,
                                                      bool sync_data) {
  auto work = std::make_unique<RecordWork>(*storage, oplog, std::move(entries), sync_data);
  if (oplog.entries_bytes() >= kOplogEntriesBytesMax) {
    if (const Result<void> written = WritePending()) {
      work->FlushFirst(view->header(), holes_unsynced);
    } else {
      WarnUnflushed(written.error());
    }
  }
  return work;
}

Result<void> RecordedCore::EndRecord(const RecordWork& work, const MerkleTree& tree) {
  oplog = work.oplog();
  if (work.has_flush() && work.flushed()) {
    view->nodes().Flushed();
    view->bits().Flushed();
    holes_unsynced = false;
  } else if (work.has_flush()) {
    WarnUnflushed(work.flushed().error());
  }
  HNX_TRY(work.recorded());
  return Apply(work.entries(), tree);
}

Result<void> RecordedCore::Apply(std::span<const OplogEntry> entries, const MerkleTree& tree) {
  for (const OplogEntry& entry : entries) {
    Result<void> applied = view->Apply(entry, tree);
    if (!applied) {
      // The entry is durable: a view without it would sign another tree at its length.
      broken = true;
      return applied;
    }
  }
  return {};
}

void RecordedCore::FlushIfDue() {
  if (oplog.entries_bytes() < kOplogEntriesBytesMax) {
    return;
  }
  if (const Result<void> flushed = Flush(); !flushed) {
    WarnUnflushed(flushed.error());
  }
}

void RecordedCore::WarnUnflushed(const Error& why) const {
  Log("hypercore")
      ->warn("flush core {}: {}; its oplog keeps growing until a flush succeeds", storage->Name(),
             why.message);
}

Result<void> RecordedCore::WritePending() {
  HNX_ASSIGN_OR_RETURN(const DataLock lock,
                       storage->LockData(LockKind::kExclusive, kFlushLockRange, LockWait::kWait));
  HNX_TRY(view->nodes().WritePending());
  CrashPoint("hypercore.during_flush");
  return view->bits().WritePending();
}

// Every step may be the last one before a crash: tree and bitfield are written while the entries
// still repeat them, the header is written when both are on disk, and only then do the entries go.
Result<void> RecordedCore::Flush() {
  HNX_TRY(Usable());
  HNX_TRY(WritePending());
  storage->Sync(CoreFile::kTree);
  storage->Sync(CoreFile::kBitfield);
  if (std::exchange(holes_unsynced, false)) {
    storage->Sync(CoreFile::kData);  // without its entry nobody would punch a lost hole again
  }
  HNX_TRY(oplog.WriteHeader(view->header()));
  CrashPoint("hypercore.after_header_sync");
  view->nodes().Flushed();
  view->bits().Flushed();
  return oplog.DropEntries();
}

Result<void> RecordedCore::CheckDataLength() const {
  HNX_ASSIGN_OR_RETURN(const std::uint64_t data_bytes, storage->Size(CoreFile::kData));
  const CoreHead& head = view->head();
  if (data_bytes >= head.byte_length) {
    return {};
  }
  // A file that ends in absent blocks may be shorter.
  BlockIndex last(head.length);
  for (int i = 0; i < kTailBlocksMax && last > BlockIndex(0); ++i) {
    const BlockIndex block = last - 1;
    last = block;
    HNX_ASSIGN_OR_RETURN(const bool here, view->Has(block));
    if (!here) {
      continue;
    }
    HNX_ASSIGN_OR_RETURN(const ByteRange range, view->Locate(block));
    if (range.end.value() <= data_bytes) {
      return {};
    }
    if (!range.empty()) {
      return DataLoss("core " + storage->Name() + ": data ends at byte " +
                      std::to_string(data_bytes) + ", block " + std::to_string(block.value()) +
                      " reaches to " + std::to_string(range.end.value()));
    }
  }
  return {};
}

Result<void> RecordedCore::Repair() {
  HNX_TRY(CheckDataLength());
  // A process that was killed may have left an entry or a header that we can read and that no sync
  // has reached yet. Whoever asks for our head must find it after a power cut too, and nothing that
  // it makes superfluous may go before it is there to stay.
  for (const CoreFile file :
       {CoreFile::kData, CoreFile::kTree, CoreFile::kBitfield, CoreFile::kOplog}) {
    storage->Sync(file);
  }
  const OplogContent& loaded = view->loaded();
  report.oplog_bytes_cut = loaded.bytes_behind();
  report.header_slot_torn =
      loaded.slots[0] == SlotState::kDamaged || loaded.slots[1] == SlotState::kDamaged;
  if (report.oplog_bytes_cut > 0) {
    HNX_TRY(storage->Truncate(CoreFile::kOplog, loaded.end));
  }
  const std::uint64_t byte_length = view->head().byte_length;
  HNX_ASSIGN_OR_RETURN(const std::uint64_t data_bytes, storage->Size(CoreFile::kData));
  if (data_bytes > byte_length) {
    report.data_bytes_cut = data_bytes - byte_length;
    HNX_TRY(storage->Truncate(CoreFile::kData, byte_length));
  }
  // A crash may have come between the entry that drops blocks and the hole.
  for (const BlockRange& dropped : view->bits().Pending(false)) {
    const BlockIndex end = std::min(dropped.end, BlockIndex(view->head().length));
    if (dropped.begin < end) {
      HNX_TRY(PunchDropped({dropped.begin, end}));
    }
  }
  if (report.header_slot_torn) {
    HNX_TRY(Flush());  // writes just that slot
  }
  return {};
}

Result<ByteOffset> RecordedCore::HoleBegin(BlockIndex edge, ByteOffset at_edge) const {
  const ByteOffset reach = at_edge - std::min(at_edge.value(), kHoleReachBytes);
  const BlockIndex low = edge - std::min(edge.value(), kHoleNeighboursMax);
  HNX_ASSIGN_OR_RETURN(const std::optional<BlockIndex> there,
                       view->bits().FindLastSet({low, edge}));
  if (there) {
    HNX_ASSIGN_OR_RETURN(const ByteRange range, view->Locate(*there));
    return std::max(range.end, reach);
  }
  HNX_ASSIGN_OR_RETURN(const std::optional<ByteRange> range,
                       view->nodes().TryLocate(view->tree(), low));
  return range ? std::max(range->begin, reach) : at_edge;
}

Result<ByteOffset> RecordedCore::HoleEnd(BlockIndex edge, ByteOffset at_edge) const {
  const ByteOffset reach(std::min(at_edge.value() + kHoleReachBytes, view->head().byte_length));
  const BlockIndex high(std::min(edge.value() + kHoleNeighboursMax, view->head().length));
  HNX_ASSIGN_OR_RETURN(const BlockIndex there, view->bits().Find(true, {edge, high}));
  HNX_ASSIGN_OR_RETURN(const std::optional<ByteRange> range,
                       view->nodes().TryLocate(view->tree(), there));
  return range ? std::min(range->begin, reach) : at_edge;
}

Result<void> RecordedCore::Punch(BlockRange blocks, const ByteRange& bytes) {
  HNX_ASSIGN_OR_RETURN(const ByteOffset from, HoleBegin(blocks.begin, bytes.begin));
  HNX_ASSIGN_OR_RETURN(const ByteOffset to, HoleEnd(blocks.end, bytes.end));
  if (from >= to) {
    return {};
  }
  HNX_TRY(storage->PunchHole(CoreFile::kData, from.value(), to - from));
  holes_unsynced = true;
  return {};
}

Result<void> RecordedCore::PunchDropped(BlockRange blocks) {
  // In a sparse tree the place of blocks at the edges that were never here may be unknown.
  std::optional<ByteRange> first;
  for (std::uint64_t i = 0; i < kHoleNeighboursMax && blocks.begin < blocks.end; ++i) {
    HNX_ASSIGN_OR_RETURN(first, view->nodes().TryLocate(view->tree(), blocks.begin));
    if (first) {
      break;
    }
    ++blocks.begin;
  }
  std::optional<ByteRange> last;
  for (std::uint64_t i = 0; i < kHoleNeighboursMax && blocks.begin < blocks.end; ++i) {
    HNX_ASSIGN_OR_RETURN(last, view->nodes().TryLocate(view->tree(), blocks.end - 1));
    if (last) {
      break;
    }
    blocks.end = blocks.end - 1;
  }
  if (!first || !last) {
    return {};  // the hole stays unpunched: space lost, nothing else
  }
  return Punch(blocks, {first->begin, last->end});
}

Result<void> RecordedCore::Clear(BlockRange blocks, LockWait wait) {
  HNX_TRY(Usable());
  const std::uint64_t length = view->head().length;
  if (blocks.begin > blocks.end || blocks.end.value() > length) {
    return Error{ErrorCode::kOutOfRange, "clear blocks " + std::to_string(blocks.begin.value()) +
                                             " to " + std::to_string(blocks.end.value()) +
                                             " of core " + storage->Name() + ": it has " +
                                             std::to_string(length)};
  }
  HNX_ASSIGN_OR_RETURN(const BlockIndex first, view->bits().Find(true, blocks));
  if (first == blocks.end) {
    return {};
  }
  HNX_ASSIGN_OR_RETURN(const std::optional<BlockIndex> last,
                       view->bits().FindLastSet({first, blocks.end}));
  HNX_CHECK(last.has_value());
  HNX_ASSIGN_OR_RETURN(const ByteRange from, view->Locate(first));
  HNX_ASSIGN_OR_RETURN(const ByteRange to, view->Locate(*last));
  const ByteRange bytes{from.begin, to.end};
  // Held from before the drop can be seen until the bytes are gone: a reader that gets its lock
  // sees either the blocks with their bytes, or that they are dropped.
  HNX_ASSIGN_OR_RETURN(const DataLock lock, storage->LockData(LockKind::kExclusive, bytes, wait));
  OplogEntry entry;
  entry.bitfield = BitfieldUpdate{true, blocks};
  HNX_TRY(Record({&entry, 1}, view->tree()));
  HNX_TRY(Punch({first, *last + 1}, bytes));
  FlushIfDue();
  return {};
}

}  // namespace hnx::hyper
