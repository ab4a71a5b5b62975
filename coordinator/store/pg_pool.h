// PgPool: a bounded number of connections to one PostgreSQL. A thread takes one for the length of a
// transaction (pg_transaction.h) and gives it back; broken ones are closed, and new ones opened
// when they are needed, so the pool outlives any restart of the server. Thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"

namespace hnx::coordinator {

class PgConnection;  // pg_transaction.h

struct PgPoolOptions {
  std::size_t connections_max = 12;
  // How long a thread waits for a free connection.
  std::chrono::milliseconds checkout_timeout{10'000};
  // Told how long each connection was in use, which is one transaction. Called by many threads.
  std::function<void(std::chrono::steady_clock::duration)> on_transaction{};
};

struct PgPoolUse {
  std::size_t connections_max = 0;
  std::size_t open = 0;
  std::size_t busy = 0;
  std::size_t waiting = 0;     // threads, for a free connection
  std::uint64_t failures = 0;  // connections that could not be made, or broke
};

class PgPool {
 public:
  // `uri`: as libpq takes it, postgresql://... or keywords. Connects when first needed.
  explicit PgPool(std::string uri, PgPoolOptions options = {});
  ~PgPool();
  PgPool(const PgPool&) = delete;
  PgPool& operator=(const PgPool&) = delete;

  // kUnavailable: no server, or every connection busy for too long.
  Result<std::unique_ptr<PgConnection>> Take() HNX_EXCLUDES(mutex_);
  // `usable` false closes it, and with it all idle ones: they lead to the same dead server.
  void Return(std::unique_ptr<PgConnection> connection, bool usable) HNX_EXCLUDES(mutex_);

  PgPoolUse Use() HNX_EXCLUDES(mutex_);

 private:
  void ForgetOne() HNX_EXCLUDES(mutex_);

  const std::string uri_;
  const PgPoolOptions options_;
  Mutex mutex_;
  CondVar returned_;
  std::vector<std::unique_ptr<PgConnection>> idle_ HNX_GUARDED_BY(mutex_);
  std::size_t open_ HNX_GUARDED_BY(mutex_) = 0;
  std::size_t waiting_ HNX_GUARDED_BY(mutex_) = 0;
  std::uint64_t failures_ HNX_GUARDED_BY(mutex_) = 0;
};

}  // namespace hnx::coordinator
