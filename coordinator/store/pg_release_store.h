// PgReleaseStore: submissions, and what people ask about releases, workers, shards and paths.
// Reading is cheap at any size: counters are sums of a few rows, lists come in pages. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "coordinator/domain/audit_view.h"
#include "coordinator/domain/path_view.h"
#include "coordinator/domain/release_view.h"
#include "coordinator/store/pg_pool.h"
#include "coordinator/store/same_server.h"
#include "coordinator/store/walk_store.h"

namespace hnx::coordinator {

struct NewRelease {
  std::string channel;  // or the list's name
  std::string upstream_url;
  std::vector<std::string> match;
  std::vector<std::string> exclude;
  bool plan_only = false;
  bool force = false;
  double max_missing = 0;
  int priority = 0;
  bool is_list = false;
};

struct Submitted {
  ReleaseId release = 0;
  bool existed = false;
};

class PgReleaseStore {
 public:
  explicit PgReleaseStore(PgPool& pool) : pool_(pool) {}

  // A channel that is being worked on with the same match and exclude is not begun twice.
  Result<Submitted> Submit(const NewRelease& release, const Caller& caller = {});
  // Roots of a list; kInvalidArgument for a hash with two names. Then NameList, or DropRelease.
  Result<void> AddListRoots(ReleaseId release, std::span<const PathName> roots);
  // The list is complete and walked from now on. The same list at work already: that one, and
  // `release` is gone.
  Result<Submitted> NameList(ReleaseId release, const std::string& name,
                             const NewRelease& submission, const Caller& caller = {});
  Result<void> DropRelease(ReleaseId release);

  // 0: the newest. kNotFound: none.
  Result<ReleaseView> Get(ReleaseId release);
  Result<StatusView> GetStatus();
  // In the order of store path hashes, page by page; an error of `sink` ends it.
  Result<void> ListFailures(ReleaseId release,
                            const std::function<Result<void>(const FailureView&)>& sink);
  // All that is known of a path. kNotFound: no release ever named it.
  Result<PathView> Why(const std::string& store_path_hash);

 private:
  PgPool& pool_;
  SameServer servers_;  // of lists that are coming in
};

}  // namespace hnx::coordinator
