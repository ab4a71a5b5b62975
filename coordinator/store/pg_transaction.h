// PgTransaction: one transaction of libpqxx, and RunTransaction, the only way to make one. Included
// by pg_*.cc only: pqxx stays in this folder.
//
// RunTransaction takes a connection from the pool, runs `body`, commits when it returned a value
// and rolls back when it returned an Error. A transaction that the server rolled back because of
// others is run again, so is one whose idle connection had died: `body` must change nothing but the
// database. When the answer to COMMIT got lost the outcome is kUnavailable; every caller's work is
// safe to repeat.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>

#include <pqxx/pqxx>

#include "base/bytes.h"
#include "base/result.h"
#include "coordinator/store/pg_error.h"
#include "coordinator/store/pg_pool.h"

namespace hnx::coordinator {

inline constexpr int kTransactionRunsMax = 8;

class PgConnection {
 public:
  explicit PgConnection(const std::string& uri);
  pqxx::connection& get() { return connection_; }
  bool used() const { return used_; }
  void set_used() { used_ = true; }
  // When it was taken from the pool, with the time that connecting took.
  std::chrono::steady_clock::time_point taken_at() const { return taken_at_; }
  void set_taken_at(std::chrono::steady_clock::time_point at) { taken_at_ = at; }

 private:
  pqxx::connection connection_;
  bool used_ = false;
  std::chrono::steady_clock::time_point taken_at_;
};

class PgTransaction {
 public:
  explicit PgTransaction(pqxx::connection& connection) : work_(connection) {}

  // One statement with parameters $1, $2, ...
  template <class... Args>
  pqxx::result Exec(std::string_view statement, Args&&... args) {
    return work_.exec_params(std::string(statement), std::forward<Args>(args)...);
  }
  // At most one row.
  template <class... Args>
  std::optional<pqxx::row> MaybeRow(std::string_view statement, Args&&... args) {
    const pqxx::result rows = Exec(statement, std::forward<Args>(args)...);
    if (rows.empty()) {
      return std::nullopt;
    }
    return rows.front();
  }
  // Exactly one row; another number of rows is a bug in the statement.
  template <class... Args>
  pqxx::row Row(std::string_view statement, Args&&... args) {
    return work_.exec_params1(std::string(statement), std::forward<Args>(args)...);
  }
  pqxx::work& work() { return work_; }

 private:
  pqxx::work work_;
};

// For a transaction that touches few rows of large tables: it looks them up, also where tables have
// grown so fast that PostgreSQL believes them to be small, in triggers too.
void LookRowsUp(PgTransaction& transaction);

// bytea in and out.
inline pqxx::binarystring Binary(ByteView bytes) {
  // An empty view may have no address.
  return bytes.empty() ? pqxx::binarystring(std::string())
                       : pqxx::binarystring(bytes.data(), bytes.size());
}
Bytes ReadBytes(const pqxx::field& field);
// "\\x...": bytea as text, for arrays and COPY.
std::string ByteaText(ByteView bytes);

// Array literals for parameters of type bigint[], text[], ...
class PgArray {
 public:
  void Add(std::int64_t value) { AddRaw(std::to_string(value)); }
  void Add(std::uint64_t value) { AddRaw(std::to_string(value)); }
  void Add(bool value) { AddRaw(value ? "t" : "f"); }
  void AddText(std::string_view text);
  void AddBytes(ByteView bytes) { AddText(ByteaText(bytes)); }
  void AddNull() { AddRaw("NULL"); }
  bool empty() const { return items_.empty(); }
  std::string Literal() const { return "{" + items_ + "}"; }

 private:
  void AddRaw(std::string_view text) {
    if (!items_.empty()) {
      items_ += ',';
    }
    items_ += text;
  }
  std::string items_;
};

template <class Range>
std::string Int64Array(const Range& values) {
  PgArray array;
  for (const auto value : values) {
    array.Add(static_cast<std::int64_t>(value));
  }
  return array.Literal();
}
std::string TextArray(std::span<const std::string> values);

// Columns that may be NULL: "", 0, none.
std::string TextOf(const pqxx::row& row, const char* column);
std::uint64_t CountOf(const pqxx::row& row, const char* column);
std::optional<std::int64_t> TimeOf(const pqxx::row& row, const char* column);

// Elements of a text[] field.
std::vector<std::string> ReadTextArray(const pqxx::field& field);

namespace internal {
std::chrono::milliseconds RerunDelay(int run);
}  // namespace internal

template <class Body>
auto RunTransaction(PgPool& pool, std::string_view what, Body body)
    -> std::invoke_result_t<Body, PgTransaction&> {
  for (int run = 1;; ++run) {
    auto taken = pool.Take();
    if (!taken.has_value()) {
      return taken.error().Annotate(what);
    }
    std::unique_ptr<PgConnection> connection = *std::move(taken);
    const bool was_used = connection->used();
    bool committing = false;
    try {
      std::invoke_result_t<Body, PgTransaction&> outcome = [&] {
        PgTransaction transaction(connection->get());
        auto result = body(transaction);
        if (result.has_value()) {
          committing = true;
          transaction.work().commit();
        } else {
          transaction.work().abort();
        }
        return result;
      }();
      connection->set_used();
      pool.Return(std::move(connection), true);
      return outcome;
    } catch (const std::exception&) {
      const PgFailure failure = CurrentPgFailure(what);
      const bool usable = !failure.connection_lost && connection->get().is_open();
      pool.Return(std::move(connection), usable);
      const bool again = failure.rolled_back || (!usable && was_used && !committing);
      if (!again || run >= kTransactionRunsMax) {
        return failure.error;
      }
    }
    std::this_thread::sleep_for(internal::RerunDelay(run));
  }
}

}  // namespace hnx::coordinator
