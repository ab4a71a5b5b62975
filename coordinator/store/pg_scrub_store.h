// PgScrubStore: which drives are to be scrubbed, how their scrubs stand, and what the files of a
// shard must be. Each call is one transaction that any replica may run. Thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "coordinator/domain/scrub_view.h"
#include "coordinator/store/pg_pool.h"

namespace hnx::coordinator {

// Drives that are told of.
inline constexpr std::int64_t kScrubsListedMax = 100'000;

class PgScrubStore {
 public:
  explicit PgScrubStore(PgPool& pool) : pool_(pool) {}

  // What the worker is to scrub now. kAborted: a newer incarnation of it runs; kUnavailable: it has
  // not been heard of by Synchronize so far.
  Result<std::vector<ScrubOrder>> Report(const ScrubReport& report);
  // kNotFound: no such shard.
  Result<ShardFiles> ListFiles(const std::string& worker_id, ByteView key, const std::string& after,
                               const std::vector<std::string>& files, std::size_t files_max);

  // `target`: a worker's name or id, a drive's key in hex or its id; empty: all. `now`: has them
  // scrubbed. kNotFound: nothing is called so.
  Result<std::vector<ScrubView>> Scrub(const std::string& target, bool now);

 private:
  PgPool& pool_;
};

}  // namespace hnx::coordinator
