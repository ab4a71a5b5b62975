#include "coordinator/store/pg_index_table.h"

#include <utility>

#include <fmt/format.h>

#include "base/hex.h"
#include "base/log.h"
#include "coordinator/store/pg_head.h"
#include "coordinator/store/sql/statements_embedded.h"
#include "mirror/index_layout.h"

namespace hnx::coordinator {
namespace {

// Longer than what is recorded, as far as lengths tell.
bool KnownBeyond(const IndexStanding& standing, const DriveHead& recorded) {
  return standing.known_db_length > recorded.db_length ||
         standing.known_content_length > recorded.content_length;
}

// A database that knows nothing of the index takes a filled one, or begins an empty one in spite of
// a word that it was filled, only as the operator says.
Result<void> CheckWord(const DriveReport& drive) {
  const auto& word = drive.index.accept_length;
  if (word ? *word == drive.head.db_length : drive.head.IsEmpty()) {
    return {};
  }
  if (word && drive.head.IsEmpty()) {
    return FailedPrecondition(
        fmt::format("the index drive {} is empty, but --accept-length says that it was published "
                    "up to length {}: give the index worker a holder of it (--index-holder "
                    "HOST:PORT), or the coordinator its own database back",
                    EncodeHex(drive.key), *word));
  }
  return FailedPrecondition(fmt::format(
      "index drive {} has length {}, but this database knows of no publish batch. Give the "
      "coordinator its own database back. Is that lost, and has no holder of the index a longer "
      "one "
      "(ask all of them: --index-holder HOST:PORT), start the index worker with --accept-length "
      "{}{}",
      EncodeHex(drive.key), drive.head.db_length, drive.head.db_length,
      word ? fmt::format(", not {}", *word) : ""));
}

}  // namespace

Result<void> IndexTable::CheckWriter(const pqxx::row& mirror, const DriveReport& drive) {
  const Bytes key = ReadBytes(mirror["index_key"]);
  if (key.empty()) {
    HNX_TRY(CheckWord(drive));
  } else if (key != drive.key) {
    return FailedPrecondition(
        fmt::format("this mirror's index drive is {}, worker {} came with {}: start it with the "
                    "mirror's index key",
                    EncodeHex(key), report_.worker_name, EncodeHex(drive.key)));
  }
  const bool is_writer = !mirror["index_worker_id"].is_null() &&
                         mirror["index_worker_id"].as<std::string>() == report_.worker_id;
  if (!is_writer && !key.empty() && mirror["writer_alive"].as<bool>()) {
    return FailedPrecondition(
        fmt::format("the index drive is being written by worker {}: stop it first",
                    mirror["writer_name"].as<std::string>()));
  }
  if (!is_writer && may_change_) {
    transaction_.Exec(sql::kClaimIndex, Binary(drive.key), Binary(drive.content_key),
                      report_.worker_id, Binary(drive.index.predecessor));
  }
  return {};
}

Result<IndexTable::Answer> IndexTable::Drive(const DriveReport& drive) {
  const pqxx::row mirror = transaction_.Row(sql::kLockMirror, kIndexWriterSilenceMs);
  HNX_TRY(CheckWriter(mirror, drive));
  const auto published = Unsigned(mirror["published_batch"]);
  Answer answer{.drive = {.key = drive.key, .recorded = ReadHead(mirror)}, .batch = published};
  const DriveHead& recorded = answer.drive.recorded;
  if (may_change_ && drive.index.acknowledged_db_length > 0) {
    transaction_.Exec(sql::kAcknowledgeIndex, Signed(drive.index.acknowledged_db_length),
                      Signed(drive.index.acknowledged_content_length));
  }
  if (drive.publish_batch > published) {
    return NextBatch(drive, std::move(answer));
  }
  if (KnownBeyond(drive.index, recorded)) {
    return Ahead(drive, std::move(answer));
  }
  // What the drive holds is told by its head: a process that was started again does not know which
  // batch was its last one.
  if (drive.head.SameAs(recorded)) {
    return answer;
  }
  if (drive.head.ShorterThan(recorded)) {
    return Rebuilt(drive, published);
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
Result<IndexTable::Answer> IndexTable::NextBatch(const DriveReport& drive, Answer answer) {
  const DriveHead& recorded = answer.drive.recorded;
  const auto plan = transaction_.MaybeRow(sql::kPlanOfBatch, Signed(drive.publish_batch));
  const bool next = drive.publish_batch == answer.batch + 1 && drive.base &&
                    drive.base->SameAs(recorded) && plan.has_value();
  if (!next) {
    return FailedPrecondition(fmt::format(
        "the index drive ends with publish batch {}, the database with {}: the database was "
        "restored from an older copy",
        drive.publish_batch, answer.batch));
  }
  if (drive.head.ShorterThan(recorded)) {
    return FailedPrecondition("the index drive is shorter than what was recorded of it");
  }
  // The database lost that batch with its last commits, and planned another one in its place.
  // Nobody was told of what was appended.
  if (drive.publish_plan != 0 && drive.publish_plan != (*plan)["plan"].as<std::uint64_t>()) {
    answer.drive.cut_tail = true;
    return answer;
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

// Shorter than recorded: its volume was lost, or came back from an older copy or from a holder that
// had not seen the last batches. It is built again from the publish log, by whose heads it must
// come.
Result<IndexTable::Answer> IndexTable::Rebuilt(const DriveReport& drive, std::uint64_t published) {
  if (drive.publish_batch == published && published > 0) {
    return FailedPrecondition("the index drive is shorter than its last publish batch left it");
  }
  Answer answer{.drive = {.key = drive.key, .recorded = {}}, .batch = drive.publish_batch};
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
  if (const auto beyond = transaction_.MaybeRow(sql::kAdoptionBeyond, Signed(expected.db_length))) {
    return FailedPrecondition(fmt::format(
        "the index drive has length {}. Up to length {} it was taken over from its holders, so the "
        "publish log cannot build it: start the index worker with a holder that has that much "
        "(--index-holder HOST:PORT)",
        drive.head.db_length, Unsigned((*beyond)["db_length"])));
  }
  return answer;
}

// The index is longer than this database knows: the database came back from an older copy, or is a
// new one. The longer head is signed and may be in anyone's hands, so it is what counts. The worker
// is told what was recorded, sees whether its drive grew out of that, and says what it finds
// published; only that process, with the recorded head as its base, moves it.
Result<IndexTable::Answer> IndexTable::Ahead(const DriveReport& drive, Answer answer) {
  const DriveHead& recorded = answer.drive.recorded;
  if (drive.head.db_length < drive.index.known_db_length ||
      drive.head.content_length < drive.index.known_content_length) {
    return FailedPrecondition(fmt::format(
        "the index was published up to lengths {} and {}, this database knows of {} and {}, and "
        "the "
        "worker's drive has {} and {}: start the index worker with a holder that has the longest "
        "one "
        "(--index-holder HOST:PORT), or give the coordinator its newest database",
        drive.index.known_db_length, drive.index.known_content_length, recorded.db_length,
        recorded.content_length, drive.head.db_length, drive.head.content_length));
  }
  if (drive.head.ShorterThan(recorded) || drive.head.Contradicts(recorded)) {
    return FailedPrecondition(
        fmt::format("the index drive {} with lengths {} and {} and what this database recorded ({} "
                    "and {}) are two histories under one key. Nothing is appended to either",
                    EncodeHex(drive.key), drive.head.db_length, drive.head.content_length,
                    recorded.db_length, recorded.content_length));
  }
  answer.hold = true;
  if (!drive.base || !drive.base->SameAs(recorded) || !drive.index.published || !may_change_) {
    return answer;
  }
  Log("index")->warn(
      "the index drive has length {}, this database knew of {}: it came from an older copy. The "
      "longer one is taken over as published after batch {}; what this database does not know to "
      "be "
      "in it is published again",
      drive.head.db_length, recorded.db_length, answer.batch);
  Adopt(drive);
  answer.drive.recorded = drive.head;
  answer.hold = false;
  return answer;
}

void IndexTable::Adopt(const DriveReport& drive) {
  const DriveHead& head = drive.head;
  transaction_.Exec(sql::kAdoptIndex, Signed(head.db_length), Binary(head.db_tree_hash),
                    Signed(head.content_length), Binary(head.content_tree_hash),
                    Signed(head.content_byte_length));
  PgArray keys, content_keys, lengths, bytes;
  for (const PublishedShard& shard : drive.index.published->shards) {
    keys.AddBytes(shard.key);
    content_keys.AddBytes(shard.content_key);
    lengths.Add(shard.db_length);
    bytes.Add(shard.content_byte_length);
  }
  transaction_.Exec(sql::kAdoptShards, keys.Literal(), content_keys.Literal(), lengths.Literal(),
                    bytes.Literal());
  PgArray channels, names, submitted;
  for (const PublishedChannel& channel : drive.index.published->channels) {
    channels.AddText(channel.channel);
    names.AddText(channel.latest);
    submitted.Add(channel.submitted_at_ms);
  }
  transaction_.Exec(sql::kAdoptLatest, channels.Literal(), names.Literal(), submitted.Literal());
  transaction_.Exec(sql::kForgetOlderAdoptedLatest);
  transaction_.Exec(sql::kLeaveOutOutdated, std::string(mirror::kMirrorJsonPath));
}

}  // namespace hnx::coordinator
