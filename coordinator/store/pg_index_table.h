// IndexTable: the recorded head of the index drive, moved by compare-and-set only: forward by the
// publish log, batch by batch, or to a longer head that the index's holders have, when this
// database is older than its index (docs/STATE_MACHINE.md, "The index outlives its database"). Used
// inside a transaction.
//
// The recorded head never goes back and never moves sideways: what was recorded may have been told
// to peers, and a second tree at such a length would freeze the index for all of them for ever.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "coordinator/domain/worker_report.h"
#include "coordinator/store/pg_transaction.h"

namespace hnx::coordinator {

// A worker that was silent for so long may be replaced as the writer of the index.
inline constexpr std::int64_t kIndexWriterSilenceMs = 60'000;

class IndexTable {
 public:
  // Both outlive this object. With `may_change` false nothing is written: the answer tells what is
  // recorded.
  IndexTable(PgTransaction& transaction, const WorkerReport& report, bool may_change)
      : transaction_(transaction), report_(report), may_change_(may_change) {}

  struct Answer {
    DesiredDrive drive;
    // The batch that the drive ends with, as far as the log goes on from it.
    std::uint64_t batch = 0;
    // Nothing is to be appended now.
    bool hold = false;
  };
  // kFailedPrecondition: not the mirror's index, or one that the publish log cannot continue; the
  // message says what to do.
  Result<Answer> Drive(const DriveReport& drive);

 private:
  Result<void> CheckWriter(const pqxx::row& mirror, const DriveReport& drive);
  Result<Answer> NextBatch(const DriveReport& drive, Answer answer);
  Result<Answer> Rebuilt(const DriveReport& drive, std::uint64_t published);
  Result<Answer> Ahead(const DriveReport& drive, Answer answer);
  void Adopt(const DriveReport& drive);

  PgTransaction& transaction_;
  const WorkerReport& report_;
  const bool may_change_;
};

}  // namespace hnx::coordinator
