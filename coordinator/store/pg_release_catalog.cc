#include "coordinator/store/pg_release_catalog.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "coordinator/store/pg_artifacts.h"
#include "coordinator/store/pg_audit.h"
#include "coordinator/store/pg_release_store.h"
#include "coordinator/store/pg_transaction.h"
#include "coordinator/store/sql/statements_embedded.h"
#include "mirror/index_layout.h"

namespace hnx::coordinator {
namespace {

constexpr std::int64_t kCatalogPage = 100;
constexpr std::int64_t kDiffPage = 10'000;
constexpr std::size_t kReleaseNumberDigitsMax = 18;

bool IsNumber(const std::string& text) {
  return !text.empty() && text.size() <= kReleaseNumberDigitsMax &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<pqxx::row> FindRow(PgTransaction& transaction, const std::string& name) {
  if (IsNumber(name)) {
    return transaction.MaybeRow(sql::kFindReleaseById, static_cast<std::int64_t>(std::stoll(name)));
  }
  const std::size_t slash = name.find('/');
  if (slash != std::string::npos) {
    return transaction.MaybeRow(sql::kFindReleaseOfChannel, name.substr(0, slash),
                                name.substr(slash + 1));
  }
  const auto latest = transaction.MaybeRow(sql::kFindReleaseOfChannel, name, std::string());
  return latest ? latest : transaction.MaybeRow(sql::kFindReleaseByName, name);
}

}  // namespace

Result<ReleaseId> PgReleaseCatalog::Find(const std::string& name) {
  return RunTransaction(
      pool_, "find a release", [&](PgTransaction& transaction) -> Result<ReleaseId> {
        const auto row = FindRow(transaction, name);
        if (!row) {
          return NotFound(fmt::format(
              "there is no release \"{}\": give its number, CHANNEL/NAME, NAME, or CHANNEL for its "
              "latest; `coordinator releases` lists them",
              name));
        }
        return (*row)[0].as<ReleaseId>();
      });
}

Result<void> PgReleaseCatalog::List(const std::string& channel,
                                    const std::function<Result<void>(const ReleaseView&)>& sink) {
  PgReleaseStore releases(pool_);
  ReleaseId below = std::numeric_limits<ReleaseId>::max();
  for (;;) {
    std::vector<ReleaseId> page;
    HNX_TRY(RunTransaction(pool_, "list releases", [&](PgTransaction& transaction) -> Result<void> {
      page.clear();
      for (const pqxx::row& row :
           transaction.Exec(sql::kCatalogPage, channel, below, kCatalogPage)) {
        page.push_back(row[0].as<ReleaseId>());
      }
      return {};
    }));
    for (const ReleaseId release : page) {
      const auto view = releases.Get(release);
      if (view.has_value()) {
        HNX_TRY(sink(*view));
      } else if (view.error().code != ErrorCode::kNotFound) {  // dropped meanwhile
        return view.error();
      }
      below = release;
    }
    if (page.size() < static_cast<std::size_t>(kCatalogPage)) {
      return {};
    }
  }
}

Result<void> PgReleaseCatalog::CheckComparable(ReleaseId release) {
  return RunTransaction(
      pool_, "look at a release", [&](PgTransaction& transaction) -> Result<void> {
        const auto row = transaction.MaybeRow(sql::kReleaseTitle, release);
        if (!row) {
          return NotFound(fmt::format("there is no release {}", release));
        }
        const auto state = (*row)["state"].as<std::string>();
        if (state == "retiring" || state == "retired" || state == "refused") {
          return FailedPrecondition(
              fmt::format("release {} is {}: what it consisted of is not kept", release, state));
        }
        if (!(*row)["walked"].as<bool>()) {
          return FailedPrecondition(
              fmt::format("release {} is {}: not all of its paths are known yet; wait with "
                          "`coordinator watch --release {}`",
                          release, state, release));
        }
        return {};
      });
}

Result<std::uint64_t> PgReleaseCatalog::OnlyIn(
    ReleaseId release, ReleaseId other, bool added,
    const std::function<Result<void>(const PathDifference&)>& sink) {
  PathId after = 0;
  std::uint64_t count = 0;
  for (;;) {
    std::vector<PathDifference> page;
    std::optional<PathId> end;
    HNX_TRY(
        RunTransaction(pool_, "compare releases", [&](PgTransaction& transaction) -> Result<void> {
          page.clear();
          end.reset();
          for (const pqxx::row& row :
               transaction.Exec(sql::kDiffPage, release, other, kDiffPage, after)) {
            if (row["hash"].is_null()) {
              end = row["id"].as<PathId>();
              continue;
            }
            page.push_back(
                {.added = added,
                 .store_path = fmt::format("/nix/store/{}-{}", row["hash"].as<std::string>(),
                                           row["name"].as<std::string>()),
                 .state = row["state"].as<std::string>(),
                 .bytes = row["bytes"].as<std::uint64_t>()});
          }
          return {};
        }));
    for (const PathDifference& path : page) {
      ++count;
      HNX_TRY(sink(path));
    }
    if (!end) {
      return count;
    }
    after = *end;
  }
}

Result<DifferenceTotals> PgReleaseCatalog::Diff(
    ReleaseId from, ReleaseId to, const std::function<Result<void>(const PathDifference&)>& sink) {
  HNX_TRY(CheckComparable(from));
  HNX_TRY(CheckComparable(to));
  DifferenceTotals totals;
  HNX_ASSIGN_OR_RETURN(totals.paths_added, OnlyIn(to, from, true, sink));
  HNX_ASSIGN_OR_RETURN(totals.paths_gone, OnlyIn(from, to, false, sink));
  HNX_TRY(
      RunTransaction(pool_, "compare releases", [&](PgTransaction& transaction) -> Result<void> {
        const pqxx::row added = transaction.Row(sql::kDiffBytes, to, from);
        const pqxx::row gone = transaction.Row(sql::kDiffBytes, from, to);
        totals.nars_added = added["nars"].as<std::uint64_t>();
        totals.bytes_added = added["bytes"].as<std::uint64_t>();
        totals.nars_gone = gone["nars"].as<std::uint64_t>();
        totals.bytes_gone = gone["bytes"].as<std::uint64_t>();
        return {};
      }));
  return totals;
}

Result<void> PgReleaseCatalog::ReadFile(ReleaseId release, const std::string& file,
                                        const std::function<Result<void>(ByteView)>& sink) {
  if (!mirror::IsSafeName(file)) {
    return InvalidArgument(fmt::format("\"{}\" cannot be a file of a release", file));
  }
  auto artifact = RunTransaction(
      pool_, "find a file of a release", [&](PgTransaction& transaction) -> Result<ArtifactId> {
        const auto title = transaction.MaybeRow(sql::kReleaseTitle, release);
        if (!title) {
          return NotFound(fmt::format("there is no release {}", release));
        }
        const auto row =
            transaction.MaybeRow(sql::kFindReleaseArtifact, release,
                                 mirror::ReleaseFilePath((*title)["channel"].as<std::string>(),
                                                         (*title)["name"].as<std::string>(), file));
        if (!row) {
          return NotFound(fmt::format("release {} is {}: it has no {} in the index", release,
                                      (*title)["state"].as<std::string>(), file));
        }
        return (*row)[0].as<ArtifactId>();
      });
  if (!artifact.has_value()) {
    return artifact.error();
  }
  return PgArtifacts(pool_, leader_).Read(*artifact, sink);
}

Result<void> PgReleaseCatalog::Pin(ReleaseId release, bool pinned, const Caller& caller) {
  return RunTransaction(pool_, "pin a release", [&](PgTransaction& transaction) -> Result<void> {
    const auto title = transaction.MaybeRow(sql::kReleaseTitle, release);
    if (!title) {
      return NotFound(fmt::format("there is no release {}", release));
    }
    if (transaction.Exec(sql::kPinReleases, release, pinned).affected_rows() == 0) {
      return FailedPrecondition(fmt::format(
          "release {} is {}: it cannot be {} any more; submit it again to have it back", release,
          (*title)["state"].as<std::string>(), pinned ? "pinned" : "unpinned"));
    }
    transaction.Exec(sql::kBudgetChanged);
    RecordAudit(transaction, caller, pinned ? "pin" : "unpin", fmt::format("release {}", release),
                pinned ? "it is never retired" : "retention decides about it again");
    return {};
  });
}

}  // namespace hnx::coordinator
