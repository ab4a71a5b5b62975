// Exports a core into a RocksStore, whole or what of it is here, or adds what an earlier export
// does not have. Every node and every block is checked up to the signed roots before it is written;
// what does not fit is named and left out, and all else is exported.
//
// Memory: one node a level of the tree, one block (kExportBlockBytesMax), one batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "corestore7/rocks_store.h"
#include "hyper/codec/index_types.h"
#include "hyper/core/core_reader.h"

namespace hnx::corestore7 {

// A block beyond this is damage: no writer makes one.
inline constexpr std::uint64_t kExportBlockBytesMax = std::uint64_t{64} << 20;
// Further findings are counted, not kept.
inline constexpr std::size_t kExportFindingsMax = 100;

struct ExportFinding {
  hyper::BlockRange blocks;  // what could not be exported for it
  std::string message;       // names file, place and thing
};

struct CoreExportReport {
  std::uint64_t length = 0;          // of the core
  std::uint64_t blocks_written = 0;  // by this export
  std::uint64_t bytes_written = 0;
  std::uint64_t blocks_not_here = 0;  // neither here nor in the store; of the sound ones
  std::vector<ExportFinding> findings;
  std::uint64_t findings_total = 0;
};

// Called after each block with its bytes; false ends the export.
using ExportProgress = std::function<bool(std::uint64_t bytes)>;

// What stands against exporting the core into the store, before anything is written.
// kFailedPrecondition: the store has a longer head than the core, or another history of it.
Result<void> CheckExportable(hyper::CoreReader& source, RocksStore& store);

// `source` may be written to meanwhile; its head at the beginning is exported. Not yet durable: see
// RocksStore::Flush. kCancelled: progress said so; what was written stays.
Result<CoreExportReport> ExportCore(hyper::CoreReader& source, RocksStore& store,
                                    const ExportProgress& progress = {});

}  // namespace hnx::corestore7
