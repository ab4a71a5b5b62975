// BlockStream: blocks of a remote core in order, with some of them asked for ahead. Internal to
// this folder.
//
// Threads: one, not the loop's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "hyper/codec/index_types.h"
#include "hyper/node/read_limits.h"
#include "hyper/node/remote_core.h"
#include "hyper/node/signal.h"

namespace hnx::hyper {

class BlockStream {
 public:
  // `window`: blocks that are asked for and not handed out yet, at least 1; fewer when the node's
  // read-ahead is used up. `block_bytes`: the usual size of a block.
  BlockStream(std::shared_ptr<RemoteCore> core, BlockRange blocks, std::size_t window,
              std::uint64_t block_bytes, const ReadLimits& limits);
  // What is under way is given up, for this reader.
  ~BlockStream();
  BlockStream(const BlockStream&) = delete;
  BlockStream& operator=(const BlockStream&) = delete;
  BlockStream(BlockStream&&) = delete;
  BlockStream& operator=(BlockStream&&) = delete;

  // The next block; not beyond the end.
  Result<Bytes> Next();

 private:
  struct Shared;

  Result<void> AskAhead();
  // Room for one more block that is asked for.
  bool Reserve(BlockIndex block);
  void GiveBack(BlockIndex block);
  void Ask(std::vector<BlockIndex> blocks);
  Result<Bytes> Await(BlockIndex block);

  const std::shared_ptr<RemoteCore> core_;
  const BlockRange blocks_;
  const std::size_t window_;
  const std::uint64_t block_bytes_;
  const ReadLimits limits_;
  const std::shared_ptr<Shared> shared_;
  const CancelHook cancel_hook_;
  BlockIndex next_;
  BlockIndex ahead_;  // all before were looked for
  std::optional<Clock::SteadyTime> looked_;
  // Blocks for which read-ahead was taken.
  std::set<BlockIndex> reserved_;
};

}  // namespace hnx::hyper
