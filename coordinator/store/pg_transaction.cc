#include "coordinator/store/pg_transaction.h"

#include <random>

#include "base/hex.h"

namespace hnx::coordinator {

PgConnection::PgConnection(const std::string& uri) : connection_(uri) {
  // A connection that came back by itself would have lost the settings below.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"  // the default of libpqxx 7
  connection_.inhibit_reactivation(true);
#pragma GCC diagnostic pop
  pqxx::nontransaction setup(connection_);
  // Notices such as "relation exists, skipping" are of no use on stderr. Waiting for a lock has an
  // end (the transaction is run again), and so has a client that stopped inside a transaction.
  setup.exec(
      "SET client_min_messages = error; SET lock_timeout = '20s';"
      "SET idle_in_transaction_session_timeout = '60s'; SET plan_cache_mode = force_custom_plan;"
      "SET timezone = 'UTC'; SET jit = off; SET bytea_output = hex");
}

void LookRowsUp(PgTransaction& transaction) {
  // Plans that look rows up stay right however tables grow, so those of triggers and foreign keys,
  // which PostgreSQL would make again for each row, are kept.
  transaction.work().exec(
      "SET LOCAL enable_seqscan = off; SET LOCAL random_page_cost = 1.1;"
      "SET LOCAL plan_cache_mode = auto");
}

Bytes ReadBytes(const pqxx::field& field) {
  if (field.is_null()) {
    return {};
  }
  const pqxx::binarystring binary(field);
  return ToBytes(std::string_view(binary.get(), binary.size()));
}

std::string ByteaText(ByteView bytes) {
  return "\\x" + EncodeHex(bytes);
}

void PgArray::AddText(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
    }
    quoted += c;
  }
  quoted += '"';
  AddRaw(quoted);
}

std::string TextArray(std::span<const std::string> values) {
  PgArray array;
  for (const std::string& value : values) {
    array.AddText(value);
  }
  return array.Literal();
}

std::string TextOf(const pqxx::row& row, const char* column) {
  return row[column].is_null() ? std::string() : row[column].as<std::string>();
}

std::uint64_t CountOf(const pqxx::row& row, const char* column) {
  return row[column].is_null() ? 0 : row[column].as<std::uint64_t>();
}

std::optional<std::int64_t> TimeOf(const pqxx::row& row, const char* column) {
  return row[column].is_null() ? std::optional<std::int64_t>()
                               : std::optional(row[column].as<std::int64_t>());
}

std::vector<std::string> ReadTextArray(const pqxx::field& field) {
  std::vector<std::string> values;
  auto parser = field.as_array();
  for (;;) {
    const auto [juncture, value] = parser.get_next();
    if (juncture == pqxx::array_parser::juncture::done) {
      return values;
    }
    if (juncture == pqxx::array_parser::juncture::string_value) {
      values.push_back(value);
    }
  }
}

std::chrono::milliseconds internal::RerunDelay(int run) {
  thread_local std::mt19937_64 random(std::random_device{}());
  std::uniform_int_distribution<int> jitter(1, 10 * run);
  return std::chrono::milliseconds(jitter(random));
}

}  // namespace hnx::coordinator
