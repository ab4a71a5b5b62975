// BridgeProcess: one run of the swarm bridge (swarm/swarm.mjs) as a child of this process. It gets
// a SIGTERM when the thread that started it ends, however that ends.
//
// Threads: Wait on one; Terminate on any.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/mutex.h"
#include "base/result.h"

namespace hnx::swarm {

struct BridgeCommand {
  std::filesystem::path node;            // see FindNode
  std::filesystem::path program;         // see FindBridge
  std::filesystem::path socket;          // where it is let in; it dials until it is
  std::vector<std::string> bootstrap{};  // "HOST:PORT" each; empty: the public DHT
};

// The first node in PATH. kNotFound says what to do.
Result<std::filesystem::path> FindNode();
// Where an installation, or a build in the source tree, keeps the bridge beside this program.
// kNotFound says what to install.
Result<std::filesystem::path> FindBridge();

class BridgeProcess {
 public:
  static Result<std::unique_ptr<BridgeProcess>> Start(const BridgeCommand& command);
  // It must have been waited for.
  ~BridgeProcess();
  BridgeProcess(const BridgeProcess&) = delete;
  BridgeProcess& operator=(const BridgeProcess&) = delete;
  BridgeProcess(BridgeProcess&&) = delete;
  BridgeProcess& operator=(BridgeProcess&&) = delete;

  // Returns when it has ended, with how: "exit status 1", "signal 9".
  std::string Wait() HNX_EXCLUDES(mutex_);
  // SIGTERM: it leaves the swarm by itself, which takes it two seconds at most.
  void Terminate() HNX_EXCLUDES(mutex_);

 private:
  explicit BridgeProcess(pid_t pid) : pid_(pid) {}

  Mutex mutex_;
  pid_t pid_ HNX_GUARDED_BY(mutex_);  // 0: it was waited for, and the number is somebody else's
};

}  // namespace hnx::swarm
