// How the scrubs of drives stand: what workers report of them, and what is told of it. Counts are
// of the round under way, or of the last whole one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace hnx::coordinator {

// Drives in one report, and orders in one answer.
inline constexpr std::size_t kScrubbedDrivesMax = 256;
// Files in one answer, and losses in one report.
inline constexpr std::size_t kShardFilesMax = 1'000;
inline constexpr std::size_t kScrubLossesMax = 100;
// Silence after which a worker's scrub is not waited for; longer than a restart.
inline constexpr std::int64_t kScrubSilenceMs = 60'000;

struct ScrubCounts {
  std::uint64_t blocks = 0;
  std::uint64_t nars = 0;
  std::uint64_t bytes = 0;
  std::uint64_t bytes_total = 0;
  std::uint64_t damaged = 0;
  std::uint64_t repaired = 0;
  std::uint64_t given_up = 0;
};

struct ScrubLoss {
  std::string file;  // empty: no NAR
  std::string message;
};

struct DriveScrubReport {
  Bytes key;
  std::string kind;  // shard, copy, index
  std::uint64_t ask = 0;
  bool whole = false;
  ScrubCounts counts;
  std::vector<ScrubLoss> losses;
};

struct ScrubReport {
  std::string worker_id;
  std::int64_t incarnation = 0;
  std::vector<DriveScrubReport> drives;
};

struct ScrubOrder {
  Bytes key;
  std::uint64_t ask = 0;
};

struct ScrubView {
  Bytes key;
  std::string worker_id;
  std::string worker_name;
  std::string kind;
  bool waits = false;
  bool running = false;
  std::int64_t whole_at_ms = 0;
  ScrubCounts counts;
  std::string hindrance{};  // off: its worker scrubs nothing; silent: it does not call; or empty
};

struct ShardFileView {
  std::string file;
  std::string url;
  std::string compression;
  Bytes nar_hash;
  std::uint64_t nar_size = 0;
};

struct ShardFiles {
  std::vector<ShardFileView> files;
  std::vector<std::string> peers;
};

}  // namespace hnx::coordinator
