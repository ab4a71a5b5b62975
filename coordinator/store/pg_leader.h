// PgLeader: whether this replica does the background work. The row in the database decides: holder,
// epoch, expiry by the database's clock. Every background transaction begins with Lock, which is an
// advisory lock of the database that taking over needs too: it can commit only while nobody else
// has taken over, and background transactions run one after the other. Thread-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

#include "base/result.h"
#include "coordinator/store/pg_pool.h"

namespace hnx::coordinator {

class PgTransaction;

inline constexpr std::chrono::milliseconds kLeaderTerm{5'000};

class PgLeader {
 public:
  // `holder` names this process, unlike any other; `pool` must outlive this object.
  PgLeader(PgPool& pool, std::string holder);

  // Takes or renews the leadership; call it every second or so. True: this replica leads.
  Result<bool> Renew();
  // Gives it up, so that another replica need not wait.
  void Resign();

  // As far as is known without asking.
  bool leads() const { return epoch_.load() != 0; }
  // Inside a transaction: kAborted when this replica does not lead any more.
  Result<void> Lock(PgTransaction& transaction) const;

 private:
  PgPool& pool_;
  const std::string holder_;
  std::atomic<std::int64_t> epoch_{0};
};

}  // namespace hnx::coordinator
