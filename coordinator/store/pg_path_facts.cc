#include "coordinator/store/pg_path_facts.h"

#include <fmt/format.h>

#include "coordinator/domain/work_control.h"
#include "coordinator/store/pg_transaction.h"
#include "coordinator/store/sql/statements_embedded.h"
#include "coordinator/store/walk_store.h"

namespace hnx::coordinator {
namespace {

template <class T = std::uint64_t>
T NumberOf(const pqxx::row& row, const char* column) {
  return row[column].is_null() ? T{0} : row[column].as<T>();
}

bool IsTrue(const pqxx::row& row, const char* column) {
  return !row[column].is_null() && row[column].as<bool>();
}

std::string StorePathOf(const std::string& base_name) {
  return "/nix/store/" + base_name;
}

NarFacts ReadNar(const pqxx::row& row) {
  return {.state = TextOf(row, "state"),
          .url = TextOf(row, "url"),
          .file = TextOf(row, "file"),
          .compression = TextOf(row, "compression"),
          .nar_hash = ReadBytes(row["nar_hash"]),
          .nar_size = NumberOf(row, "nar_size"),
          .file_hash = ReadBytes(row["file_hash"]),
          .file_size = NumberOf(row, "file_size"),
          .file_hash_drift = IsTrue(row, "file_hash_drift"),
          .needed = IsTrue(row, "needed"),
          .leases = NumberOf<std::uint32_t>(row, "leases"),
          .attempts = NumberOf<std::uint32_t>(row, "attempts"),
          .next_try_ms = NumberOf<std::int64_t>(row, "next_try_ms"),
          .reason = TextOf(row, "reason"),
          .message = TextOf(row, "message"),
          .since_ms = NumberOf<std::int64_t>(row, "since_ms"),
          .linked_batch = NumberOf(row, "linked_batch"),
          .unlisted_at_ms = NumberOf<std::int64_t>(row, "unlisted_at_ms"),
          .unlinked = IsTrue(row, "unlinked"),
          .lost_shard = ReadBytes(row["lost_shard"]),
          .lost_worker = TextOf(row, "lost_worker")};
}

LeaseFacts ReadLease(const pqxx::row& row) {
  return {.job = NumberOf<std::int64_t>(row, "id"),
          .worker_id = TextOf(row, "worker_id"),
          .worker_name = TextOf(row, "name"),
          .attempt = NumberOf<std::uint32_t>(row, "attempt"),
          .leased_at_ms = NumberOf<std::int64_t>(row, "leased_at_ms"),
          .expires_at_ms = NumberOf<std::int64_t>(row, "expires_at_ms"),
          .worker_seen_ms = NumberOf<std::int64_t>(row, "worker_seen_ms")};
}

PlaceFacts ReadPlace(PgTransaction& transaction, const pqxx::row& row) {
  PlaceFacts place{.shard = ReadBytes(row["key"]),
                   .worker_id = TextOf(row, "worker_id"),
                   .worker_name = TextOf(row, "name"),
                   .worker_alive = IsTrue(row, "alive"),
                   .sealed = IsTrue(row, "sealed"),
                   .lost = IsTrue(row, "lost"),
                   .shard_length = NumberOf(row, "db_length"),
                   .content_length = NumberOf(row, "content_length"),
                   .content_bytes = NumberOf(row, "content_byte_length"),
                   .block_offset = NumberOf(row, "blob_block_offset"),
                   .block_length = NumberOf(row, "blob_block_length"),
                   .byte_offset = NumberOf(row, "blob_byte_offset"),
                   .byte_length = NumberOf(row, "file_size")};
  for (const pqxx::row& copy :
       transaction.Exec(sql::kWhyCopies, NumberOf<std::int64_t>(row, "id"),
                        static_cast<std::int64_t>(place.block_offset + place.block_length))) {
    (IsTrue(copy, "holds") ? place.copies : place.copies_to_come).push_back(TextOf(copy, "name"));
  }
  return place;
}

void ReadHold(const pqxx::row& row, HoldFacts& hold) {
  hold.paused = TextOf(row, "paused");
  hold.pause_reason = TextOf(row, "pause_reason");
  hold.held_back_until_ms = NumberOf<std::int64_t>(row, "held_back_until_ms");
  hold.breaker_open = IsTrue(row, "breaker_open");
}

void AddNar(PgTransaction& transaction, std::int64_t nar, PathView& view) {
  view.nar = ReadNar(transaction.Row(sql::kWhyNar, nar));
  if (const auto lease = transaction.MaybeRow(sql::kWhyLease, nar)) {
    view.lease = ReadLease(*lease);
  }
  if (const auto place = transaction.MaybeRow(sql::kWhyPlace, nar, kWorkerSilenceMs)) {
    view.place = ReadPlace(transaction, *place);
  }
  ReadHold(transaction.Row(sql::kWhyHold, nar), view.hold);
}

void AddWalk(PgTransaction& transaction, PathId path, PathView& view) {
  if (const auto row = transaction.MaybeRow(sql::kWhyWalk, path)) {
    view.walk =
        WalkFacts{.release = NumberOf<std::int64_t>(*row, "id"),
                  .attempts = NumberOf<std::uint32_t>(*row, "attempts"),
                  .next_try_ms = NumberOf<std::int64_t>(*row, "next_try_ms"),
                  .ruled_out = (*row)["ruled_out"].is_null() ? std::vector<std::string>()
                                                             : ReadTextArray((*row)["ruled_out"]),
                  .reason = TextOf(*row, "reason"),
                  .message = TextOf(*row, "message")};
    ReadHold(*row, view.hold);
  }
}

void AddPublication(PgTransaction& transaction, PathView& view) {
  PublicationFacts& publication = view.publication;
  const pqxx::row row = transaction.Row(sql::kWhyPublication, publication.batch);
  publication.published_batch = NumberOf(row, "published_batch");
  publication.planned_at_ms = NumberOf<std::int64_t>(row, "planned_at_ms");
  publication.applied_at_ms = NumberOf<std::int64_t>(row, "applied_at_ms");
  publication.index_length = NumberOf(row, "db_length");
  publication.index_key = ReadBytes(row["index_key"]);
}

void AddLeftOut(PgTransaction& transaction, PathId path, PathView& view) {
  if (const auto row = transaction.MaybeRow(sql::kLeftOutPath, path)) {
    view.left_out = LeftOutFacts{.budget_bytes = NumberOf(*row, "bytes"),
                                 .value = (*row)["value"].is_null()
                                              ? std::nullopt
                                              : std::optional((*row)["value"].as<double>()),
                                 .kept_value = (*row)["kept_value"].as<double>(),
                                 .waits = IsTrue(*row, "waits"),
                                 .unfit = IsTrue(*row, "unfit")};
  }
}

void AddNeighbours(PgTransaction& transaction, PathId path, PathView& view) {
  for (const pqxx::row& row : transaction.Exec(sql::kWhyWaitingFor, path)) {
    view.waiting_for.push_back(TextOf(row, "name"));
    view.waiting_for_count = NumberOf(row, "total");
  }
  for (const pqxx::row& row : transaction.Exec(sql::kWhyReleases, path)) {
    view.releases.push_back({.id = NumberOf<std::int64_t>(row, "id"),
                             .channel = TextOf(row, "channel"),
                             .name = TextOf(row, "name"),
                             .state = TextOf(row, "state"),
                             .root = IsTrue(row, "is_root"),
                             .paused = IsTrue(row, "paused"),
                             .message = TextOf(row, "message")});
    view.releases_count = NumberOf(row, "total");
  }
}

PathView ReadPath(const pqxx::row& row) {
  PathView view{.store_path = StorePathOf(TextOf(row, "hash") + "-" + TextOf(row, "name")),
                .state = TextOf(row, "state"),
                .since_ms = NumberOf<std::int64_t>(row, "since_ms"),
                .attempts = NumberOf<std::uint32_t>(row, "attempts"),
                .reason = TextOf(row, "reason"),
                .message = TextOf(row, "message"),
                .upstream = TextOf(row, "upstream"),
                .needed = IsTrue(row, "needed"),
                .looking_elsewhere = IsTrue(row, "looking_elsewhere"),
                .leaving = IsTrue(row, "leaving"),
                .left_out_mark = IsTrue(row, "left_out"),
                .accepted = TextOf(row, "accepted"),
                .accepted_at_ms = NumberOf<std::int64_t>(row, "accepted_at_ms")};
  view.publication.batch = NumberOf(row, "batch");
  if (!row["cause"].is_null()) {
    view.cause = CauseFacts{.store_path = StorePathOf(TextOf(row, "cause")),
                            .state = TextOf(row, "cause_state"),
                            .reason = TextOf(row, "cause_reason")};
  }
  return view;
}

}  // namespace

Result<PathView> ReadPathView(PgTransaction& transaction, const std::string& store_path_hash) {
  const auto row = transaction.MaybeRow(sql::kWhyPath, store_path_hash);
  if (!row) {
    return NotFound(
        fmt::format("no release has named {} so far; `coordinator submit --path` mirrors a path "
                    "with all that it needs",
                    store_path_hash));
  }
  PathView view = ReadPath(*row);
  const auto path = NumberOf<PathId>(*row, "id");
  const auto nar = NumberOf<std::int64_t>(*row, "nar_id");
  if (nar != 0) {
    AddNar(transaction, nar, view);
  }
  if (view.state == "discovered" || view.state == "missing" || view.state == "set_aside") {
    AddWalk(transaction, path, view);
  }
  const pqxx::row mirrors = transaction.Row(sql::kWhyMirrors, kWorkerSilenceMs);
  view.hold.mirrors = NumberOf<std::uint32_t>(mirrors, "mirrors");
  view.hold.mirrors_at_work = NumberOf<std::uint32_t>(mirrors, "at_work");
  AddPublication(transaction, view);
  AddNeighbours(transaction, path, view);
  if (view.state != "published" && view.cause) {
    view.state = "blocked";
  } else if (view.state == "known" || view.state == "stored") {
    AddLeftOut(transaction, path, view);
    view.state = view.left_out ? "left_out" : view.state;
  }
  for (const pqxx::row& event : transaction.Exec(sql::kWhyHistory, path, nar)) {
    view.history.emplace_back(NumberOf<std::int64_t>(event, "at_ms"), TextOf(event, "what"));
  }
  return view;
}

}  // namespace hnx::coordinator
