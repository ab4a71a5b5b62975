#include "coordinator/store/pg_pool.h"

#include <utility>

#include "base/clock.h"
#include "coordinator/store/pg_error.h"
#include "coordinator/store/pg_transaction.h"

namespace hnx::coordinator {
namespace {

// A server that vanished without a word must not hold a thread for the kernel's quarter of an hour.
std::string WithTimeouts(std::string uri) {
  const bool is_uri = uri.starts_with("postgresql://") || uri.starts_with("postgres://");
  const auto add = [&](const std::string& keyword, const std::string& value) {
    if (uri.find(keyword) != std::string::npos) {
      return;  // the operator said otherwise
    }
    if (is_uri) {
      uri += (uri.find('?') == std::string::npos ? '?' : '&');
    } else {
      uri += ' ';
    }
    uri += keyword;
    uri += '=';
    uri += value;
  };
  add("connect_timeout", "5");
  add("tcp_user_timeout", "10000");
  add("keepalives_idle", "5");
  return uri;
}

}  // namespace

PgPool::PgPool(std::string uri, PgPoolOptions options)
    : uri_(WithTimeouts(std::move(uri))), options_(std::move(options)) {}

PgPool::~PgPool() = default;

Result<std::unique_ptr<PgConnection>> PgPool::Take() {
  {
    MutexLock lock(mutex_);
    const auto deadline = Clock::Real().Steady() + options_.checkout_timeout;
    while (idle_.empty() && open_ >= options_.connections_max) {
      const auto now = Clock::Real().Steady();
      if (now >= deadline) {
        return Unavailable("connect to PostgreSQL: all connections of the pool are busy");
      }
      ++waiting_;
      returned_.WaitFor(mutex_, deadline - now);
      --waiting_;
    }
    if (!idle_.empty()) {
      auto connection = std::move(idle_.back());
      idle_.pop_back();
      connection->set_taken_at(Clock::Real().Steady());
      return connection;
    }
    ++open_;
  }
  try {
    const auto began = Clock::Real().Steady();
    auto connection = std::make_unique<PgConnection>(uri_);
    connection->set_taken_at(began);
    return connection;
  } catch (const std::exception&) {
    ForgetOne();
    return CurrentPgFailure("connect").error;
  }
}

void PgPool::Return(std::unique_ptr<PgConnection> connection, bool usable) {
  if (options_.on_transaction) {
    options_.on_transaction(Clock::Real().Steady() - connection->taken_at());
  }
  std::vector<std::unique_ptr<PgConnection>> closed;  // after the lock is gone
  MutexLock lock(mutex_);
  if (usable) {
    idle_.push_back(std::move(connection));
  } else {
    ++failures_;
    open_ -= 1 + idle_.size();
    closed.swap(idle_);
    closed.push_back(std::move(connection));
  }
  returned_.NotifyAll();
}

void PgPool::ForgetOne() {
  MutexLock lock(mutex_);
  --open_;
  ++failures_;
  returned_.NotifyAll();
}

PgPoolUse PgPool::Use() {
  MutexLock lock(mutex_);
  return {.connections_max = options_.connections_max,
          .open = open_,
          .busy = open_ - idle_.size(),
          .waiting = waiting_,
          .failures = failures_};
}

}  // namespace hnx::coordinator
