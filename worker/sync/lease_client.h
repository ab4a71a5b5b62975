// LeaseClient: the worker's side of the WorkerGateway service, as an interface so that the loop
// above it can be tested without a network.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "access/access_options.h"
#include "base/result.h"
#include "hypercore_nixos/v1/coordinator.pb.h"

namespace hnx::worker {

// Well below a lease, so that another coordinator can be asked in time.
inline constexpr std::chrono::milliseconds kSynchronizeDeadline{5'000};
// A publish batch is at most some thousands of small files and the release's own files.
inline constexpr std::chrono::milliseconds kReadPublishBatchDeadline{600'000};

inline constexpr std::chrono::milliseconds kScrubDeadline{3'000};

class LeaseClient {
 public:
  using Operation = hypercore_nixos::v1::PublishOperation;
  using OperationSink = std::function<Result<void>(const Operation&)>;

  virtual ~LeaseClient() = default;
  virtual Result<hypercore_nixos::v1::SynchronizeResponse> Synchronize(
      const hypercore_nixos::v1::SynchronizeRequest& request) = 0;
  // Gives the batch's operations to `sink` in order; an error of the sink ends the call and is
  // returned.
  virtual Result<void> ReadPublishBatch(std::uint64_t batch, const OperationSink& sink) = 0;
  virtual Result<hypercore_nixos::v1::ScrubOrders> ReportScrub(
      const hypercore_nixos::v1::ScrubReport& report) = 0;
  virtual Result<hypercore_nixos::v1::ListShardFilesResponse> ListShardFiles(
      const hypercore_nixos::v1::ListShardFilesRequest& request) = 0;
  // Ends running calls with kCancelled, and all later ones at once. Any thread.
  virtual void Stop() = 0;
};

// Over gRPC, with failover through several endpoints. Thread-safe.
// Errors name the file of `access` that is wrong.
Result<std::unique_ptr<LeaseClient>> MakeGrpcLeaseClient(std::vector<std::string> endpoints,
                                                         const access::ClientAccess& access = {});

}  // namespace hnx::worker
