#include "coordinator/store/pg_publish_store.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/crash_point.h"
#include "coordinator/domain/work_control.h"
#include "coordinator/store/pg_artifacts.h"
#include "coordinator/store/pg_transaction.h"
#include "coordinator/store/sql/statements_embedded.h"

namespace hnx::coordinator {
namespace {

constexpr std::int64_t kOperationsPage = 100;
constexpr std::int64_t kInlineBytesMax = std::int64_t{64} << 10;
// A cycle of references is published as a whole, so it may exceed a batch; not without end.
constexpr std::size_t kCyclePathsMax = 100'000;

// Paths whose references are published, and those that become so by them, level by level.
void TakeReady(PgTransaction& transaction, std::int64_t batch, const PublishLimits& limits,
               std::vector<PathId>& taken) {
  const std::int64_t limit = limits.batch_paths_max;
  while (static_cast<std::int64_t>(taken.size()) < limit) {
    std::vector<PathId> level;
    for (const pqxx::row& row :
         transaction.Exec(sql::kTakeReady, batch, limit - static_cast<std::int64_t>(taken.size()),
                          limits.await_copies_ms, kWorkerSilenceMs)) {
      level.push_back(row[0].as<PathId>());
    }
    if (level.empty()) {
      return;
    }
    transaction.Exec(sql::kRewatch, Int64Array(level));
    taken.insert(taken.end(), level.begin(), level.end());
  }
}

// One set of stored paths that refer to each other and to nothing else unpublished.
bool TakeCycle(PgTransaction& transaction, std::int64_t batch, const PublishLimits& limits,
               std::vector<PathId>& taken) {
  PathId after = 0;
  for (;;) {
    const pqxx::result candidates = transaction.Exec(sql::kCyclicCandidates, after);
    if (candidates.empty()) {
      return false;
    }
    for (const pqxx::row& candidate : candidates) {
      after = candidate[0].as<PathId>();
      const pqxx::result reach =
          transaction.Exec(sql::kCyclicReach, after, limits.await_copies_ms, kWorkerSilenceMs);
      if (reach.empty() || reach.size() > kCyclePathsMax || !reach.front()["ready"].as<bool>()) {
        continue;
      }
      std::vector<PathId> cycle;
      for (const pqxx::row& row : reach) {
        cycle.push_back(row["id"].as<PathId>());
      }
      const std::string ids = Int64Array(cycle);
      transaction.Exec(sql::kPublishTogether, batch, ids);
      transaction.Exec(sql::kRewatch, ids);
      taken.insert(taken.end(), cycle.begin(), cycle.end());
      return true;
    }
  }
}

bool AnyCyclicCandidate(PgTransaction& transaction) {
  return !transaction.Exec(sql::kCyclicCandidates, PathId{0}).empty();
}

}  // namespace

Result<std::uint64_t> PgPublishStore::PlanBatch() {
  auto outcome = RunTransaction(pool_, "plan a publish batch",
                                [&](PgTransaction& transaction) -> Result<std::uint64_t> {
                                  HNX_TRY(leader_.Lock(transaction));
                                  LookRowsUp(transaction);
                                  auto planned = PlanIn(transaction);
                                  if (planned.has_value() && *planned > 0) {
                                    CrashPoint("coordinator.before_batch");
                                  }
                                  return planned;
                                });
  if (outcome.has_value() && *outcome > 0) {
    CrashPoint("coordinator.after_batch");
  }
  return outcome;
}

Result<std::uint64_t> PgPublishStore::PlanIn(PgTransaction& transaction) {
  const pqxx::row position = transaction.Row(sql::kPublishPosition);
  const auto planned = position["planned_batch"].as<std::int64_t>();
  if (position["index_key"].is_null() ||
      planned - position["published_batch"].as<std::int64_t>() >= limits_.batches_ahead_max) {
    return std::uint64_t{0};
  }
  // What was lost is not linked to once more.
  if (transaction.Row(sql::kUnrepairedLosses)[0].as<bool>()) {
    return std::uint64_t{0};
  }
  const auto flips =
      transaction.Row(sql::kCountFlips, limits_.batch_paths_max)[0].as<std::int64_t>();
  const auto ready = flips + transaction
                                 .Row(sql::kCountReady, limits_.batch_paths_max,
                                      limits_.await_copies_ms, kWorkerSilenceMs)[0]
                                 .as<std::int64_t>();
  const bool cyclic = ready == 0 && AnyCyclicCandidate(transaction);
  // A longer index was taken over: batches that had been planned before may link to shards that its
  // /mirror.json does not list.
  const bool owes_mirror_json = position["owes_mirror_json"].as<bool>();
  if (ready == 0 && !cyclic && !owes_mirror_json) {
    return std::uint64_t{0};
  }
  if (!owes_mirror_json && ready < limits_.batch_paths_max &&
      position["idle_ms"].as<std::int64_t>() < limits_.batch_wait_ms &&
      transaction.Row(sql::kNarsAtWork)[0].as<bool>()) {
    return std::uint64_t{0};
  }
  const std::int64_t batch = planned + 1;
  // Cycles first looked at within a batch of their own number: the row of the batch comes with it.
  std::vector<PathId> taken;
  TakeReady(transaction, batch, limits_, taken);
  if (taken.empty() && TakeCycle(transaction, batch, limits_, taken)) {
    TakeReady(transaction, batch, limits_, taken);
  }
  if (taken.empty() && flips == 0 && !owes_mirror_json) {
    return std::uint64_t{0};
  }
  BatchBuilder builder(transaction, description_, batch, ReadBytes(position["index_key"]),
                       ReadBytes(position["predecessor_key"]));
  const std::int64_t flipped = builder.FlipLinks(limits_.batch_paths_max);
  builder.PutMirrorJson(ReadBytes(position["mirror_json_sha256"]));
  builder.PutPaths(taken);
  return std::max(std::uint64_t{taken.size()} + static_cast<std::uint64_t>(flipped),
                  std::uint64_t{1});
}

Result<void> PgPublishStore::ReadBatch(std::int64_t batch,
                                       const std::function<Result<void>(PublishStep)>& sink) {
  struct Row {
    PublishStep step;
    std::optional<std::int64_t> narinfo;  // longer than kInlineBytesMax
    std::optional<ArtifactId> artifact;
    int ordinal = 0;
  };
  int after = 0;
  for (;;) {
    std::vector<Row> page;
    auto read = RunTransaction(
        pool_, "read a publish batch", [&](PgTransaction& transaction) -> Result<void> {
          page.clear();
          if (after == 0 && !transaction.MaybeRow(sql::kBatchExists, batch)) {
            return NotFound(fmt::format("there is no publish batch {}", batch));
          }
          for (const pqxx::row& row : transaction.Exec(sql::kPublishOperationsPage, batch, after,
                                                       kOperationsPage, kInlineBytesMax)) {
            Row item;
            item.ordinal = row["ordinal"].as<int>();
            item.step.path = row["path"].as<std::string>();
            const auto kind = row["kind"].as<std::string>();
            if (kind == "put_link") {
              item.step.kind = PublishStep::Kind::kLink;
              item.step.linkname = row["linkname"].as<std::string>();
              item.step.metadata =
                  row["metadata"].is_null() ? "" : row["metadata"].as<std::string>();
            } else if (kind == "remove") {
              item.step.kind = PublishStep::Kind::kRemove;
            } else if (kind == "put_narinfo") {
              item.step.size_bytes = row["narinfo_bytes"].as<std::uint64_t>();
              item.step.sha256 = ReadBytes(row["narinfo_sha256"]);
              if (row["content"].is_null()) {
                item.narinfo = row["narinfo_id"].as<std::int64_t>();
              } else {
                item.step.data = ReadBytes(row["content"]);
              }
            } else {
              item.step.size_bytes = row["artifact_bytes"].as<std::uint64_t>();
              item.step.sha256 = ReadBytes(row["artifact_sha256"]);
              item.artifact = row["artifact_id"].as<ArtifactId>();
            }
            page.push_back(std::move(item));
          }
          return {};
        });
    if (!read.has_value()) {
      return read;
    }
    for (Row& row : page) {
      after = row.ordinal;
      if (row.narinfo) {
        const std::uint64_t size = row.step.size_bytes;
        HNX_TRY(ReadNarInfo(*row.narinfo, size, std::move(row.step), sink));
      } else if (row.artifact) {
        HNX_TRY(ReadFile(*row.artifact, std::move(row.step), sink));
      } else {
        HNX_TRY(sink(std::move(row.step)));
      }
    }
    if (page.size() < static_cast<std::size_t>(kOperationsPage)) {
      return {};
    }
  }
}

Result<void> PgPublishStore::ReadNarInfo(std::int64_t narinfo, std::uint64_t size_bytes,
                                         PublishStep step,
                                         const std::function<Result<void>(PublishStep)>& sink) {
  for (std::uint64_t offset = 0; offset < size_bytes; offset += kArtifactChunkBytesMax) {
    auto piece =
        RunTransaction(pool_, "read a narinfo", [&](PgTransaction& transaction) -> Result<Bytes> {
          return ReadBytes(transaction.Row(sql::kNarInfoPiece, narinfo,
                                           static_cast<std::int64_t>(offset) + 1,
                                           static_cast<std::int64_t>(kArtifactChunkBytesMax))[0]);
        });
    if (!piece.has_value()) {
      return piece.error();
    }
    step.data = *std::move(piece);
    HNX_TRY(sink(std::move(step)));
    step = PublishStep{.kind = PublishStep::Kind::kMore};
  }
  return {};
}

Result<void> PgPublishStore::ReadFile(ArtifactId artifact, PublishStep step,
                                      const std::function<Result<void>(PublishStep)>& sink) {
  PgArtifacts artifacts(pool_, leader_);
  bool begun = false;
  HNX_TRY(artifacts.Read(artifact, [&](ByteView chunk) -> Result<void> {
    step.data = ToBytes(chunk);
    auto taken = sink(std::move(step));
    step = PublishStep{.kind = PublishStep::Kind::kMore};
    begun = true;
    return taken;
  }));
  if (!begun) {
    return sink(std::move(step));  // an empty file
  }
  return {};
}

}  // namespace hnx::coordinator
