// IndexHolders: asks those who hold the index what they have of it, and fetches it from them into a
// folder. A holder is anyone who serves the drive's blocks: a gateway with a copy, `hyp seed`, a
// JavaScript peer. Nothing but the drive's key is trusted: a head counts when its signature is
// right.
//
// Blocking; threads: one at a time.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "hyper/drive/corestore.h"
#include "hyper/drive/drive_key.h"
#include "hyper/drive/hyperdrive.h"
#include "hyper/node/peer_node.h"
#include "swarm/swarm_bridge.h"

namespace hnx::worker {

// Between the call and a holder's proof of the newest head that it has.
inline constexpr std::chrono::milliseconds kHolderAnswerMax{30'000};
// No holder sent a block for so long: nobody has it.
inline constexpr std::chrono::milliseconds kHolderStallMax{30'000};

struct HolderAnswer {
  std::string address;
  std::uint64_t db_length = 0;  // as it says; proven when it is the longest
  std::uint64_t content_length = 0;
  std::string trouble;  // why it gave no answer; empty: it did

  bool answered() const { return trouble.empty(); }
};

struct HeldIndex {
  std::vector<HolderAnswer> holders;
  // The longest heads among them, verified; empty cores when nobody has anything.
  hyper::SignedDriveHead longest;

  // "gw:4711 has length 57, b:1 gave no answer (...)"
  std::string Describe() const;
};

class IndexHolders {
 public:
  struct Options {
    hyper::DriveKey key;
    hyper::PrimaryKey primary_key{};
    std::filesystem::path folder;        // made when missing; what is in it counts, too
    std::vector<std::string> addresses;  // "HOST:PORT" each
    // Also fetch from whom a bridge of its own finds; none: do not.
    std::optional<swarm::SwarmOptions> swarm{};
    std::function<bool()> stopping;  // polled while it waits; may be empty
    std::chrono::milliseconds answer_max = kHolderAnswerMax;
    std::chrono::milliseconds stall_max = kHolderStallMax;
  };
  explicit IndexHolders(Options options) : options_(std::move(options)) {}

  // Asks each holder by itself. A holder that gives no answer is told in the result; an error is
  // trouble of our own, kDataLoss a drive whose owner signed two trees, kCancelled `stopping`.
  Result<HeldIndex> Ask();
  // Fetches all that the newest version reaches, from all holders together, and what they have of
  // older versions. Durable when it returns. Goes on where an earlier call was cut off.
  // The heads that were fetched. kDeadlineExceeded names what no holder has.
  Result<hyper::SignedDriveHead> Fetch();

 private:
  struct Connected {
    std::unique_ptr<swarm::SwarmBridge> bridge;  // closed last; null: not in the swarm
    std::unique_ptr<hyper::PeerNode> node;
    std::shared_ptr<hyper::RemoteDrive> drive;  // closed first
  };
  Result<void> MakeFolder() const;
  Result<Connected> Connect(const std::vector<std::string>& addresses,
                            const std::optional<swarm::SwarmOptions>& swarm) const;
  Result<HolderAnswer> AskOne(const std::string& address, HeldIndex* held) const;
  bool Stopping() const { return options_.stopping && options_.stopping(); }

  const Options options_;
};

}  // namespace hnx::worker
