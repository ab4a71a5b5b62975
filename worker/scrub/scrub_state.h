// ScrubState: where the scrubs of a worker's drives stand, kept over restarts in the file `scrub`
// of its data directory: JSON, written durably.
//
//   {"version":1,"drives":{"<id>":{"seen_ms":N,"whole_ms":N,"round":{...}}}}
//
// A file that cannot be read is told to the log and counts as none: rounds begin anew.
// Threads: one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "base/result.h"

namespace hnx::worker {

struct ScrubCounts {
  std::uint64_t blocks = 0;
  std::uint64_t nars = 0;
  std::uint64_t bytes = 0;
  std::uint64_t damaged = 0;
  std::uint64_t repaired = 0;
  std::uint64_t given_up = 0;

  friend bool operator==(const ScrubCounts&, const ScrubCounts&) = default;
};

// A round through one drive, and up to where it has come.
struct ScrubRound {
  enum class Part { kDb, kContent, kNars };

  std::uint64_t ask = 0;  // the greatest that was known when it began
  Part part = Part::kDb;
  std::uint64_t block = 0;  // the next one of the core
  std::string file;         // kNars: the last one checked
  ScrubCounts counts;

  friend bool operator==(const ScrubRound&, const ScrubRound&) = default;
};

struct DriveScrubState {
  std::int64_t seen_ms = 0;         // by this worker's clock, when it was first seen
  std::int64_t whole_ms = 0;        // when the last whole round ended; 0: none
  std::optional<ScrubRound> round;  // under way
};

class ScrubState {
 public:
  explicit ScrubState(std::filesystem::path file) : file_(std::move(file)) {}

  void Load();
  Result<void> Save() const;

  // By the drive's id.
  std::map<std::string, DriveScrubState>& drives() { return drives_; }
  const std::map<std::string, DriveScrubState>& drives() const { return drives_; }

 private:
  const std::filesystem::path file_;
  std::map<std::string, DriveScrubState> drives_;
};

}  // namespace hnx::worker
