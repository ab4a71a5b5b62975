#include "hyper/core/record_work.h"

#include "base/crash_point.h"

namespace hnx::hyper {

void RecordWork::Run() {
  if (sync_data_) {
    storage_.Sync(CoreFile::kData);
    CrashPoint("replica.after_data_sync");
  }
  if (has_flush()) {
    flushed_ = Flush();
  }
  recorded_ = oplog_.broken() ? flushed_ : Record();
}

// As RecordedCore::Flush, from where nodes and bits are written.
Result<void> RecordWork::Flush() {
  storage_.Sync(CoreFile::kTree);
  storage_.Sync(CoreFile::kBitfield);
  HNX_TRY(oplog_.WriteHeader(*header_));
  CrashPoint("hypercore.after_header_sync");
  return oplog_.DropEntries();
}

Result<void> RecordWork::Record() {
  HNX_TRY(oplog_.Append(entries_));
  CrashPoint("hypercore.after_oplog_write");
  storage_.Sync(CoreFile::kOplog);
  CrashPoint("hypercore.after_oplog_sync");
  return {};
}

}  // namespace hnx::hyper
