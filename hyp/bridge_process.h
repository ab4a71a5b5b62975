// BridgeProcess: the swarm bridge (swarm/swarm.mjs) as a child of this process, for as long as the
// object lives; it ends with the process, however that ends.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/result.h"

namespace hnx::hyp {

class BridgeProcess {
 public:
  // Where an installation, or a build in the source tree, keeps the bridge beside this program.
  // kNotFound says what to install.
  static Result<std::filesystem::path> FindProgram();
  // Runs it with node. It dials `socket` until it is let in. kNotFound: there is no node.
  static Result<std::unique_ptr<BridgeProcess>> Start(const std::filesystem::path& program,
                                                      const std::filesystem::path& socket,
                                                      const std::vector<std::string>& bootstrap);
  // SIGTERM: it leaves the swarm by itself.
  ~BridgeProcess();
  BridgeProcess(const BridgeProcess&) = delete;
  BridgeProcess& operator=(const BridgeProcess&) = delete;
  BridgeProcess(BridgeProcess&&) = delete;
  BridgeProcess& operator=(BridgeProcess&&) = delete;

 private:
  explicit BridgeProcess(pid_t pid) : pid_(pid) {}
  const pid_t pid_;
};

}  // namespace hnx::hyp
