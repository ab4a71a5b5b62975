#include "coordinator/store/pg_scrub_store.h"

#include <utility>

#include <fmt/format.h>

#include "base/hex.h"
#include "base/log.h"
#include "coordinator/domain/work_control.h"
#include "coordinator/store/pg_transaction.h"
#include "coordinator/store/sql/statements_embedded.h"
#include "mirror/format/publish_format.h"

namespace hnx::coordinator {
namespace {

void RecordScrubs(PgTransaction& transaction, const ScrubReport& report) {
  PgArray keys, kinds, asks, wholes, blocks, nars, bytes, totals, damaged, repaired, given_up;
  for (const DriveScrubReport& drive : report.drives) {
    keys.AddBytes(drive.key);
    kinds.AddText(drive.kind);
    asks.Add(drive.ask);
    wholes.Add(drive.whole);
    blocks.Add(drive.counts.blocks);
    nars.Add(drive.counts.nars);
    bytes.Add(drive.counts.bytes);
    totals.Add(drive.counts.bytes_total);
    damaged.Add(drive.counts.damaged);
    repaired.Add(drive.counts.repaired);
    given_up.Add(drive.counts.given_up);
  }
  transaction.Exec(sql::kRecordScrubs, report.worker_id, keys.Literal(), kinds.Literal(),
                   asks.Literal(), wholes.Literal(), blocks.Literal(), nars.Literal(),
                   bytes.Literal(), totals.Literal(), damaged.Literal(), repaired.Literal(),
                   given_up.Literal());
}

void TellLosses(PgTransaction& transaction, const DriveScrubReport& drive,
                const std::string& worker) {
  PgArray files, messages;
  for (const ScrubLoss& loss : drive.losses) {
    files.AddText(loss.file);
    messages.AddText("its copy in the shard is damaged for good: " + loss.message);
    Log("scrub")->error("worker {}, {} {}: {}", worker, drive.kind, mirror::DriveIdOf(drive.key),
                        loss.message);
  }
  if (!drive.losses.empty() && drive.kind == "shard") {
    transaction.Exec(sql::kTellScrubLosses, Binary(drive.key), files.Literal(), messages.Literal());
  }
}

ScrubView ReadScrub(const pqxx::row& row) {
  ScrubView view{.key = ReadBytes(row["key"]),
                 .worker_id = row["worker_id"].as<std::string>(),
                 .worker_name = row["name"].as<std::string>(),
                 .kind = row["kind"].as<std::string>(),
                 .waits = row["waits"].as<bool>(),
                 .running = row["running"].as<bool>(),
                 .whole_at_ms = row["whole_at_ms"].as<std::int64_t>(),
                 .counts = {}};
  const auto count = [&row](const char* name) { return row[name].as<std::uint64_t>(); };
  view.counts = {.blocks = count("blocks"),
                 .nars = count("nars"),
                 .bytes = count("bytes"),
                 .bytes_total = count("bytes_total"),
                 .damaged = count("damaged"),
                 .repaired = count("repaired"),
                 .given_up = count("given_up")};
  view.hindrance = row["hindrance"].as<std::string>();
  return view;
}

bool IsCalled(const ScrubView& drive, const std::string& name) {
  return name.empty() || drive.worker_name == name || drive.worker_id == name ||
         mirror::DriveIdOf(drive.key) == name || EncodeHex(drive.key) == name;
}

void Ask(PgTransaction& transaction, std::vector<ScrubView>& drives) {
  PgArray workers, keys, kinds;
  for (ScrubView& drive : drives) {
    workers.AddText(drive.worker_id);
    keys.AddBytes(drive.key);
    kinds.AddText(drive.kind);
    drive.waits = true;
  }
  transaction.Exec(sql::kAskForScrubs, workers.Literal(), keys.Literal(), kinds.Literal());
}

}  // namespace

Result<std::vector<ScrubOrder>> PgScrubStore::Report(const ScrubReport& report) {
  return RunTransaction(
      pool_, "report a scrub", [&](PgTransaction& transaction) -> Result<std::vector<ScrubOrder>> {
        const auto worker = transaction.MaybeRow(sql::kScrubbingWorker, report.worker_id);
        if (!worker) {
          return Unavailable(fmt::format("worker {} has not called so far", report.worker_id));
        }
        if ((*worker)["incarnation"].as<std::int64_t>() > report.incarnation) {
          return Aborted(fmt::format("a newer process of worker {} runs", report.worker_id));
        }
        for (const DriveScrubReport& drive : report.drives) {
          TellLosses(transaction, drive, (*worker)["name"].as<std::string>());
        }
        if (!report.drives.empty()) {
          RecordScrubs(transaction, report);
        }
        std::vector<ScrubOrder> orders;
        for (const pqxx::row& row :
             transaction.Exec(sql::kScrubOrders, report.worker_id, kScrubbedDrivesMax)) {
          orders.push_back({ReadBytes(row["key"]), row["asked"].as<std::uint64_t>()});
        }
        return orders;
      });
}

Result<ShardFiles> PgScrubStore::ListFiles(const std::string& worker_id, ByteView key,
                                           const std::string& after,
                                           const std::vector<std::string>& files,
                                           std::size_t files_max) {
  return RunTransaction(
      pool_, "list a shard's files", [&](PgTransaction& transaction) -> Result<ShardFiles> {
        const auto shard = transaction.MaybeRow(sql::kShardNamed, Binary(key));
        if (!shard) {
          return NotFound(fmt::format("there is no shard {}", EncodeHex(key)));
        }
        const auto id = (*shard)["id"].as<std::int64_t>();
        ShardFiles listed;
        for (const pqxx::row& row :
             transaction.Exec(sql::kFilesOfShard, id, after, TextArray(files), files_max)) {
          listed.files.push_back({.file = row["file"].as<std::string>(),
                                  .url = row["url"].as<std::string>(),
                                  .compression = row["compression"].as<std::string>(),
                                  .nar_hash = ReadBytes(row["nar_hash"]),
                                  .nar_size = row["nar_size"].as<std::uint64_t>()});
        }
        for (const pqxx::row& row :
             transaction.Exec(sql::kOthersWithShard, id, worker_id, kWorkerSilenceMs)) {
          listed.peers.push_back(row[0].as<std::string>());
        }
        return listed;
      });
}

Result<std::vector<ScrubView>> PgScrubStore::Scrub(const std::string& target, bool now) {
  return RunTransaction(
      pool_, "scrub", [&](PgTransaction& transaction) -> Result<std::vector<ScrubView>> {
        std::vector<ScrubView> drives;
        for (const pqxx::row& row :
             transaction.Exec(sql::kScrubbedDrives, kScrubsListedMax, kScrubSilenceMs)) {
          ScrubView drive = ReadScrub(row);
          if (IsCalled(drive, target)) {
            drives.push_back(std::move(drive));
          }
        }
        if (drives.empty() && !target.empty()) {
          return NotFound(fmt::format(
              "no worker with drives, and no drive, is called {}; see `coordinator status`",
              target));
        }
        if (now && !drives.empty()) {
          Ask(transaction, drives);
        }
        return drives;
      });
}

}  // namespace hnx::coordinator
