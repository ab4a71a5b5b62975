#include "coordinator/store/pg_drive_table.h"

#include <map>
#include <set>

#include <fmt/format.h>

#include "base/hex.h"
#include "base/log.h"
#include "coordinator/domain/drive_fence.h"
#include "coordinator/store/pg_elsewhere_store.h"
#include "coordinator/store/pg_head.h"
#include "coordinator/store/pg_host_table.h"
#include "coordinator/store/pg_shard_losses.h"
#include "coordinator/store/rescan_types.h"
#include "coordinator/store/sql/statements_embedded.h"

namespace hnx::coordinator {
namespace {

using ShardEntries = DriveTable::ShardEntries;

// The entries as one array a column, in the order of the statements in drive.sql.
struct EntryColumns {
  explicit EntryColumns(const ShardEntries& entries) {
    for (const auto& [name, entry] : entries) {
      file.AddText(name);
      nar_hash.AddBytes(entry->nar_hash);
      nar_size.Add(entry->nar_size);
      drift.Add(entry->file_hash_drift);
      byte_offset.Add(entry->blob.byte_offset);
      block_offset.Add(entry->blob.block_offset);
      block_length.Add(entry->blob.block_length);
      byte_length.Add(entry->blob.byte_length);
    }
  }
  pqxx::result Run(PgTransaction& transaction, std::string_view statement,
                   std::int64_t shard) const {
    return transaction.Exec(statement, shard, file.Literal(), nar_hash.Literal(),
                            nar_size.Literal(), drift.Literal(), byte_offset.Literal(),
                            block_offset.Literal(), block_length.Literal(), byte_length.Literal());
  }

