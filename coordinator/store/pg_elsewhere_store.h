// PgElsewhereStore: paths whose NAR cannot be had at the upstream that their narinfo came from, and
// what the other upstreams say of them. A narinfo of theirs takes the place of the first one when
// it describes the same NAR (NarHash, NarSize and References): then nothing of the plan changes.
// For the leader.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "coordinator/store/pg_leader.h"
#include "coordinator/store/pg_pool.h"
#include "coordinator/store/walk_store.h"

namespace hnx::coordinator {

class PgTransaction;

// The NARs' paths fail with them, but for those that other upstreams are asked for first. Inside a
// transaction that settled the NARs; `nars`: an array literal.
void FailPaths(PgTransaction& transaction, const std::string& nars);

struct ElsewherePath {
  FrontierPath path;
  std::int64_t nar = 0;     // that cannot be had
  UpstreamId upstream = 0;  // whose turn it is; 0: all were tried
};

// What became of one: exactly one of the three.
struct ElsewhereAnswer {
  ElsewherePath asked;
  std::optional<VerifiedNarInfo> found;
  std::string refused{};                           // why the upstream's answer is none
  std::optional<std::chrono::milliseconds> later;  // it is asked again
  int attempts = 0;                                // with `later`
};

class PgElsewhereStore {
 public:
  static constexpr std::size_t kPathsMax = 64;

  PgElsewhereStore(PgPool& pool, const PgLeader& leader) : pool_(pool), leader_(leader) {}

  // Whether anything is to be looked for. `outages`: also for what waits for a host that is down.
  Result<bool> AnyLooking(bool outages);
  // At most kPathsMax that are due. `askable`: the upstreams that can be asked now.
  Result<std::vector<ElsewherePath>> Next(std::span<const UpstreamId> askable);
  Result<void> Save(std::span<const ElsewhereAnswer> answers);

 private:
  PgPool& pool_;
  const PgLeader& leader_;
};

}  // namespace hnx::coordinator
