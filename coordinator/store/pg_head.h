// Heads of drives in rows. Included by coordinator/store/pg_*.cc only.
#pragma once

#include <cstdint>

#include "coordinator/domain/drive_head.h"
#include "coordinator/store/pg_transaction.h"

namespace hnx::coordinator {

inline std::int64_t Signed(std::uint64_t value) {
  return static_cast<std::int64_t>(value);
}
inline std::uint64_t Unsigned(const pqxx::field& field) {
  return static_cast<std::uint64_t>(field.as<std::int64_t>());
}

inline DriveHead ReadHead(const pqxx::row& row) {
  return {.db_length = Unsigned(row["db_length"]),
          .db_tree_hash = ReadBytes(row["db_tree_hash"]),
          .content_length = Unsigned(row["content_length"]),
          .content_tree_hash = ReadBytes(row["content_tree_hash"]),
          .content_byte_length = Unsigned(row["content_byte_length"])};
}

}  // namespace hnx::coordinator
