#include "coordinator/store/pg_drive_table.h"

#include <map>

#include <fmt/format.h>

#include "base/hex.h"
#include "base/log.h"
#include "coordinator/domain/drive_fence.h"
#include "coordinator/store/sql/statements_embedded.h"

namespace hnx::coordinator {
namespace {

std::int64_t Signed(std::uint64_t value) {
  return static_cast<std::int64_t>(value);
}
std::uint64_t Unsigned(const pqxx::field& field) {
  return static_cast<std::uint64_t>(field.as<std::int64_t>());
}

DriveHead ReadHead(const pqxx::row& row) {
  return {.db_length = Unsigned(row["db_length"]),
          .db_tree_hash = ReadBytes(row["db_tree_hash"]),
          .content_length = Unsigned(row["content_length"]),
          .content_tree_hash = ReadBytes(row["content_tree_hash"]),
          .content_byte_length = Unsigned(row["content_byte_length"])};
}

// The entries as one array a column, in the order of the statements in drive.sql.
struct EntryColumns {
  explicit EntryColumns(const std::map<std::string_view, const ShardEntry*>& entries) {
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
    case DriveVerdict::kResync:
      break;
  }
  for (const pqxx::row& file :
       transaction_.Exec(sql::kDroppableCopies, shard, static_cast<std::int64_t>(kDropFilesMax))) {
    answer.drop_files.push_back(file[0].as<std::string>());
  }
  return std::optional(std::move(answer));
}

void DriveTable::StoreEntries(std::int64_t shard, const std::vector<ShardEntry>& entries) {
  // Of several changes to one file the last is what the drive says.
  std::map<std::string_view, const ShardEntry*> stored;
  std::map<std::string_view, const ShardEntry*> deleted;
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
  }
  if (stored.empty()) {
    return;
  }
  const EntryColumns columns(stored);
  const pqxx::result nars = columns.Run(transaction_, sql::kStoreNars, shard);
  columns.Run(transaction_, sql::kMoveNarsWithinShard, shard);
  columns.Run(transaction_, sql::kRecordExtraCopies, shard);
  if (!nars.empty()) {
    transaction_.Exec(sql::kStorePathsOfNars, IdArray(nars));
  }
  const pqxx::result rivals = transaction_.Exec(sql::kQuarantineRivals, columns.file.Literal());
  if (!rivals.empty()) {
    transaction_.Exec(sql::kFailPathsOfNars, IdArray(rivals));
  }
}

namespace {

Result<void> CheckIndexWriter(PgTransaction& transaction, const pqxx::row& mirror,
                              const WorkerReport& report, const DriveReport& drive,
                              bool may_change) {
  const Bytes key = ReadBytes(mirror["index_key"]);
  if (key.empty()) {
    if (!drive.head.IsEmpty()) {
      return FailedPrecondition(fmt::format(
          "index drive {} already has length {}, but this database knows of no publish batch: give "
          "the coordinator its own database back, or this worker an empty index",
          EncodeHex(drive.key), drive.head.db_length));
    }
  } else if (key != drive.key) {
    return FailedPrecondition(
        fmt::format("this mirror's index drive is {}, worker {} came with {}: start it with the "
                    "mirror's index key",
                    EncodeHex(key), report.worker_name, EncodeHex(drive.key)));
  }
  const bool is_writer = !mirror["index_worker_id"].is_null() &&
                         mirror["index_worker_id"].as<std::string>() == report.worker_id;
  if (!is_writer && !key.empty() && mirror["writer_alive"].as<bool>()) {
    return FailedPrecondition(
        fmt::format("the index drive is being written by worker {}: stop it first",
                    mirror["writer_name"].as<std::string>()));
  }
  if (!is_writer && may_change) {
    transaction.Exec(sql::kClaimIndex, Binary(drive.key), Binary(drive.content_key),
                     report.worker_id);
  }
  return {};
}

}  // namespace

Result<DriveTable::Index> DriveTable::IndexDrive(const DriveReport& drive) {
  const pqxx::row mirror = transaction_.Row(sql::kLockMirror, kIndexWriterSilenceMs);
  HNX_TRY(CheckIndexWriter(transaction_, mirror, report_, drive, may_change_));
  const auto published = Unsigned(mirror["published_batch"]);
  Index answer{.drive = {.key = drive.key, .recorded = ReadHead(mirror)}, .batch = published};
  const DriveHead& recorded = answer.drive.recorded;
  if (drive.publish_batch > published) {
    return NextBatchOfIndex(drive, std::move(answer));
  }
  // What the drive holds is told by its head: a process that was started again does not know which
  // batch was its last one.
  if (drive.head.SameAs(recorded)) {
    return answer;
  }
  if (drive.head.ShorterThan(recorded)) {
    return RebuiltIndex(drive, published);
  }
  if (drive.head.Contradicts(recorded)) {
    return FailedPrecondition(
        fmt::format("the index drive {} at length {} is not the one that was published: it was "
                    "written elsewhere with the same key",
                    EncodeHex(drive.key), drive.head.db_length));
  }
  if (transaction_.Exec(sql::kHeadAfterBatch, Signed(published + 1)).empty()) {
    return FailedPrecondition(
        fmt::format("the index drive {} has length {}, the database knows of no batch beyond "
                    "length {}: the database was restored from an older copy",
                    EncodeHex(drive.key), drive.head.db_length, recorded.db_length));
  }
  // It died after the next batch, or in the middle of it, before that was accepted.
  answer.drive.cut_tail = !drive.base && !recorded.IsEmpty();
  return answer;
}

// The worker made a batch beyond the last accepted one. Only the process that was told what is
// recorded may do so, and only the very next one.
Result<DriveTable::Index> DriveTable::NextBatchOfIndex(const DriveReport& drive, Index answer) {
  const DriveHead& recorded = answer.drive.recorded;
  const bool next = drive.publish_batch == answer.batch + 1 && drive.base &&
                    drive.base->SameAs(recorded) &&
                    !transaction_.Exec(sql::kHeadAfterBatch, Signed(drive.publish_batch)).empty();
  if (!next) {
    return FailedPrecondition(fmt::format(
        "the index drive ends with publish batch {}, the database with {}: the database was "
        "restored from an older copy",
        drive.publish_batch, answer.batch));
  }
  if (drive.head.ShorterThan(recorded)) {
    return FailedPrecondition("the index drive is shorter than what was recorded of it");
  }
  if (may_change_) {
    for (const auto statement : {sql::kApplyBatch, sql::kMoveIndex}) {
      transaction_.Exec(statement, Signed(drive.publish_batch), Signed(drive.head.db_length),
                        Binary(drive.head.db_tree_hash), Signed(drive.head.content_length),
                        Binary(drive.head.content_tree_hash),
                        Signed(drive.head.content_byte_length));
    }
    answer.drive.recorded = drive.head;
    answer.batch = drive.publish_batch;
  }
  return answer;
}

// Shorter than recorded: its volume was lost, or came back from an older copy. It is built again
// from the publish log, by whose heads it must come.
Result<DriveTable::Index> DriveTable::RebuiltIndex(const DriveReport& drive,
                                                   std::uint64_t published) {
  if (drive.publish_batch == published) {
    return FailedPrecondition("the index drive is shorter than its last publish batch left it");
  }
  Index answer{.drive = {.key = drive.key, .recorded = {}}, .batch = drive.publish_batch};
  const bool knows_its_batch = drive.base && drive.publish_batch != 0;
  const auto row = knows_its_batch
                       ? transaction_.MaybeRow(sql::kHeadAfterBatch, Signed(drive.publish_batch))
                       : transaction_.MaybeRow(sql::kLastBatchWithin, Signed(drive.head.db_length),
                                               Signed(drive.head.content_length));
  if (row) {
    answer.drive.recorded = ReadHead(*row);
  }
  if (!knows_its_batch) {
    answer.batch = row ? Unsigned((*row)["batch"]) : 0;
  }
  const DriveHead& expected = answer.drive.recorded;
  if (knows_its_batch ? !drive.head.SameAs(expected) : drive.head.Contradicts(expected)) {
    return FailedPrecondition(fmt::format(
        "the index drive after publish batch {} is not the one that was published", answer.batch));
  }
  return answer;
}

}  // namespace hnx::coordinator
