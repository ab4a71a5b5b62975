#include "coordinator/store/same_server.h"

#include "coordinator/store/pg_transaction.h"

namespace hnx::coordinator {
namespace {

// To the microsecond, so no two servers have the same.
std::string ServerOf(PgTransaction& transaction) {
  return transaction.Row("SELECT pg_postmaster_start_time()::text")[0].as<std::string>();
}

}  // namespace

void SameServer::Begin(PgTransaction& transaction, std::int64_t work) {
  std::string server = ServerOf(transaction);
  MutexLock lock(mutex_);
  servers_.insert_or_assign(work, std::move(server));
  if (servers_.size() > kWorksMax) {
    servers_.erase(servers_.begin());
  }
}

Result<void> SameServer::Check(PgTransaction& transaction, std::int64_t work) {
  const std::string server = ServerOf(transaction);
  MutexLock lock(mutex_);
  const auto [known, is_first] = servers_.try_emplace(work, server);
  if (is_first || known->second == server) {
    if (servers_.size() > kWorksMax) {
      servers_.erase(servers_.begin());
    }
    return {};
  }
  servers_.erase(known);
  return Unavailable(
      "PostgreSQL was started again, or another server took over: what was read of it before "
      "counts "
      "no more");
}

void SameServer::Forget(std::int64_t work) {
  MutexLock lock(mutex_);
  servers_.erase(work);
}

}  // namespace hnx::coordinator