  PgArray file, nar_hash, nar_size, drift, byte_offset, block_offset, block_length, byte_length;
};

std::string IdArray(const pqxx::result& rows) {
  PgArray ids;
  for (const pqxx::row& row : rows) {
    ids.Add(row[0].as<std::int64_t>());
  }
  return ids.Literal();
}

}  // namespace

Result<std::optional<DesiredDrive>> DriveTable::Shard(const DriveReport& drive) {
  auto row = transaction_.MaybeRow(sql::kLockShard, Binary(drive.key));
  if (!row && may_change_) {
    // Whoever comes with content and cannot say that nothing of it was ever recorded (an empty
    // base: the process that reports it has made it) has a history that is not recorded here: what
    // lies in it is taken over, but nobody can tell what peers have seen, so it is never appended
    // to.
    const bool made_now = drive.base && drive.base->IsEmpty();
    transaction_.Exec(sql::kInsertShard, Binary(drive.key), Binary(drive.content_key),
                      report_.worker_id, Signed(report_.incarnation), Signed(report_.nonce),
                      !drive.head.IsEmpty() && !made_now);
    row = transaction_.MaybeRow(sql::kLockShard, Binary(drive.key));
  }
  if (row && may_change_ && (*row)["worker_id"].as<std::string>() == kUnclaimedWorker) {
    Claim(*row, drive);
    row = transaction_.MaybeRow(sql::kLockShard, Binary(drive.key));
  }
  if (!row || (*row)["worker_id"].as<std::string>() != report_.worker_id) {
    return std::optional<DesiredDrive>();
  }
  const auto shard = (*row)["id"].as<std::int64_t>();
  const RecordedDriveState recorded{
      .head = ReadHead(*row),
      .sealed = (*row)["sealed"].as<bool>(),
      .moved_by_this_process =
          (*row)["incarnation"].as<std::int64_t>() == Signed(report_.incarnation) &&
          (*row)["nonce"].as<std::int64_t>() == Signed(report_.nonce)};
  DesiredDrive answer{.key = drive.key, .recorded = recorded.head, .sealed = recorded.sealed};
  if (!may_change_) {
    return std::optional(std::move(answer));
  }
  const DriveDecision decision = DecideDrive(recorded, {.head = drive.head, .base = drive.base});
  switch (decision.verdict) {
    case DriveVerdict::kAccept:
      StoreEntries(shard, drive.entries);
      transaction_.Exec(sql::kMoveShard, shard, Signed(report_.incarnation), Signed(report_.nonce),
                        Signed(drive.head.db_length), Binary(drive.head.db_tree_hash),
                        Signed(drive.head.content_length), Binary(drive.head.content_tree_hash),
                        Signed(drive.head.content_byte_length));
      answer.recorded = drive.head;
      break;
    case DriveVerdict::kSeal:
      transaction_.Exec(sql::kSealShard, shard, std::string(decision.reason));
      LoseShard(transaction_, shard, report_);
      if (!recorded.sealed) {
        Log("shards")->error("shard {} of worker {} is sealed: {}", EncodeHex(drive.key),
                             report_.worker_name, decision.reason);
      }
      answer.sealed = true;
      break;
    case DriveVerdict::kCutTail:
      answer.cut_tail = true;
      break;
    case DriveVerdict::kUnchanged:
      // Deletions that an earlier process made and could not report any more.
      EntriesGone(shard, drive.entries, true);
      break;
    case DriveVerdict::kResync:
      break;
  }
  if (decision.verdict != DriveVerdict::kSeal && (*row)["lost"].as<bool>()) {
    HoldShardAgain(transaction_, shard, report_);
  }
  Retired(shard, drive, answer);
  for (const pqxx::row& file :
       transaction_.Exec(sql::kDroppableCopies, shard, static_cast<std::int64_t>(kDropFilesMax))) {
    answer.drop_files.push_back(file[0].as<std::string>());
  }
  return std::optional(std::move(answer));
}

// A rescan found the shard in the index, and here is its writer. The lengths are those that the
// index has published; the worker lists all that it holds, if that is as much. If it is less, the
// shard was lost.
void DriveTable::Claim(const pqxx::row& shard, const DriveReport& drive) {
  const bool whole = drive.head.db_length >= Unsigned(shard["db_length"]) &&
                     drive.head.content_byte_length >= Unsigned(shard["content_byte_length"]);
  transaction_.Exec(sql::kClaimShard, shard["id"].as<std::int64_t>(), report_.worker_id,
                    Signed(report_.incarnation), whole);
  transaction_.Exec(sql::kDropUnclaimedWorker, std::string(kUnclaimedWorker));
  Log("shards")->info("shard {}, found in the index, is worker {}'s; it is only read from now on",
                      EncodeHex(drive.key), report_.worker_name);
}

// First the entries of retired files go; once that is recorded, their blocks.
void DriveTable::Retired(std::int64_t shard, const DriveReport& drive, DesiredDrive& answer) {
  const auto limit = static_cast<std::int64_t>(kDropFilesMax);
  if (!drive.cleared.empty()) {
    PgArray blobs;
    for (const std::uint64_t block : drive.cleared) {
      blobs.Add(block);
    }
    transaction_.Exec(sql::kTakeCleared, shard, blobs.Literal());
  }
  if (answer.sealed) {
    return;
  }
  for (const pqxx::row& row : transaction_.Exec(sql::kFilesToDelete, shard, limit)) {
    answer.delete_files.push_back(row[0].as<std::string>());
  }
  for (const pqxx::row& row : transaction_.Exec(sql::kBlobsToClear, shard, limit)) {
    answer.clear_blobs.push_back({.byte_offset = Unsigned(row["blob_byte_offset"]),
                                  .block_offset = Unsigned(row["blob_block_offset"]),
                                  .block_length = Unsigned(row["blob_block_length"]),
                                  .byte_length = Unsigned(row["bytes"])});
  }
}

// A file that was put again has an entry, but not the one of the retired copy.
void DriveTable::EntriesGone(std::int64_t shard, const std::vector<ShardEntry>& entries,
                             bool deleted_only) {
  PgArray gone;
  bool any = false;
  for (const ShardEntry& entry : entries) {
    if (entry.deleted || !deleted_only) {
      gone.AddText(entry.file);
      any = true;
    }
  }
  if (!any) {
    return;
  }
  transaction_.Exec(sql::kMarkEntriesGone, shard, gone.Literal());
  if (deleted_only) {
    transaction_.Exec(sql::kForgetExtraCopies, shard, gone.Literal());
  }
}

void DriveTable::StoreEntries(std::int64_t shard, const std::vector<ShardEntry>& entries) {
  EntriesGone(shard, entries, false);
  // Of several changes to one file the last is what the drive says.
  ShardEntries stored;
  ShardEntries deleted;
  for (const ShardEntry& entry : entries) {
    auto& here = entry.deleted ? deleted : stored;
    auto& there = entry.deleted ? stored : deleted;
    there.erase(entry.file);
    here.insert_or_assign(entry.file, &entry);
  }
  PgArray gone;
  for (const auto& [file, entry] : deleted) {
    gone.AddText(file);
  }
  if (!deleted.empty()) {
    transaction_.Exec(sql::kForgetExtraCopies, shard, gone.Literal());
    LoseDeletedNars(transaction_, shard, gone.Literal());
  }
  if (stored.empty()) {
    return;
  }
  StoreNars(shard, std::move(stored));
}

void DriveTable::StoreNars(std::int64_t shard, ShardEntries entries) {
  PgArray nars;
  std::set<std::int64_t> asked;
  const pqxx::result stored = EntryColumns(entries).Run(transaction_, sql::kStoreNars, shard);
  for (const pqxx::row& row : stored) {
    nars.Add(row["id"].as<std::int64_t>());
    if (!row["asked"].is_null()) {
      asked.insert(row["asked"].as<std::int64_t>());
    }
    if (!row["alone"].is_null()) {
      entries.erase(row["alone"].c_str());
    }
  }
  // What is left are files that several NARs claim, that are stored already, or that nobody wants.
  const EntryColumns others(entries);
  if (!entries.empty()) {
    for (const pqxx::row& row : transaction_.Exec(sql::kShareStoredNars, others.file.Literal())) {
      nars.Add(row["id"].as<std::int64_t>());
    }
    others.Run(transaction_, sql::kMoveNarsWithinShard, shard);
    others.Run(transaction_, sql::kRecordExtraCopies, shard);
  }
  if (!nars.empty()) {
    transaction_.Exec(sql::kStorePathsOfNars, nars.Literal());
  }
  NoteHostAnswers(transaction_, {asked.begin(), asked.end()}, true);
  if (!entries.empty()) {
    const pqxx::result rivals = transaction_.Exec(sql::kQuarantineRivals, others.file.Literal());
    if (!rivals.empty()) {
      FailPaths(transaction_, IdArray(rivals));
    }
  }
}

}  // namespace hnx::coordinator
