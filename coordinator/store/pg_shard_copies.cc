#include "coordinator/store/pg_shard_copies.h"

#include "base/hex.h"
#include "base/log.h"
#include "coordinator/domain/work_control.h"
#include "coordinator/store/sql/statements_embedded.h"

namespace hnx::coordinator {

void RecordCopies(PgTransaction& transaction, const WorkerReport& report) {
  PgArray keys, versions, content_lengths, bytes;
  for (const CopyReport& copy : report.copies) {
    keys.AddBytes(copy.key);
    versions.Add(copy.version);
    content_lengths.Add(copy.content_length);
    bytes.Add(copy.bytes);
  }
  if (report.lists_all_drives) {
    for (const pqxx::row& row :
         transaction.Exec(sql::kLoseCopiesBut, report.worker_id, keys.Literal())) {
      Log("copies")->warn("worker {} has lost its copy of shard {}", report.worker_name,
                          EncodeHex(ReadBytes(row["key"])));
    }
  }
  if (!report.copies.empty()) {
    transaction.Exec(sql::kTakeOverCopies, report.worker_id, keys.Literal());
    transaction.Exec(sql::kMoveCopies, report.worker_id, keys.Literal(), versions.Literal(),
                     content_lengths.Literal(), bytes.Literal());
  }
}

std::vector<DesiredCopy> CopiesOfWorker(PgTransaction& transaction, const std::string& worker_id) {
  std::vector<DesiredCopy> copies;
  for (const pqxx::row& row : transaction.Exec(sql::kCopiesOfWorker, worker_id, kWorkerSilenceMs)) {
    copies.push_back({.key = ReadBytes(row["key"]),
                      .version = row["db_length"].as<std::uint64_t>(),
                      .bytes = row["bytes"].as<std::uint64_t>(),
                      .peers = ReadTextArray(row["peers"]),
                      .content_end = row["content_end"].as<std::uint64_t>()});
  }
  return copies;
}

}  // namespace hnx::coordinator
