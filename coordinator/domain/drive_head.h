// DriveHead: lengths and tree hashes of a drive's two cores at one moment. All zero: the empty
// drive.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace hnx::coordinator {

struct DriveHead {
  std::uint64_t db_length = 0;
  Bytes db_tree_hash;
  std::uint64_t content_length = 0;
  Bytes content_tree_hash;
  std::uint64_t content_byte_length = 0;

  bool IsEmpty() const { return db_length == 0 && content_length == 0; }
  // Of an empty core the hash says nothing.
  bool SameAs(const DriveHead& other) const {
    return db_length == other.db_length && content_length == other.content_length &&
           content_byte_length == other.content_byte_length &&
           (db_length == 0 || db_tree_hash == other.db_tree_hash) &&
           (content_length == 0 || content_tree_hash == other.content_tree_hash);
  }
  bool ShorterThan(const DriveHead& other) const {
    return db_length < other.db_length || content_length < other.content_length ||
           content_byte_length < other.content_byte_length;
  }
  // A core of the same length with another tree hash: two histories under one key.
  bool Contradicts(const DriveHead& other) const {
    return (db_length == other.db_length && db_length != 0 && db_tree_hash != other.db_tree_hash) ||
           (content_length == other.content_length && content_length != 0 &&
            content_tree_hash != other.content_tree_hash);
  }
};

}  // namespace hnx::coordinator
