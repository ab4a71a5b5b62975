// PgChanges: whether anything was committed, for rounds that would only find again what they found
// last time. One cheap statement for all who ask within a moment. Thread-safe.
#pragma once

#include <chrono>
#include <string>

#include "base/mutex.h"
#include "coordinator/store/pg_pool.h"

namespace hnx::coordinator {

class PgChanges {
 public:
  // `pool` must outlive this.
  explicit PgChanges(PgPool& pool) : pool_(pool) {}

  // A name for what could be seen in the database at some moment, at most kAgeMax ago: two names
  // are equal only when a statement sees the same at both moments. Empty: the database did not say.
  std::string Seen() HNX_EXCLUDES(mutex_);

 private:
  static constexpr std::chrono::milliseconds kAgeMax{50};

  PgPool& pool_;
  Mutex mutex_;
  std::string seen_ HNX_GUARDED_BY(mutex_);
  std::chrono::steady_clock::time_point asked_at_ HNX_GUARDED_BY(mutex_);
};

}  // namespace hnx::coordinator
