#include "coordinator/store/pg_elsewhere_store.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/log.h"
#include "coordinator/store/pg_transaction.h"
#include "coordinator/store/sql/statements_embedded.h"

namespace hnx::coordinator {
namespace {

constexpr std::int64_t kOutagePathsMax = 256;

std::string UrlOfUpstream(PgTransaction& transaction, UpstreamId upstream) {
  return transaction.Row(sql::kUrlOfUpstream, upstream)[0].as<std::string>();
}

void TellOfPath(PgTransaction& transaction, PathId path, const std::string& what) {
  transaction.Exec(sql::kTellPath, path, what);
}

// Why this narinfo cannot take the place of the path's; empty: it can.
std::string Difference(PgTransaction& transaction, const pqxx::row& nar,
                       const VerifiedNarInfo& found) {
  if (!std::ranges::equal(ReadBytes(nar["nar_hash"]), found.nar_hash)) {
    return "it has another NAR of that path (NarHash differs)";
  }
  if (nar["nar_size"].as<std::uint64_t>() != found.nar_size) {
    return "it gives the NAR another NarSize";
  }
  std::vector<std::string> ours;
  for (const pqxx::row& row : transaction.Exec(sql::kReferencesOfPath, found.path)) {
    ours.push_back(row[0].as<std::string>());
  }
  std::vector<std::string> theirs;
  for (const PathName& reference : found.references) {
    theirs.push_back(reference.hash);
  }
  std::sort(theirs.begin(), theirs.end());
  theirs.erase(std::unique(theirs.begin(), theirs.end()), theirs.end());
  return ours == theirs ? "" : "its narinfo has other References";
}

std::int64_t AddNar(PgTransaction& transaction, const VerifiedNarInfo& found, std::int64_t narinfo,
                    int depth) {
  const std::string file_hash = found.file_hash ? ByteaText(*found.file_hash) : "";
  return transaction
      .Row(sql::kAddNarElsewhere, found.upstream, found.url, found.file, Binary(found.nar_hash),
           static_cast<std::int64_t>(found.nar_size), found.compression,
           found.file_hash ? file_hash.c_str() : nullptr,
           static_cast<std::int64_t>(found.file_size), narinfo, depth)[0]
      .as<std::int64_t>();
}

PgArray IdsOfNars(const pqxx::result& rows) {
  PgArray ids;
  for (const pqxx::row& row : rows) {
    ids.Add(row[0].as<std::int64_t>());
  }
  return ids;
}

// The path goes on with the narinfo that was found.
void TakeInstead(PgTransaction& transaction, const ElsewherePath& asked, const pqxx::row& failed,
                 const VerifiedNarInfo& found) {
  const auto narinfo =
      transaction.Row(sql::kAddNarInfo, Binary(AsBytes(found.content)))[0].as<std::int64_t>();
  const std::int64_t nar = AddNar(transaction, found, narinfo, failed["depth"].as<int>());
  if (nar == asked.nar) {
    transaction.Exec(sql::kFoundElsewhere, found.path);  // its own upstream is back
    return;
  }
  TellOfPath(transaction, found.path,
             fmt::format("its narinfo was taken from {}, as {} could not give its NAR",
                         UrlOfUpstream(transaction, found.upstream),
                         UrlOfUpstream(transaction, failed["upstream_id"].as<UpstreamId>())));
  transaction.Exec(sql::kMoveReleasesToNar, found.path, asked.nar, nar);
  transaction.Exec(sql::kMovePathToNar, found.path, narinfo, nar);
  transaction.Exec(sql::kPlaceMovedNar, asked.nar, nar);
  transaction.Exec(sql::kFoundElsewhere, found.path);
  PgArray files;
  files.AddText(found.file);
  PgArray stored = IdsOfNars(transaction.Exec(sql::kShareStoredNars, files.Literal()));
  stored.Add(nar);  // it may have been stored before, for another path
  transaction.Exec(sql::kStorePathsOfStoredNars, stored.Literal());
  const pqxx::result rivals = transaction.Exec(sql::kQuarantineRivals, files.Literal());
  if (!rivals.empty()) {
    FailPaths(transaction, IdsOfNars(rivals).Literal());
  }
}

void SaveOne(PgTransaction& transaction, const ElsewhereAnswer& answer) {
  const ElsewherePath& asked = answer.asked;
  const PathId path = asked.path.path;
  const auto nar = transaction.MaybeRow(sql::kLockFailedNar, asked.nar);
  if (!nar || !transaction.MaybeRow(sql::kLockPathElsewhere, path, asked.nar)) {
    return;  // it was settled otherwise meanwhile
  }
  const auto state = (*nar)["state"].as<std::string>();
  const bool failed = state == "missing" || state == "set_aside";
  if (!failed && state != "wanted") {
    return;
  }
  if (asked.upstream == 0) {
    transaction.Exec(sql::kFoundElsewhere, path);
    if (failed) {
      PgArray nars;
      nars.Add(asked.nar);
      transaction.Exec(sql::kFailPathsOfNars, nars.Literal());
    }
    return;
  }
  if (answer.later) {
    transaction.Exec(sql::kElsewhereLater, path, answer.attempts,
                     static_cast<std::int64_t>(answer.later->count()));
    return;
  }
  std::string refused = answer.refused;
  if (answer.found) {
    refused = Difference(transaction, *nar, *answer.found);
    if (refused.empty()) {
      TakeInstead(transaction, asked, *nar, *answer.found);
      return;
    }
  }
  TellOfPath(transaction, path,
             fmt::format("looked for at {} instead: {}", UrlOfUpstream(transaction, asked.upstream),
                         refused));
  transaction.Exec(sql::kNotElsewhere, path, asked.upstream);
}

}  // namespace

void FailPaths(PgTransaction& transaction, const std::string& nars) {
  transaction.Exec(sql::kLookElsewhere, nars);
  transaction.Exec(sql::kFailPathsOfNars, nars);
}

Result<bool> PgElsewhereStore::AnyLooking(bool outages) {
  return RunTransaction(pool_, "look for NARs that failed",
                        [&](PgTransaction& transaction) -> Result<bool> {
                          HNX_TRY(leader_.Lock(transaction));
                          if (outages) {
                            transaction.Exec(sql::kLookElsewhereInOutage, kOutagePathsMax);
                          }
                          transaction.Exec(sql::kStopLooking);
                          return transaction.Row(sql::kAnyLooking)[0].as<bool>();
                        });
}

Result<std::vector<ElsewherePath>> PgElsewhereStore::Next(std::span<const UpstreamId> askable) {
  return RunTransaction(
      pool_, "list NARs that failed",
      [&](PgTransaction& transaction) -> Result<std::vector<ElsewherePath>> {
        std::vector<ElsewherePath> paths;
        for (const pqxx::row& row : transaction.Exec(sql::kNextElsewhere, Int64Array(askable),
                                                     static_cast<std::int64_t>(kPathsMax))) {
          paths.push_back({.path = {.path = row["id"].as<PathId>(),
                                    .hash = row["hash"].as<std::string>(),
                                    .name = row["name"].as<std::string>(),
                                    .attempts = row["attempts"].as<int>()},
                           .nar = row["nar_id"].as<std::int64_t>(),
                           .upstream = row["upstream_id"].as<UpstreamId>()});
        }
        return paths;
      });
}

Result<void> PgElsewhereStore::Save(std::span<const ElsewhereAnswer> answers) {
  return RunTransaction(pool_, "save what other upstreams say",
                        [&](PgTransaction& transaction) -> Result<void> {
                          HNX_TRY(leader_.Lock(transaction));
                          for (const ElsewhereAnswer& answer : answers) {
                            SaveOne(transaction, answer);
                          }
                          return {};
                        });
}

}  // namespace hnx::coordinator
