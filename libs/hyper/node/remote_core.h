// RemoteCore: one replica of the node, for readers on other threads: what is on the disk is read
// there, the rest is asked for on the loop. Internal to this folder.
#pragma once

#include <filesystem>
#include <memory>

#include "base/result.h"
#include "hyper/core/keys.h"
#include "hyper/drive/core_reader_pool.h"
#include "hyper/node/node_loop.h"
#include "hyper/node/read_limits.h"
#include "hyper/node/remote_drive.h"

namespace hnx::hyper {

class RemoteCore {
 public:
  // `folder`: of the core.
  RemoteCore(std::shared_ptr<NodeLoop> node, const CoreKey& key, std::filesystem::path folder);

  const CoreKey& key() const { return key_; }
  NodeLoop& node() const { return *node_; }
  // Threads: any.
  CoreReaderPool& local() { return local_; }
  // All committed.
  Result<bool> HoldsLocally(BlockRange blocks);
  // Of allocated blocks of `data`.
  std::uint64_t bytes_on_disk() const;

  // -- Threads: any but the loop's.
  // Where the bytes of a block lie that was fetched.
  Result<ByteRange> Locate(BlockIndex block);
  Result<Availability> AvailabilityOf(BlockRange blocks);
  // The length, unless connected peers are known to lack something near its end: then how many
  // blocks from the first on one of them, or this disk, holds.
  Result<std::uint64_t> LengthInReach();
  Result<RemoteCoreStatus> Status();
  Result<void> Evict(BlockRange blocks);

  // -- Threads: the loop's.
  // kCancelled: it is closed.
  Result<Downloader*> downloader() const;

 private:
  Result<Availability> AvailabilityOnLoop(BlockRange blocks) const;
  Result<std::uint64_t> LengthInReachOnLoop() const;

  const std::shared_ptr<NodeLoop> node_;
  const CoreKey key_;
  const std::filesystem::path folder_;
  CoreReaderPool local_;
};

}  // namespace hnx::hyper
