// The keys under which hypercore-storage 3 (corestore 7) keeps its records
// (docs/formats/corestore-7.md). Numbers in keys are written so that byte order is number order:
//
//   number <= 0xfb        1 byte
//          <= 0xffff      0xfc, 2 bytes, big endian
//          <= 0xffffffff  0xfd, 4 bytes, big endian
//          else           0xfe, 8 bytes, big endian
//
// A core has a core pointer (who it is) and a data pointer (what it holds), both small numbers.
// Pure functions.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "hyper/codec/index_types.h"
#include "hyper/core/fixed_bytes.h"

namespace hnx::corestore7 {

// Blocks that one record of the bitfield tells of.
inline constexpr std::uint64_t kPageBlocks = 32'768;
inline constexpr std::size_t kPageBytes = 4096;

void AppendIndexUint(Bytes& key, std::uint64_t value);

// The store.
Bytes StoreHeadKey();
Bytes CoreRecordKey(const hyper::DiscoveryKey& discovery_key);

// Who a core is.
Bytes AuthKey(std::uint64_t core_pointer);

// What it holds.
Bytes HeadKey(std::uint64_t data_pointer);
Bytes HintsKey(std::uint64_t data_pointer);
Bytes BlockKey(std::uint64_t data_pointer, hyper::BlockIndex block);
Bytes NodeKey(std::uint64_t data_pointer, hyper::TreeIndex node);
Bytes PageKey(std::uint64_t data_pointer, std::uint64_t page);

}  // namespace hnx::corestore7
