// WorkDisplay: releases at work and the workers, while they go on: bars on a terminal, redrawn in
// place; a line now and then in a log; with --json one object a release on standard output
// (docs/schemas/coordinator-watch.schema.json). One thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cli/progress.h"
#include "cli/rate_meter.h"
#include "hypercore_nixos/v1/coordinator.pb.h"

namespace hnx::coordinator {

class WorkDisplay {
 public:
  explicit WorkDisplay(bool json);

  // The workers from now on.
  void SetWorkers(
      const google::protobuf::RepeatedPtrField<hypercore_nixos::v1::WorkerStatus>& workers);
  // The present state of what is watched. Several are told apart by their titles.
  void Show(const std::vector<hypercore_nixos::v1::Release>& releases);
  // A line that stays; not with --json.
  void Message(std::string_view text);
  void Finish();

  static constexpr std::size_t kReleasesShownMax = 5;
  static constexpr std::size_t kWorkersShownMax = 8;

 private:
  std::vector<cli::ProgressBar> BarsOf(
      const std::vector<hypercore_nixos::v1::Release>& releases) const;
  void PrintJson(const hypercore_nixos::v1::Release& release);

  const bool json_;
  cli::ProgressDisplay display_;
  std::vector<hypercore_nixos::v1::WorkerStatus> workers_;
  std::map<std::string, cli::RateMeter> worker_rates_;
  std::map<std::uint64_t, cli::RateMeter> release_rates_;
};

}  // namespace hnx::coordinator
