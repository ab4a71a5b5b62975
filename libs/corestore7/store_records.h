// The values that hypercore-storage 3 (corestore 7) keeps under its keys, in compact-encoding
// (docs/formats/corestore-7.md). Encode writes what a store of today has; Decode reads it back and
// gives kDataLoss for anything else. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "hyper/core/core_head.h"
#include "hyper/core/fixed_bytes.h"
#include "hyper/core/manifest.h"
#include "hyper/core/merkle_tree.h"

namespace hnx::corestore7 {

// Of the store head and of core records: what hypercore-storage 3 writes. 2.x refuses it and says
// so.
inline constexpr std::uint64_t kStoreVersion = 2;

struct StoreHead {
  std::uint64_t cores = 0;  // pointers that are taken
  std::uint64_t datas = 0;
  std::uint64_t groups = 0;
  // From which the store derives key pairs for new cores: its primary key.
  std::optional<std::array<std::byte, 32>> seed;
  std::optional<hyper::DiscoveryKey> default_core;

  Bytes Encode() const;
  static Result<StoreHead> Decode(ByteView bytes);
};

struct CoreRecord {
  std::uint64_t core_pointer = 0;
  std::uint64_t data_pointer = 0;

  Bytes Encode() const;
  // A record with an alias is read; the alias is dropped.
  static Result<CoreRecord> Decode(ByteView bytes);
};

// Without a key pair: an export has no secrets.
struct AuthRecord {
  hyper::CoreKey key;
  hyper::DiscoveryKey discovery_key;
  std::optional<hyper::Manifest> manifest;

  Bytes Encode() const;
};

struct HeadRecord {
  std::uint64_t fork = 0;
  std::uint64_t length = 0;
  hyper::Hash tree_hash;
  Bytes signature;

  static HeadRecord Of(const hyper::CoreHead& head);
  Bytes Encode() const;
  static Result<HeadRecord> Decode(ByteView bytes);
};

struct HintsRecord {
  std::uint64_t contiguous_length = 0;

  Bytes Encode() const;
  // What JavaScript notes besides is dropped.
  static Result<HintsRecord> Decode(ByteView bytes);
};

Bytes EncodeNode(const hyper::TreeNode& node);

}  // namespace hnx::corestore7
