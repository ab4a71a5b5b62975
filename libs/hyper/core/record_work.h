// RecordWork: what has to reach the disk before entries of the oplog are true. It stands apart from
// the core, so that a thread that may wait for the disk does it while the core goes on (see
// RecordedCore::BeginRecord).
//
// Threads: Run on any one; the rest on the core's, not while it runs.
#pragma once

#include <utility>
#include <vector>

#include "base/result.h"
#include "hyper/core/core_storage.h"
#include "hyper/core/oplog.h"

namespace hnx::hyper {

class RecordWork {
 public:
  // `storage` must outlive it.
  RecordWork(CoreStorage& storage, OplogWriter oplog, std::vector<OplogEntry> entries,
             bool sync_data)
      : storage_(storage), oplog_(oplog), entries_(std::move(entries)), sync_data_(sync_data) {}

  // First a flush of what was recorded before: its nodes and bits are written already. `header`
  // must outlive the work, and only be read meanwhile.
  void FlushFirst(OplogHeader& header, bool sync_holes) {
    header_ = &header;
    sync_data_ = sync_data_ || sync_holes;
  }

  void Run();

  const std::vector<OplogEntry>& entries() const { return entries_; }
  bool has_flush() const { return header_ != nullptr; }
  const OplogWriter& oplog() const { return oplog_; }
  // After Run. An error: no entry counts, now or after a crash.
  const Result<void>& recorded() const { return recorded_; }
  // That nothing was flushed is no harm: the next flush tries again.
  const Result<void>& flushed() const { return flushed_; }

 private:
  Result<void> Flush();
  Result<void> Record();

  CoreStorage& storage_;
  OplogWriter oplog_;
  const std::vector<OplogEntry> entries_;
  bool sync_data_;
  OplogHeader* header_ = nullptr;
  Result<void> recorded_;
  Result<void> flushed_;
};

}  // namespace hnx::hyper
