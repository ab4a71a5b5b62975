#include "coordinator/store/batch_builder.h"

#include <algorithm>

#include "coordinator/domain/readme_text.h"
#include "coordinator/store/sql/statements_embedded.h"
#include "mirror/format/publish_format.h"
#include "mirror/index_layout.h"
#include "nix/hash.h"

namespace hnx::coordinator {

BatchBuilder::BatchBuilder(PgTransaction& transaction, const IndexDescription& description,
                           std::int64_t batch, ByteView index_key, ByteView predecessor)
    : transaction_(transaction),
      description_(description),
      batch_(batch),
      predecessor_(ToBytes(predecessor)) {
  transaction_.Exec(sql::kInsertBatch, batch_);
  if (batch_ == 1) {
    PutText(std::string(mirror::kCacheInfoPath), description_.cache_info);
    PutText(std::string(mirror::kReadmePath), ReadmeText(index_key, description_.upstreams));
  }
}

void BatchBuilder::PutArtifact(const std::string& path, ArtifactId artifact) {
  transaction_.Exec(sql::kInsertArtifactPut, batch_, ++ordinal_, path, artifact);
}

void BatchBuilder::PutText(const std::string& path, std::string_view text) {
  PutArtifact(path, MakeArtifact(text, nix::Sha256::Of(AsBytes(text))));
}

ArtifactId BatchBuilder::MakeArtifact(std::string_view text, ByteView sha256) {
  const auto id =
      transaction_
          .Row(sql::kInsertArtifact, static_cast<std::int64_t>(text.size()), Binary(sha256))[0]
          .as<ArtifactId>();
  int ordinal = 0;
  for (ByteView left = AsBytes(text); !left.empty(); ++ordinal) {
    const ByteView chunk = left.first(std::min(left.size(), kArtifactChunkBytesMax));
    transaction_.Exec(sql::kAddArtifactChunk, id, ordinal, Binary(chunk));
    left = left.subspan(chunk.size());
  }
  return id;
}

void BatchBuilder::PutMirrorJson(ByteView newest_sha256) {
  std::vector<mirror::PublishedShard> shards;
  for (const pqxx::row& row : transaction_.Exec(sql::kShardsForMirrorJson)) {
    shards.push_back({.key = ReadBytes(row["key"]),
                      .content_key = ReadBytes(row["content_key"]),
                      .length = row["db_length"].as<std::uint64_t>(),
                      .bytes = row["content_byte_length"].as<std::uint64_t>()});
  }
  const std::string text = mirror::MirrorJsonText(description_.upstreams, description_.public_keys,
                                                  shards, predecessor_);
  const nix::Sha256Digest sha256 = nix::Sha256::Of(AsBytes(text));
  if (std::ranges::equal(sha256, newest_sha256)) {
    return;
  }
  PutArtifact(std::string(mirror::kMirrorJsonPath), MakeArtifact(text, sha256));
  transaction_.Exec(sql::kSetMirrorJson, Binary(sha256));
}

void BatchBuilder::Remove(const std::vector<std::string>& paths) {
  transaction_.Exec(sql::kInsertRemovals, batch_, ordinal_, TextArray(paths));
  ordinal_ += static_cast<int>(paths.size());
}

void BatchBuilder::PutLinks(const pqxx::result& rows) {
  PgArray ordinals, paths, linknames, metadata;
  for (const pqxx::row& row : rows) {
    const auto file = row["file"].as<std::string>();
    ordinals.Add(static_cast<std::int64_t>(++ordinal_));
    paths.AddText(mirror::NarPath(file));
    linknames.AddText(mirror::LinknameOf(mirror::DriveIdOf(ReadBytes(row["key"])), file));
    metadata.AddText(mirror::LinkMetadata(
        row["blob_byte_offset"].as<std::uint64_t>(), row["blob_block_offset"].as<std::uint64_t>(),
        row["blob_block_length"].as<std::uint64_t>(), row["file_size"].as<std::uint64_t>()));
  }
  transaction_.Exec(sql::kInsertLinks, batch_, ordinals.Literal(), paths.Literal(),
                    linknames.Literal(), metadata.Literal());
}

std::int64_t BatchBuilder::FlipLinks(std::int64_t links_max) {
  const pqxx::result rows = transaction_.Exec(sql::kLinksToFlip, links_max);
  if (rows.empty()) {
    return 0;
  }
  PutLinks(rows);
  PgArray files;
  for (const pqxx::row& row : rows) {
    files.AddText(row["file"].as<std::string>());
  }
  transaction_.Exec(sql::kMarkFlipped, files.Literal(), batch_);
  return static_cast<std::int64_t>(rows.size());
}

void BatchBuilder::PutPaths(const std::vector<PathId>& paths) {
  if (paths.empty()) {
    return;
  }
  const std::string ids = Int64Array(paths);
  PutLinks(transaction_.Exec(sql::kUnlinkedNars, ids));
  transaction_.Exec(sql::kMarkLinked, ids, batch_);
  PgArray ordinals, narinfo_paths, narinfos;
  for (const pqxx::row& row : transaction_.Exec(sql::kNarInfosOfPaths, ids)) {
    ordinals.Add(static_cast<std::int64_t>(++ordinal_));
    narinfo_paths.AddText(mirror::NarInfoPath(row["hash"].as<std::string>()));
    narinfos.Add(row["narinfo_id"].as<std::int64_t>());
  }
  transaction_.Exec(sql::kInsertNarInfoPuts, batch_, ordinals.Literal(), narinfo_paths.Literal(),
                    narinfos.Literal());
}

}  // namespace hnx::coordinator
