// PgPublishStore: the publish log. Batches are numbered 1, 2, 3, ... without a hole; after each of
// them the published paths are closed under References. Planning belongs to the leader; reading a
// batch gives the same bytes every time, with memory for one page of it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "coordinator/store/batch_builder.h"
#include "coordinator/store/pg_leader.h"
#include "coordinator/store/pg_pool.h"

namespace hnx::coordinator {

struct PublishLimits {
  std::int64_t batch_paths_max = 1'000;
  // A batch that is not full waits so long for more, unless nothing more can come.
  std::int64_t batch_wait_ms = 2'000;
  // Planned and not applied; the log does not run further ahead of the index.
  std::int64_t batches_ahead_max = 8;
  // A NAR waits at most so long until another worker holds a copy of it, while one that is to hold
  // it calls; 0: no waiting.
  std::int64_t await_copies_ms = 0;
};

// With copies. Whoever copies more slowly than that holds nothing up.
inline constexpr std::int64_t kAwaitCopiesMs = 600'000;

// One operation as it goes to the index worker. A put's bytes follow through `more`.
struct PublishStep {
  enum class Kind { kPut, kMore, kLink, kRemove };
  Kind kind = Kind::kPut;
  std::string path{};
  std::uint64_t size_bytes = 0;  // kPut: of the whole file
  Bytes sha256{};                // kPut: of the whole file
  Bytes data{};                  // kPut, kMore: at most kArtifactChunkBytesMax
  std::string linkname{};
  std::string metadata{};
};

class PgPublishStore {
 public:
  // All must outlive this object.
  PgPublishStore(PgPool& pool, const PgLeader& leader, const IndexDescription& description,
                 PublishLimits limits = {})
      : pool_(pool), leader_(leader), description_(description), limits_(limits) {}

  // Plans the next batch when there is enough for one; the number of paths in it and of links that
  // flip, and 1 for one that only says of what the mirror consists.
  Result<std::uint64_t> PlanBatch();

  // kNotFound: no such batch. An error of `sink` ends the reading and is returned. Thread-safe.
  Result<void> ReadBatch(std::int64_t batch, const std::function<Result<void>(PublishStep)>& sink);

 private:
  Result<std::uint64_t> PlanIn(PgTransaction& transaction);
  Result<void> ReadNarInfo(std::int64_t narinfo, std::uint64_t size_bytes, PublishStep step,
                           const std::function<Result<void>(PublishStep)>& sink);
  Result<void> ReadFile(ArtifactId artifact, PublishStep step,
                        const std::function<Result<void>(PublishStep)>& sink);

  PgPool& pool_;
  const PgLeader& leader_;
  const IndexDescription& description_;
  const PublishLimits limits_;
};

}  // namespace hnx::coordinator
