// The work as the worker's stages see it: plain values, free of the wire format.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "hyper/blobs/blob_id.h"
#include "hyper/drive/drive_key.h"
#include "nix/nar_file_verifier.h"

namespace hnx::worker {

// Which unit of which lease: a verdict of an earlier attempt must not count for a later one.
struct NarRef {
  std::uint64_t job_id = 0;
  std::uint32_t attempt = 0;
  std::uint64_t nar_id = 0;

  auto operator<=>(const NarRef&) const = default;
};

// Where a NAR lay in a shard that its writer lost.
struct LostPlace {
  hyper::DriveKey shard;
  hyper::BlobId blob;
};

// One NAR file to fetch, verify and append.
struct NarUnit {
  NarRef ref;
  std::string url;
  std::string file;        // stored as /nar/<file>
  std::string store_path;  // for messages
  std::uint64_t file_size_hint = 0;
  nix::NarExpectation expectation;
  std::optional<LostPlace> lost{};  // peers may have it
};

// Why a NAR was not stored. `code` decides at the coordinator (coordinator.proto, NarFailure).
struct NarFailure {
  ErrorCode code = ErrorCode::kUnknown;
  std::string reason;  // stable word
  std::string message;
  std::chrono::milliseconds retry_after{0};
};

// A unit that cannot be understood: it fails alone, the others of its job go on.
struct BadUnit {
  NarRef ref;
  NarFailure failure;
};

struct Job {
  std::uint64_t job_id = 0;
  std::uint32_t attempt = 0;
  std::vector<NarUnit> units;
  std::vector<BadUnit> bad_units;
};

inline constexpr const char* kReasonDiskFull = "disk-full";
inline constexpr const char* kReasonBadUnit = "bad-unit";
inline constexpr const char* kReasonStorage = "storage-error";
// Durable in a shard that the coordinator then refused, or whose tail was cut off.
inline constexpr const char* kReasonShardLost = "shard-lost";

// What comes of the units. Called from several threads; must be quick.
class NarOutcomes {
 public:
  virtual ~NarOutcomes() = default;
  // Durable in a shard (or found there).
  virtual void OnStored(const NarRef& nar) = 0;
  virtual void OnFailed(const NarRef& nar, NarFailure failure) = 0;
  // Bytes of NAR files that arrived for this job, for progress.
  virtual void OnProgress(std::uint64_t job_id, std::uint64_t bytes) = 0;
};

}  // namespace hnx::worker
