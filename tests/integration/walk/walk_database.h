// WalkDatabase: an empty, migrated database on a private PostgreSQL that all tests of the process
// share, with the store that leads in it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "coordinator/store/pg_leader.h"
#include "coordinator/store/pg_pool.h"
#include "coordinator/store/pg_walk_store.h"
#include "coordinator/store/walk_store.h"
#include "coordinator/walk/walker.h"
#include "nix/store_path.h"

namespace hnx::test {

// What an upstream says of itself.
inline constexpr const char* kCacheInfo = "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n";

// Walks that give up, and try again, within milliseconds.
coordinator::WalkOptions ImpatientWalk(std::size_t window_max, std::size_t batch);

class WalkDatabase {
 public:
  WalkDatabase();
  ~WalkDatabase();
  WalkDatabase(const WalkDatabase&) = delete;
  WalkDatabase& operator=(const WalkDatabase&) = delete;

  // kill -9; returns when another one has taken its place.
  static void KillServer();

  coordinator::PgWalkStore& store() { return *store_; }
  coordinator::PgPool& pool() { return *pool_; }
  const coordinator::PgLeader& leader() const { return *leader_; }
  const std::string& uri() const { return uri_; }

  // A row as Submit makes it, still resolving.
  coordinator::ReleaseId AddRelease(const std::string& channel, const std::string& upstream_url,
                                    bool force = false, const std::vector<std::string>& match = {});
  // A release of these roots, about to be walked.
  coordinator::ReleaseId AddWalk(const std::string& upstream_url,
                                 const std::vector<nix::StorePath>& roots);
  // The first field of the first row; "" for none.
  std::string Ask(const std::string& query);
  std::vector<std::string> AskAll(const std::string& query);

 private:
  std::string name_;
  std::string uri_;
  std::unique_ptr<coordinator::PgPool> pool_;
  std::unique_ptr<coordinator::PgLeader> leader_;
  std::unique_ptr<coordinator::PgWalkStore> store_;
};

}  // namespace hnx::test
