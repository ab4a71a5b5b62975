// SimulatedWorker: what a worker says to the coordinator, without its disk and its transfers. It
// takes the leases that it is given, has one shard, and each NAR of a lease "is stored" there by
// the next call. One thread.
#pragma once

#include <cstdint>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "hypercore_nixos/v1/coordinator.pb.h"

namespace hnx::bench {

class SimulatedWorker {
 public:
  // `seed`: decides its identity; two of one cluster must not share it.
  SimulatedWorker(std::uint64_t seed, std::string name);

  // What to send next. `capacity_bytes`: of NAR files that it would take on.
  hypercore_nixos::v1::SynchronizeRequest Report(std::uint64_t capacity_bytes);
  // The answer to that. kInternal: the coordinator did not record what it was told.
  Result<void> Take(const hypercore_nixos::v1::SynchronizeResponse& response);

  // It has something to tell, so it calls at once.
  bool has_news() const { return !entries_.empty() || !jobs_.empty(); }
  // NARs that the coordinator has recorded as stored.
  std::uint64_t nars_recorded() const { return nars_recorded_; }

 private:
  std::string RandomBytes(std::size_t size);
  void Store(const hypercore_nixos::v1::NarUnit& nar);

  std::mt19937_64 random_;
  const std::string name_;
  const std::string id_;
  const std::uint64_t nonce_;
  std::uint64_t sequence_ = 0;
  const std::string key_;
  const std::string content_key_;
  hypercore_nixos::v1::DriveHead head_;
  hypercore_nixos::v1::DriveHead recorded_;
  std::vector<hypercore_nixos::v1::ShardEntry> entries_;  // above `recorded_`
  std::set<std::uint64_t> jobs_;                          // of the last answer
  std::uint64_t nars_recorded_ = 0;
};

}  // namespace hnx::bench
