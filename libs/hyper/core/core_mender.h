// CoreMender: puts right what an audit found damaged in a core, in its place, while its writer
// appends and clears and readers read. It never makes anything true that was not signed: bytes must
// hash to the leaf that the audit proved, nodes are the ones that it proved, and whatever changed
// since the audit is left alone.
//
// Beside the writer: a block's bytes are locked shared while they are written, so nobody clears or
// cuts them; `tree` and `bitfield` are written under kFlushLockRange, as the writer's flushes are.
// Readers may see damage until the moment it is mended, and what is right from then on.
//
// Threads: one at a time.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "base/result.h"
#include "hyper/core/audit.h"
#include "hyper/core/core_reader.h"
#include "hyper/core/core_storage.h"

namespace hnx::hyper {

class CoreMender {
 public:
  enum class Outcome {
    kMended,  // written, durable, and read back
    kSound,   // nothing to do: it is right, or has changed or gone since
  };
  // Opens the same core for reading.
  using OpenStorage = std::function<Result<std::unique_ptr<CoreStorage>>()>;

  // `files` may be written without being the core's writer (FlatCoreStorage::OpenForMending).
  CoreMender(std::unique_ptr<CoreStorage> files, OpenStorage open)
      : files_(std::move(files)), open_(std::move(open)) {}

  // kInvalidArgument: `bytes` are not what was signed. kDataLoss: what was written cannot be read
  // back.
  Result<Outcome> MendBlock(const AuditFinding& finding, ByteView bytes);
  Result<Outcome> MendNode(const AuditFinding& finding);
  Result<Outcome> MendBit(const AuditFinding& finding);
  // Of a kBlock finding: whether the block is still there, and still not what was signed.
  Result<bool> StillDamaged(const AuditFinding& finding);
  // Marks a block absent of which only zeros are there: for one that nothing refers to.
  Result<Outcome> MarkAbsent(const AuditFinding& finding);

 private:
  Result<std::unique_ptr<CoreReader>> OpenReader() const;
  Result<Bytes> ReadData(const ByteRange& range);
  // The block's bytes, locked against clearing; none: it is not there, or elsewhere.
  Result<std::optional<DataLock>> LockBlock(const AuditFinding& finding) const;
  Result<Outcome> SetBit(BlockIndex block, bool present);

  const std::unique_ptr<CoreStorage> files_;
  const OpenStorage open_;
};

}  // namespace hnx::hyper
