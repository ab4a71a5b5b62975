// ShardEntry: what the coordinator has to know of a NAR file in a shard. Hashes and sizes stand in
// the drive entry's metadata too, so that a worker that was killed finds them again:
//
//   {"narHash":"sha256:<nix32>","narSize":N,"fileHash":"sha256:<nix32>","fileHashDrift":true}
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "hyper/blobs/blob_id.h"
#include "hyper/drive/drive_entry.h"
#include "nix/nar_file_verifier.h"
#include "worker/nar_unit.h"

namespace hnx::worker {

struct ShardEntry {
  std::string file;  // /nar/<file>
  hyper::BlobId blob;
  nix::Sha256Digest nar_hash{};
  std::uint64_t nar_size = 0;
  nix::Sha256Digest file_hash{};
  bool file_hash_drift = false;
  bool deleted = false;
  // The unit that asked for it; all zero for what an earlier process stored.
  NarRef ref;

  bool operator==(const ShardEntry&) const = default;
};

// The metadata of the entry; `fileHashDrift` is left out when false.
std::string ShardMetadataJson(const ShardEntry& entry);

// kDataLoss: no NAR that this worker stored.
Result<ShardEntry> ShardEntryOf(const hyper::DriveEntry& entry);

// A SHA-256 hash of the Nix library as its digest alone; kInvalidArgument for other algorithms.
Result<nix::Sha256Digest> Sha256DigestOf(const nix::Hash& hash);

}  // namespace hnx::worker
