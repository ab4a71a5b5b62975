// SameServer: whether several transactions that belong together ran on one PostgreSQL server that
// ran on all the while. A replica that is promoted may lack the last commits, and gives their
// numbers to other rows: whoever goes on with numbers that he read before would write to wrong
// rows, or would leave out what is not there any more. So work that takes several transactions is
// given up and begun anew from what the database holds. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/mutex.h"
#include "base/result.h"

namespace hnx::coordinator {

class PgTransaction;

class SameServer {
 public:
  // Works that are remembered; beyond that the one with the lowest number is forgotten.
  static constexpr std::size_t kWorksMax = 1024;

  // The first transaction of `work`, whatever was before.
  void Begin(PgTransaction& transaction, std::int64_t work) HNX_EXCLUDES(mutex_);
  // Any other one; the first that comes begins it. kUnavailable: the server is another one or was
  // started again since; then the work is forgotten, and may be begun anew.
  Result<void> Check(PgTransaction& transaction, std::int64_t work) HNX_EXCLUDES(mutex_);
  void Forget(std::int64_t work) HNX_EXCLUDES(mutex_);

 private:
  Mutex mutex_;
  std::map<std::int64_t, std::string> servers_ HNX_GUARDED_BY(mutex_);
};

}  // namespace hnx::coordinator
