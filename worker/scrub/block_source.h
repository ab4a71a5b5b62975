// Where the bytes of damaged blocks come from. Whoever asks checks them against the leaves of the
// signed tree: a source that is wrong does no harm.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "hyper/codec/index_types.h"
#include "hyper/core/merkle_tree.h"
#include "hyper/drive/drive_key.h"

namespace hnx::worker {

// A block that is to be had, and where it lies.
struct WantedBlock {
  hyper::BlockIndex block{0};
  hyper::ByteRange bytes;       // of the core
  std::string file;             // that it belongs to; empty: to none
  std::uint64_t in_file = 0;    // where in the file it begins
  std::uint64_t file_size = 0;  // of the whole file
};

struct WantedBlocks {
  hyper::DriveKey key;
  bool content = true;  // of the content core; else of the db core
  std::vector<WantedBlock> blocks;
};

using FoundBlocks = std::map<hyper::BlockIndex, Bytes>;

class BlockSource {
 public:
  virtual ~BlockSource() = default;
  // A word for logs and metrics.
  virtual const char* name() const = 0;
  // What can be had of them; what cannot is not in the answer, and the reason is in `trouble`.
  // Blocking, for a bounded time.
  virtual FoundBlocks Get(const WantedBlocks& wanted, std::string* trouble) = 0;
  // Nodes on the way to a block of a core, and their siblings; those that can be had.
  virtual std::vector<hyper::TreeNode> Nodes(const WantedBlocks& /*wanted*/,
                                             const std::vector<hyper::TreeIndex>& /*nodes*/) {
    return {};
  }
};

}  // namespace hnx::worker
