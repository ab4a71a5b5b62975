// SwarmBridge: the way into the swarm that SwarmOptions ask for: a socket to listen on, and with
// "on" or "auto" a bridge that dials it, started again whenever it ends.
//
//   auto bridge = SwarmBridge::Start(options);     // before the node, and destroyed after it
//   node_options.swarm_socket = (*bridge)->socket();
//
// Threads: one makes and destroys it; hnx-bridge waits for the child.
#pragma once

#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <thread>

#include "base/mutex.h"
#include "base/result.h"
#include "base/retry_policy.h"
#include "swarm/bridge_process.h"
#include "swarm/swarm_options.h"

namespace hnx::swarm {

class SwarmBridge {
 public:
  // For options that want the swarm. kNotFound: Node.js or the bridge is missing; says what to do.
  static Result<std::unique_ptr<SwarmBridge>> Start(const SwarmOptions& options);
  // Lets the bridge leave the swarm, which takes two seconds at most.
  ~SwarmBridge();
  SwarmBridge(const SwarmBridge&) = delete;
  SwarmBridge& operator=(const SwarmBridge&) = delete;
  SwarmBridge(SwarmBridge&&) = delete;
  SwarmBridge& operator=(SwarmBridge&&) = delete;

  const std::string& socket() const { return socket_; }

 private:
  SwarmBridge() = default;
  void Run(const BridgeCommand& command) HNX_EXCLUDES(mutex_);
  // False: it is to stop.
  bool RunOnce(const BridgeCommand& command) HNX_EXCLUDES(mutex_);
  bool Pause(std::chrono::milliseconds pause) HNX_EXCLUDES(mutex_);

  std::string socket_;
  std::filesystem::path folder_;  // of the socket, made by us; empty: none was made
  std::mt19937_64 random_{std::random_device{}()};
  Mutex mutex_;
  CondVar stopping_;
  bool stop_ HNX_GUARDED_BY(mutex_) = false;
  std::unique_ptr<BridgeProcess> process_ HNX_GUARDED_BY(mutex_);
  std::thread thread_;  // only when a bridge is started
};

}  // namespace hnx::swarm
