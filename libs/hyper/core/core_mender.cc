#include "hyper/core/core_mender.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "hyper/core/bitfield.h"
#include "hyper/core/page_cache.h"
#include "hyper/core/tree_store.h"

namespace hnx::hyper {
namespace {

using Slot = std::array<std::byte, kTreeSlotBytes>;

Slot SlotOf(const TreeNode& node) {
  Slot slot{};
  StoreLe64(node.size, std::span(slot).first<8>());
  std::memcpy(slot.data() + 8, node.hash.bytes.data(), Hash::kSize);
  return slot;
}

Error NotKept(const CoreStorage& files, const std::string& what) {
  return DataLoss("mend " + what + " of core " + files.Name() +
                  ": what was written cannot be read back; check the disk");
}

}  // namespace

Result<std::unique_ptr<CoreReader>> CoreMender::OpenReader() const {
  HNX_ASSIGN_OR_RETURN(auto storage, open_());
  return CoreReader::Open(std::move(storage));
}

Result<Bytes> CoreMender::ReadData(const ByteRange& range) {
  Bytes bytes(range.length());
  HNX_ASSIGN_OR_RETURN(const std::size_t count,
                       files_->Read(CoreFile::kData, range.begin.value(), bytes));
  bytes.resize(count);
  return bytes;
}

// From here on nobody clears it or cuts it off.
Result<std::optional<DataLock>> CoreMender::LockBlock(const AuditFinding& finding) const {
  HNX_ASSIGN_OR_RETURN(const auto reader, OpenReader());
  auto locked = reader->LockRange({finding.block, finding.block + 1});
  if (!locked && (locked.error().code == ErrorCode::kNotFound ||
                  locked.error().code == ErrorCode::kOutOfRange)) {
    return std::optional<DataLock>();
  }
  if (!locked) {
    return locked.error();
  }
  if (locked->bytes != finding.bytes) {
    return std::optional<DataLock>();
  }
  return std::optional<DataLock>(std::move(locked->lock));
}

Result<bool> CoreMender::StillDamaged(const AuditFinding& finding) {
  HNX_ASSIGN_OR_RETURN(const std::optional<DataLock> lock, LockBlock(finding));
  if (!lock) {
    return false;
  }
  HNX_ASSIGN_OR_RETURN(const Bytes now, ReadData(finding.bytes));
  return now.size() != finding.right.size || LeafHash(now) != finding.right.hash;
}

Result<CoreMender::Outcome> CoreMender::MendBlock(const AuditFinding& finding, ByteView bytes) {
  const std::string name = "block " + std::to_string(finding.block.value());
  if (bytes.size() != finding.right.size || LeafHash(bytes) != finding.right.hash) {
    return InvalidArgument("mend " + name + " of core " + files_->Name() +
                           ": these bytes are not what was signed");
  }
  HNX_ASSIGN_OR_RETURN(const std::optional<DataLock> lock, LockBlock(finding));
  if (!lock) {
    return Outcome::kSound;
  }
  HNX_ASSIGN_OR_RETURN(const Bytes now, ReadData(finding.bytes));
  if (std::ranges::equal(now, bytes)) {
    return Outcome::kSound;
  }
  HNX_TRY(files_->Write(CoreFile::kData, finding.bytes.begin.value(), bytes));
  files_->Sync(CoreFile::kData);
  HNX_ASSIGN_OR_RETURN(const Bytes after, ReadData(finding.bytes));
  if (!std::ranges::equal(after, bytes)) {
    return NotKept(*files_, name);
  }
  return Outcome::kMended;
}

Result<CoreMender::Outcome> CoreMender::MendNode(const AuditFinding& finding) {
  HNX_ASSIGN_OR_RETURN(const DataLock lock,
                       files_->LockData(LockKind::kExclusive, kFlushLockRange, LockWait::kWait));
  const std::uint64_t offset = finding.right.index.value() * kTreeSlotBytes;
  Slot slot{};
  HNX_ASSIGN_OR_RETURN(const std::size_t count, files_->Read(CoreFile::kTree, offset, slot));
  (void)count;  // what is missing reads as zeros
  if (slot != SlotOf(finding.seen)) {
    return Outcome::kSound;
  }
  const Slot right = SlotOf(finding.right);
  HNX_TRY(files_->Write(CoreFile::kTree, offset, right));
  files_->Sync(CoreFile::kTree);
  PageCache::DropAll();
  HNX_TRY(ReadExactly(*files_, CoreFile::kTree, offset, slot));
  if (slot != right) {
    return NotKept(*files_, "node " + std::to_string(finding.right.index.value()));
  }
  return Outcome::kMended;
}

Result<CoreMender::Outcome> CoreMender::MendBit(const AuditFinding& finding) {
  if (!finding.present) {
    return MarkAbsent(finding);
  }
  HNX_ASSIGN_OR_RETURN(const DataLock data_lock,
                       files_->LockData(LockKind::kShared, finding.bytes, LockWait::kWait));
  HNX_ASSIGN_OR_RETURN(const DataLock lock,
                       files_->LockData(LockKind::kExclusive, kFlushLockRange, LockWait::kWait));
  HNX_ASSIGN_OR_RETURN(const auto reader, OpenReader());
  HNX_ASSIGN_OR_RETURN(const bool here, reader->Has(finding.block));
  if (here || finding.block.value() >= reader->length()) {
    return Outcome::kSound;
  }
  HNX_ASSIGN_OR_RETURN(const ByteRange bytes, reader->Locate(finding.block));
  HNX_ASSIGN_OR_RETURN(const Bytes now, ReadData(finding.bytes));
  if (bytes != finding.bytes || LeafHash(now) != finding.right.hash) {
    return Outcome::kSound;
  }
  return SetBit(finding.block, true);
}

Result<CoreMender::Outcome> CoreMender::MarkAbsent(const AuditFinding& finding) {
  HNX_ASSIGN_OR_RETURN(const DataLock lock,
                       files_->LockData(LockKind::kExclusive, kFlushLockRange, LockWait::kWait));
  // Loaded under the lock: what is appended meanwhile reaches `bitfield` behind us.
  HNX_ASSIGN_OR_RETURN(const auto reader, OpenReader());
  if (finding.block.value() < reader->length()) {
    HNX_ASSIGN_OR_RETURN(const bool here, reader->Has(finding.block));
    const bool zeros = finding.zeros && here;
    if (!zeros) {
      return Outcome::kSound;
    }
    HNX_ASSIGN_OR_RETURN(const Bytes now, ReadData(finding.bytes));
    if (!std::ranges::all_of(now, [](std::byte byte) { return byte == std::byte{0}; })) {
      return Outcome::kSound;
    }
  }
  return SetBit(finding.block, false);
}

Result<CoreMender::Outcome> CoreMender::SetBit(BlockIndex block, bool present) {
  Bitfield bits(*files_);
  HNX_ASSIGN_OR_RETURN(const bool before, bits.Has(block));
  if (before == present) {
    return Outcome::kSound;
  }
  bits.Set({block, block + 1}, present);
  HNX_TRY(bits.WritePending());
  files_->Sync(CoreFile::kBitfield);
  PageCache::DropAll();
  Bitfield again(*files_);
  HNX_ASSIGN_OR_RETURN(const bool after, again.Has(block));
  if (after != present) {
    return NotKept(*files_, "the bit of block " + std::to_string(block.value()));
  }
  return Outcome::kMended;
}

}  // namespace hnx::hyper
