#include "coordinator/store/pg_changes.h"

#include <optional>
#include <utility>

#include "base/clock.h"
#include "coordinator/store/pg_transaction.h"

namespace hnx::coordinator {
namespace {

// Which of the transactions that wrote something have ended.
std::optional<std::string> Snapshot(PgPool& pool) {
  auto taken = pool.Take();
  if (!taken.has_value()) {
    return std::nullopt;
  }
  std::unique_ptr<PgConnection> connection = *std::move(taken);
  std::optional<std::string> snapshot;
  try {
    snapshot = pqxx::nontransaction(connection->get())
                   .exec("SELECT pg_current_snapshot()")[0][0]
                   .as<std::string>();
  } catch (const std::exception&) {
    // Whoever asked finds out what is wrong by the work that it does now.
  }
  pool.Return(std::move(connection), snapshot.has_value());
  return snapshot;
}

}  // namespace

std::string PgChanges::Seen() {
  // Others wait here for the answer that they would ask for too.
  MutexLock lock(mutex_);
  const auto now = Clock::Real().Steady();
  if (now - asked_at_ < kAgeMax) {
    return seen_;
  }
  const auto snapshot = Snapshot(pool_);
  seen_ = snapshot.value_or("");
  // An answer is as old as the question. Those who waited for none do not wait once more.
  asked_at_ = snapshot ? now : Clock::Real().Steady();
  return seen_;
}

}  // namespace hnx::coordinator
