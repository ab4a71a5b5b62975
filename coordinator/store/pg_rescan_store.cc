#include "coordinator/store/pg_rescan_store.h"

#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "base/crash_point.h"
#include "base/hex.h"
#include "base/log.h"
#include "coordinator/store/pg_audit.h"
#include "coordinator/store/pg_transaction.h"
#include "coordinator/store/sql/statements_embedded.h"

namespace hnx::coordinator {
namespace {

using Columns = std::vector<std::string>;

std::int64_t Number(std::uint64_t value) {
  return static_cast<std::int64_t>(value);
}

const char* OrNull(const std::string& text) {
  return text.empty() ? nullptr : text.c_str();
}

std::uint64_t CountOf(const pqxx::field& field) {
  return field.as<std::uint64_t>();
}

void AddFindings(PgTransaction& transaction, std::span<const RescanFinding> findings) {
  for (const RescanFinding& finding : findings) {
    transaction.Exec(sql::kAddRescanFinding, finding.kind, finding.object, finding.reason);
  }
}

void StageNarInfos(PgTransaction& transaction, std::span<const RescanNarInfo> narinfos) {
  {
    pqxx::stream_to stream(
        transaction.work(), "rescan_narinfo",
        Columns{"hash", "name", "content", "upstream", "url", "file", "compression", "nar_hash",
                "nar_size", "file_hash", "file_size"});
    for (const RescanNarInfo& row : narinfos) {
      const VerifiedNarInfo& info = row.info;
      const std::string file_hash = info.file_hash ? ByteaText(*info.file_hash) : "";
      stream << std::make_tuple(row.hash, info.name, ByteaText(AsBytes(info.content)), row.upstream,
                                info.url, info.file, info.compression, ByteaText(info.nar_hash),
                                info.nar_size, OrNull(file_hash), info.file_size);
    }
    stream.complete();
  }
  pqxx::stream_to stream(transaction.work(), "rescan_reference",
                         Columns{"referrer", "hash", "name"});
  for (const RescanNarInfo& row : narinfos) {
    for (const PathName& reference : row.info.references) {
      stream << std::make_tuple(row.hash, reference.hash, reference.name);
    }
  }
  stream.complete();
}

void StageLinks(PgTransaction& transaction, std::span<const RescanLink> links) {
  pqxx::stream_to stream(
      transaction.work(), "rescan_link",
      Columns{"file", "shard_key", "byte_offset", "block_offset", "block_length", "byte_length"});
  for (const RescanLink& link : links) {
    const auto field = [&](std::uint64_t RescanBlob::*member) {
      return link.blob ? std::optional<std::int64_t>(Number((*link.blob).*member)) : std::nullopt;
    };
    stream << std::make_tuple(link.file, ByteaText(link.shard_key), field(&RescanBlob::byte_offset),
                              field(&RescanBlob::block_offset), field(&RescanBlob::block_length),
                              field(&RescanBlob::byte_length));
  }
  stream.complete();
}

void BeginAnew(PgTransaction& transaction, ByteView index_key, std::uint64_t index_length,
               bool merge) {
  transaction.Exec(sql::kClearRescan);
  transaction.Exec(sql::kInsertRescan, Binary(index_key), Number(index_length), merge);
}

// Whether a rescan of this index may begin here.
Result<void> CheckDatabase(const pqxx::row& standing, ByteView index_key,
                           std::uint64_t index_length, bool merge) {
  const Bytes known = ReadBytes(standing["index_key"]);
  const auto releases = CountOf(standing["releases"]);
  if (!known.empty() && ToBytes(AsText(index_key)) != known) {
    return FailedPrecondition(
        "this database belongs to another mirror than that index: give it an empty one, or the "
        "index of its own");
  }
  if (!merge && (releases > 0 || CountOf(standing["paths"]) > 0)) {
    return FailedPrecondition(fmt::format(
        "this database is not empty: it has {} releases. With --merge it is brought up to what "
        "the index says; what the two contradict each other in is listed",
        releases));
  }
  if (index_length < CountOf(standing["db_length"])) {
    return FailedPrecondition(fmt::format(
        "the index has length {} there, this database knows of {}: it is the newer one, and has "
        "nothing to learn. Give the index worker its holders instead (--index-holder)",
        index_length, CountOf(standing["db_length"])));
  }
  return {};
}

}  // namespace

template <class Body>
auto PgRescanStore::Leading(std::string_view what, Body body) {
  return RunTransaction(
      pool_, what, [&](PgTransaction& transaction) -> std::invoke_result_t<Body, PgTransaction&> {
        HNX_TRY(leader_.Lock(transaction));
        return body(transaction);
      });
}

Result<RescanPosition> PgRescanStore::Begin(ByteView index_key, std::uint64_t index_length,
                                            bool merge, const Caller& caller) {
  return Leading("begin a rescan", [&](PgTransaction& transaction) -> Result<RescanPosition> {
    const auto begun = transaction.MaybeRow(sql::kGetRescan);
    const pqxx::row standing = transaction.Row(sql::kRescanStanding);
    if (!begun || (*begun)["finished"].as<bool>()) {
      HNX_TRY(CheckDatabase(standing, index_key, index_length, merge));
      BeginAnew(transaction, index_key, index_length, merge);
      RecordAudit(
          transaction, caller, "rescan", "the database",
          fmt::format("{} the index {} at length {}", merge ? "brought up to" : "filled from",
                      EncodeHex(index_key), index_length));
      return RescanPosition{};
    }
    const auto phase = static_cast<RescanPhase>((*begun)["phase"].as<int>());
    const bool same = ReadBytes((*begun)["index_key"]) == ToBytes(AsText(index_key)) &&
                      CountOf((*begun)["index_length"]) == index_length;
    if (phase >= RescanPhase::kShards) {
      if (ReadBytes((*begun)["index_key"]) != ToBytes(AsText(index_key))) {
        return FailedPrecondition(
            "a rescan of another index was begun here and has to be finished first");
      }
      // Everything was read; the index is not needed any more.
      Log("rescan")->info("a rescan that was begun goes on");
    } else if (!same) {
      HNX_TRY(CheckDatabase(standing, index_key, index_length, merge));
      BeginAnew(transaction, index_key, index_length, merge);
      return RescanPosition{};
    }
    return RescanPosition{phase, (*begun)["position"].as<std::string>()};
  });
}

Result<void> PgRescanStore::Abandon() {
  return Leading("abandon a rescan", [&](PgTransaction& transaction) -> Result<void> {
    transaction.Exec(sql::kDropRescanStage);
    transaction.Exec(sql::kFinishRescan);
    return {};
  });
}

Result<void> PgRescanStore::CheckFinished(PgPool& pool) {
  return RunTransaction(pool, "look for a rescan", [&](PgTransaction& transaction) -> Result<void> {
    if (transaction.Row(sql::kRescanUnfinished)[0].as<bool>()) {
      return FailedPrecondition(
          "a rescan of this database was begun and not finished: run `coordinator rescan` "
          "again, with the same words; it goes on where it was");
    }
    return {};
  });
}

Result<void> PgRescanStore::StageShards(std::span<const RescanShard> shards) {
  return Leading("stage shards", [&](PgTransaction& transaction) -> Result<void> {
    transaction.Exec("DELETE FROM rescan_shard");
    pqxx::stream_to stream(transaction.work(), "rescan_shard",
                           Columns{"key", "content_key", "db_length", "content_byte_length"});
    for (const RescanShard& shard : shards) {
      stream << std::make_tuple(ByteaText(shard.key), ByteaText(shard.content_key),
                                Number(shard.db_length), Number(shard.content_byte_length));
    }
    stream.complete();
    return {};
  });
}

Result<void> PgRescanStore::StageEntries(const RescanEntries& entries) {
  auto staged = Leading("stage entries", [&](PgTransaction& transaction) -> Result<void> {
    StageNarInfos(transaction, entries.narinfos);
    StageLinks(transaction, entries.links);
    for (const RescanReleaseName& release : entries.releases) {
      transaction.Exec(sql::kAddRescanRelease, release.channel, release.name);
    }
    AddFindings(transaction, entries.findings);
    transaction.Exec(sql::kMoveRescan, static_cast<int>(RescanPhase::kIndex), entries.last_path);
    return {};
  });
  CrashPoint("rescan.after_entries");
  return staged;
}

Result<void> PgRescanStore::EndPhase(RescanPhase next) {
  return Leading("end a phase of a rescan", [&](PgTransaction& transaction) -> Result<void> {
    transaction.Exec(sql::kMoveRescan, static_cast<int>(next), "");
    return {};
  });
}

Result<std::optional<PgRescanStore::PendingRelease>> PgRescanStore::NextRelease() {
  return Leading("find a release to read",
                 [&](PgTransaction& transaction) -> Result<std::optional<PendingRelease>> {
                   const auto row = transaction.MaybeRow(sql::kNextRescanRelease);
                   if (!row) {
                     return std::optional<PendingRelease>();
                   }
                   return std::optional(PendingRelease{(*row)["id"].as<std::int64_t>(),
                                                       (*row)["channel"].as<std::string>(),
                                                       (*row)["name"].as<std::string>()});
                 });
}

Result<void> PgRescanStore::ForgetMembers(std::int64_t release) {
  return Leading("begin a release anew", [&](PgTransaction& transaction) -> Result<void> {
    transaction.Exec(sql::kForgetRescanMembers, release);
    return {};
  });
}

Result<std::uint64_t> PgRescanStore::StageMembers(std::int64_t release,
                                                  std::span<const RescanMember> members) {
  PgArray hashes, names, states, reasons, causes, notes;
  for (const RescanMember& member : members) {
    hashes.AddText(member.hash);
    names.AddText(member.name);
    states.AddText(member.state);
    reasons.AddText(member.reason);
    causes.AddText(member.blocked_by);
    notes.AddText(member.accepted);
  }
  return Leading(
      "stage paths of a release", [&](PgTransaction& transaction) -> Result<std::uint64_t> {
        return std::uint64_t{transaction
                                 .Exec(sql::kStageRescanMembers, release, hashes.Literal(),
                                       names.Literal(), states.Literal(), reasons.Literal(),
                                       causes.Literal(), notes.Literal())
                                 .affected_rows()};
      });
}

Result<void> PgRescanStore::StagePlaces(std::span<const RescanPlace> places) {
  PgArray files, keys, byte_offsets, block_offsets, block_lengths, byte_lengths;
  for (const RescanPlace& place : places) {
    files.AddText(place.file);
    keys.AddBytes(place.shard_key);
    byte_offsets.Add(place.blob.byte_offset);
    block_offsets.Add(place.blob.block_offset);
    block_lengths.Add(place.blob.block_length);
    byte_lengths.Add(place.blob.byte_length);
  }
  return Leading("stage places of NARs", [&](PgTransaction& transaction) -> Result<void> {
    transaction.Exec(sql::kStageRescanPlaces, files.Literal(), keys.Literal(),
                     byte_offsets.Literal(), block_offsets.Literal(), block_lengths.Literal(),
                     byte_lengths.Literal());
    return {};
  });
}

Result<void> PgRescanStore::MarkRoots(std::int64_t release, std::span<const PathName> roots) {
  PgArray hashes, names;
  for (const PathName& root : roots) {
    hashes.AddText(root.hash);
    names.AddText(root.name);
  }
  return Leading("mark roots", [&](PgTransaction& transaction) -> Result<void> {
    transaction.Exec(sql::kMarkRescanRoots, release, hashes.Literal(), names.Literal());
    return {};
  });
}

Result<void> PgRescanStore::GuessRoots(std::int64_t release) {
  return Leading("find roots", [&](PgTransaction& transaction) -> Result<void> {
    transaction.Exec(sql::kGuessRescanRoots, release);
    return {};
  });
}

Result<void> PgRescanStore::EndRelease(std::int64_t release, const RescanReleaseFacts& facts) {
  auto ended = Leading("stage a release", [&](PgTransaction& transaction) -> Result<void> {
    for (const RescanFile& file : facts.files) {
      transaction.Exec(sql::kAddRescanReleaseFile, release, file.name, Binary(file.sha256),
                       Number(file.size_bytes), file.artifact);
    }
    transaction.Exec(sql::kDescribeRescanRelease, release, facts.upstream, facts.source_url,
                     facts.revision, TextArray(facts.match), TextArray(facts.exclude),
                     Number(facts.manifest_revision), facts.submitted_at, facts.settled_at,
                     facts.members_known, facts.is_latest, facts.manifest, facts.listing);
    return {};
  });
  CrashPoint("rescan.after_release");
  return ended;
}

Result<void> PgRescanStore::DropRelease(std::int64_t release) {
  return Leading("leave out a release", [&](PgTransaction& transaction) -> Result<void> {
    transaction.Exec(sql::kForgetRescanMembers, release);
    transaction.Exec(sql::kDropRescanRelease, release);
    return {};
  });
}

Result<void> PgRescanStore::AddFinding(const RescanFinding& finding) {
  return Leading("note a finding", [&](PgTransaction& transaction) -> Result<void> {
    AddFindings(transaction, std::span(&finding, 1));
    return {};
  });
}

Result<RescanReport> PgRescanStore::Report(std::uint64_t index_length, bool dry_run) {
  return Leading("report a rescan", [&](PgTransaction& transaction) -> Result<RescanReport> {
    RescanReport report;
    report.dry_run = dry_run;
    report.index_length = index_length;
    const pqxx::row staged = transaction.Row(sql::kRescanStaged);
    report.narinfos_read = CountOf(staged["narinfos"]);
    report.links_read = CountOf(staged["links"]);
    report.shards_read = CountOf(staged["shards"]);
    report.releases_read = CountOf(staged["releases"]);
    if (!dry_run) {
      const pqxx::row counts = transaction.Row(sql::kRescanCounts, std::string(kUnclaimedWorker));
      report.published = CountOf(counts["published"]);
      report.missing = CountOf(counts["missing"]);
      report.set_aside = CountOf(counts["set_aside"]);
      report.blocked = CountOf(counts["blocked"]);
      report.nars = CountOf(counts["nars"]);
      report.bytes = CountOf(counts["bytes"]);
      report.shards = CountOf(counts["shards"]);
      report.shards_unclaimed = CountOf(counts["unclaimed"]);
      report.releases_settled = CountOf(counts["settled"]);
      report.releases_reopened = CountOf(counts["reopened"]);
      report.unnamed_links = CountOf(counts["unnamed_links"]);
    }
    for (const pqxx::row& row : transaction.Exec(sql::kRescanFindingKinds)) {
      RescanReport::Kind kind{row["kind"].as<std::string>(), CountOf(row["n"]), {}};
      for (const pqxx::row& finding :
           transaction.Exec(sql::kRescanFindings, kind.kind, kRescanFindingsNamedMax)) {
        kind.named.push_back(
            {kind.kind, finding["object"].as<std::string>(), finding["reason"].as<std::string>()});
      }
      report.findings.push_back(std::move(kind));
    }
    return report;
  });
}

}  // namespace hnx::coordinator
