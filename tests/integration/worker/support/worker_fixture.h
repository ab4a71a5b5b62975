// WorkerTest: a worker in this process, a fake coordinator and a misbehaving upstream.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "fake_coordinator.h"
#include "nar_samples.h"
#include "support/fault_http_server.h"
#include "worker/worker.h"

namespace hnx::test {

// What is waited for comes much sooner.
inline constexpr std::chrono::milliseconds kLong{30'000};

// The value; a test cannot go on without it.
template <class T>
T Must(Result<T> result) {
  if (!result) {
    ADD_FAILURE() << result.error().ToString();
    throw std::runtime_error(result.error().ToString());
  }
  return *std::move(result);
}
inline void Must(const Result<void>& result) {
  ASSERT_TRUE(result.has_value()) << result.error().ToString();
}

class WorkerTest : public testing::Test {
 protected:
  WorkerTest();
  ~WorkerTest() override;

  void StartWorker();
  void StopWorker() { worker_.reset(); }
  // Serves the NAR correctly and describes it.
  pb::NarUnit Serve(const SampleNar& nar);
  pb::NarUnit Serve(const SampleNar& nar, std::vector<FaultHandler> handlers);
  // The bytes of /nar/<file> in the shard that the coordinator knows, or "" when there is none.
  std::string Stored(const std::string& file);
  // Files of all drives in the data directory, by name, with the number of drives they are in.
  std::map<std::string, int> FilesOnDisk();
  // Bytes of all content cores' data files.
  std::uint64_t DataBytesOnDisk();

  std::filesystem::path folder_;
  FakeCoordinator coordinator_;
  FaultHttpServer upstream_;
  worker::WorkerOptions options_;
  std::unique_ptr<worker::Worker> worker_;
  std::atomic<int> ended_{-1};  // EndReason
  std::uint64_t next_nar_ = 1;
};

}  // namespace hnx::test
