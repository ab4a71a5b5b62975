// Many peers of one seeder at once, each a node of its own with an empty disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "base/result.h"
#include "hyper/drive/drive_key.h"

namespace hnx::bench {

struct PeerLoadResult {
  double seconds = 0;  // from the last peer's connection to the last one's last byte
  std::uint64_t bytes = 0;
};

// All connect; when the last one has the head, each reads one file of the drive to its end: peer n
// file n modulo `files`. All stay until the last one has done. Below `folder` they keep what they
// read.
Result<PeerLoadResult> RunPeerLoad(const hyper::DriveKey& key, const std::filesystem::path& folder,
                                   const std::string& address, std::size_t peers,
                                   std::size_t files);

}  // namespace hnx::bench
