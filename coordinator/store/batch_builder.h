// BatchBuilder: the operations of one publish batch, numbered in the order in which they are
// applied. Used inside a transaction that holds the leader's lock; the batch exists when that
// commits. Closure under References is the caller's: it hands in sets of paths that are closed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "coordinator/store/pg_transaction.h"
#include "coordinator/store/walk_store.h"

namespace hnx::coordinator {

// What the index says of itself. Texts are kept in the publish log when they are published.
struct IndexDescription {
  std::vector<std::string> upstreams;  // URLs, the preferred one first
  std::vector<std::string> public_keys;
  std::string cache_info;  // /nix-cache-info
};

class BatchBuilder {
 public:
  // The next batch. The first two must outlive this object. `predecessor`: the key of the mirror
  // that this one replaces; empty: none.
  BatchBuilder(PgTransaction& transaction, const IndexDescription& description, std::int64_t batch,
               ByteView index_key, ByteView predecessor);

  std::int64_t batch() const { return batch_; }
  void PutArtifact(const std::string& path, ArtifactId artifact);
  void PutText(const std::string& path, std::string_view text);
  // /mirror.json, when it would differ from the one in the newest batch (`newest_sha256`).
  void PutMirrorJson(ByteView newest_sha256);
  // Entries that leave the index, in this order; what is not there is no error.
  void Remove(const std::vector<std::string>& paths);
  // Links of NARs that were lost and are stored elsewhere now, at most `links_max`; how many.
  // Before PutMirrorJson, which drops lost shards that nothing points into any more.
  std::int64_t FlipLinks(std::int64_t links_max);
  // The paths' narinfos, and links to those of their NARs that the index does not list yet.
  void PutPaths(const std::vector<PathId>& paths);

 private:
  // One row a file, as UnlinkedNars gives them.
  void PutLinks(const pqxx::result& rows);
  ArtifactId MakeArtifact(std::string_view text, ByteView sha256);

  PgTransaction& transaction_;
  const IndexDescription& description_;
  const std::int64_t batch_;
  const Bytes predecessor_;
  int ordinal_ = 0;
};

}  // namespace hnx::coordinator
