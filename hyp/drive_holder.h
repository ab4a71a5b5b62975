// DriveHolder: keeps whole drives from peers: those that were asked for, and of a mirror every
// shard that its /mirror.json lists, those that come later too. Made for `hyp seed` and `hyp
// import`.
//
// Threads: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "hyper/drive/drive_key.h"
#include "hyper/node/peer_node.h"
#include "hyper/node/remote_drive.h"

namespace hnx::hyp {

// Drives that one process holds. Each has files open.
inline constexpr std::size_t kHeldDrivesMax = 16'384;

struct HeldDrive {
  hyper::DriveKey key;
  bool is_shard = false;
  std::uint64_t version = 0;
  std::uint64_t blocks_held = 0;  // of both cores
  std::uint64_t blocks_total = 0;
  std::uint64_t bytes_held = 0;
  std::uint64_t bytes_fetched = 0;  // since it was opened
  std::size_t peers = 0;
  bool frozen = false;
  bool whole() const { return version > 0 && blocks_held == blocks_total; }
};

class DriveHolder {
 public:
  // `node` must outlive it. `whole`: everything is fetched; else only what is here is served.
  DriveHolder(hyper::PeerNode& node, std::filesystem::path folder, bool whole, bool announce)
      : node_(node), folder_(std::move(folder)), whole_(whole), announce_(announce) {}

  // A drive that was asked for.
  Result<void> Add(const hyper::DriveKey& key);
  // Opens the shards that are listed now; to be called now and then. Reads from the disk and, for
  // /mirror.json, from peers within `limits`. Errors of one drive hold no other up; they are
  // returned as text.
  std::vector<std::string> LookForShards(const hyper::ReadLimits& limits);
  Result<std::vector<HeldDrive>> Status();
  // Those that were asked for first, then the shards.
  std::vector<std::shared_ptr<hyper::RemoteDrive>> drives() const;

 private:
  struct Drive {
    std::shared_ptr<hyper::RemoteDrive> drive;
    bool is_shard = false;
    std::uint64_t shards_known_of_version = 0;
  };

  Result<void> Open(const hyper::DriveKey& key, bool is_shard);
  Result<void> LookForShardsOf(Drive& drive, const hyper::ReadLimits& limits);

  hyper::PeerNode& node_;
  const std::filesystem::path folder_;
  const bool whole_;
  const bool announce_;
  std::map<hyper::DriveKey, Drive> drives_;
};

}  // namespace hnx::hyp
