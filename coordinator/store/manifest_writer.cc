#include "coordinator/store/manifest_writer.h"

#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/hex.h"
#include "coordinator/store/pg_transaction.h"
#include "coordinator/store/sql/statements_embedded.h"
#include "coordinator/store/zstd_artifact.h"
#include "mirror/format/publish_format.h"
#include "nix/hash.h"

namespace hnx::coordinator {
namespace {

constexpr int kFetchRows = 1'000;

std::string Quoted(const pqxx::field& field) {
  return nlohmann::json(field.is_null() ? std::string() : field.as<std::string>())
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Text that is hashed on its way into an artifact.
class HashedArtifact {
 public:
  explicit HashedArtifact(std::unique_ptr<ArtifactWriter> writer) : writer_(std::move(writer)) {}
  Result<void> Append(std::string_view text) {
    sha256_.Update(AsBytes(text));
    return writer_->Append(AsBytes(text));
  }
  Result<ArtifactId> Finish() { return writer_->Finish(sha256_.Finish()); }

 private:
  std::unique_ptr<ArtifactWriter> writer_;
  nix::Sha256 sha256_;
};

// The rows of a cursor, kFetchRows at a time.
template <class OnRow>
Result<void> ForEachRow(PgTransaction& transaction, const std::string& cursor, OnRow on_row) {
  const std::string fetch = fmt::format("FETCH {} FROM {}", kFetchRows, cursor);
  for (;;) {
    const pqxx::result rows = transaction.work().exec(fetch);
    for (const pqxx::row& row : rows) {
      HNX_TRY(on_row(row));
    }
    if (rows.size() < static_cast<std::size_t>(kFetchRows)) {
      return {};
    }
  }
}

// What the operator's budget was, and what it left out; empty without one.
std::string BudgetText(const pqxx::row& head) {
  return head["budget_bytes"].is_null()
             ? ""
             : fmt::format("\"budget\":{{\"bytes\":{},\"leftOutBytes\":{}}},\n",
                           head["budget_bytes"].as<std::int64_t>(),
                           head["bytes_left_out"].as<std::int64_t>());
}

std::string ManifestStart(const pqxx::row& head) {
  const auto number = [&](const char* column) { return head[column].as<std::int64_t>(); };
  const std::string left_out = head["budget_bytes"].is_null() && number("left_out") == 0
                                   ? ""
                                   : fmt::format(",\"leftOut\":{}", number("left_out"));
  return fmt::format(
      "{{\"formatVersion\":1,\n\"channel\":{},\n\"release\":{},\n\"revision\":{},\n"
      "\"sourceUrl\":{},\n\"upstream\":{},\n\"match\":{},\n\"exclude\":{},\n\"manifestRevision\":{}"
      ",\n"
      "\"submittedAt\":{},\n\"settledAt\":{},\n"
      "\"paths\":{{\"total\":{},\"published\":{},\"missing\":{},\"setAside\":{},\"blocked\":{}{}}},"
      "\n{}"
      "\"nars\":{{\"published\":{},\"bytes\":{},\"fileHashDrift\":{}}},\n",
      Quoted(head["channel"]), Quoted(head["name"]), Quoted(head["revision"]),
      Quoted(head["source_url"]), Quoted(head["upstream"]), head["match"].as<std::string>(),
      head["exclude"].as<std::string>(), number("manifest_revision"), Quoted(head["submitted_at"]),
      Quoted(head["settled_at"]), number("total"), number("published"), number("missing"),
      number("set_aside"), number("blocked"), left_out, BudgetText(head), number("nars"),
      number("bytes"), number("drift"));
}

// Where the published paths are from; empty when that is the one upstream that the head names.
std::string ManifestUpstreamsText(PgTransaction& transaction, ReleaseId release,
                                  const pqxx::row& head) {
  std::string items;
  bool others = false;
  for (const pqxx::row& row : transaction.Exec(sql::kManifestUpstreams, release)) {
    others = others || row["url"].as<std::string>() != head["upstream"].as<std::string>();
    items += fmt::format(R"({}{{"url":{},"paths":{}}})", items.empty() ? "\n" : ",\n",
                         Quoted(row["url"]), row["paths"].as<std::int64_t>());
  }
  return others ? "\"upstreams\":[" + items + "],\n" : "";
}

Result<ArtifactId> WriteManifestFile(PgTransaction& transaction, PgArtifacts& artifacts,
                                     ReleaseId release, const pqxx::row& head) {
  HNX_ASSIGN_OR_RETURN(auto writer, artifacts.NewArtifact());
  HashedArtifact out(std::move(writer));
  HNX_TRY(out.Append(ManifestStart(head)));
  HNX_TRY(out.Append(ManifestUpstreamsText(transaction, release, head)));
  HNX_TRY(out.Append("\"releaseFiles\":["));
  const char* separator = "\n";
  for (const pqxx::row& row : transaction.Exec(sql::kListReleaseFiles, release)) {
    HNX_TRY(out.Append(fmt::format("{}{{\"name\":{},\"size\":{},\"sha256\":\"{}\"}}", separator,
                                   Quoted(row["name"]), row["size_bytes"].as<std::int64_t>(),
                                   EncodeHex(ReadBytes(row["sha256"])))));
    separator = ",\n";
  }
  HNX_TRY(out.Append("],\n\"unpublished\":["));
  transaction.Exec(sql::kManifestFailures, release);
  separator = "\n";
  HNX_TRY(ForEachRow(transaction, "manifest_failures", [&](const pqxx::row& row) -> Result<void> {
    const bool blocked = !row["blocked_by"].is_null();
    const auto line = fmt::format(
        "{}{{\"path\":{},\"state\":{},\"{}\":{}{}{}}}", std::exchange(separator, ",\n"),
        Quoted(row["store_path"]), Quoted(row["state"]), blocked ? "blockedBy" : "reason",
        Quoted(blocked ? row["blocked_by"] : row["reason"]),
        row["accepted"].is_null() ? "" : ",\"accepted\":",
        row["accepted"].is_null() ? std::string() : Quoted(row["accepted"]));
    return out.Append(line);
  }));
  HNX_TRY(out.Append("]}\n"));
  return out.Finish();
}

Result<ArtifactId> WriteListing(PgTransaction& transaction, PgArtifacts& artifacts,
                                ReleaseId release) {
  HNX_ASSIGN_OR_RETURN(auto writer, artifacts.NewArtifact());
  ZstdArtifact out(std::move(writer));
  transaction.Exec(sql::kListingRows, release);
  HNX_TRY(ForEachRow(transaction, "listing_rows", [&](const pqxx::row& row) -> Result<void> {
    const auto number = [&](const char* column) { return row[column].as<std::int64_t>(); };
    const auto line = fmt::format(
        "{} {} {} {} {},{},{},{}\n", row["hash"].as<std::string>(), row["file"].as<std::string>(),
        number("weight"), mirror::DriveIdOf(ReadBytes(row["key"])), number("blob_byte_offset"),
        number("blob_block_offset"), number("blob_block_length"), number("weight"));
    return out.Append(AsBytes(line));
  }));
  return out.Finish();
}

}  // namespace

Result<WrittenManifest> WriteManifest(PgPool& pool, PgArtifacts& artifacts, ReleaseId release) {
  return RunTransaction(
      pool, "write a manifest", [&](PgTransaction& transaction) -> Result<WrittenManifest> {
        transaction.work().exec("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY");
        const pqxx::row head = transaction.Row(sql::kManifestHead, release);
        WrittenManifest written{.changes = head["changes"].as<std::int64_t>(),
                                .paths = head["total"].as<std::uint64_t>(),
                                .paths_published = head["published"].as<std::uint64_t>(),
                                .paths_left_out = head["left_out"].as<std::uint64_t>()};
        HNX_ASSIGN_OR_RETURN(written.manifest,
                             WriteManifestFile(transaction, artifacts, release, head));
        HNX_ASSIGN_OR_RETURN(written.listing, WriteListing(transaction, artifacts, release));
        return written;
      });
}

}  // namespace hnx::coordinator
