// PeerBlocks: damaged blocks from whoever else has the drive: workers that hold a copy, or the
// writer, by address; and whoever a swarm bridge of its own finds. They come through a replica in a
// scratch folder, so each is proven up to a signed head before it is seen.
//
// Threads: one at a time.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hyper/core/core_reader.h"
#include "hyper/node/read_limits.h"
#include "swarm/swarm_bridge.h"
#include "worker/scrub/block_source.h"

namespace hnx::worker {

class PeerBlocks final : public BlockSource {
 public:
  struct Options {
    const char* name = "copy";
    std::filesystem::path scratch;  // emptied before and after
    // "HOST:PORT" of those who may have the drive.
    std::function<std::vector<std::string>(const hyper::DriveKey&)> addresses;
    std::optional<swarm::SwarmOptions> swarm;
    std::shared_ptr<hyper::Cancellation> cancellation;
  };
  explicit PeerBlocks(Options options) : options_(std::move(options)) {}

  const char* name() const override { return options_.name; }
  FoundBlocks Get(const WantedBlocks& wanted, std::string* trouble) override;
  std::vector<hyper::TreeNode> Nodes(const WantedBlocks& wanted,
                                     const std::vector<hyper::TreeIndex>& nodes) override;

 private:
  // What is done with each block that came, in the replica that it came to.
  using TakeBlock = std::function<Result<void>(hyper::CoreReader& core, hyper::BlockIndex block)>;

  Result<void> WithBlocks(const WantedBlocks& wanted, std::string* trouble,
                          const TakeBlock& take) const;
  Result<void> Fetch(const WantedBlocks& wanted, const std::vector<std::string>& addresses,
                     std::string* trouble, const TakeBlock& take) const;

  const Options options_;
};

}  // namespace hnx::worker
