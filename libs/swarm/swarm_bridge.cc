#include "swarm/swarm_bridge.h"

#include <chrono>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "base/log.h"
#include "base/service.h"
#include "cli/environment.h"

namespace hnx::swarm {

namespace {

namespace fs = std::filesystem;

constexpr RetryPolicy kRestart{.base = std::chrono::milliseconds(500),
                               .cap = std::chrono::milliseconds(60'000)};
// One that ran for so long is started again at once.
constexpr std::chrono::seconds kLongRun{60};

// A Unix socket's path is short: not below a data folder, which may lie anywhere.
Result<fs::path> MakeSocketFolder() {
  std::string name =
      cli::EnvironmentVariable("XDG_RUNTIME_DIR").value_or("/tmp") + "/hnx-swarm-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) {
    return Errno("create folder", name);
  }
  return fs::path(name);
}

}  // namespace

Result<std::unique_ptr<SwarmBridge>> SwarmBridge::Start(const SwarmOptions& options) {
  std::unique_ptr<SwarmBridge> bridge(new SwarmBridge());
  if (options.swarm != "auto" && options.swarm != "on") {
    bridge->socket_ = options.swarm;
    return bridge;
  }
  BridgeCommand command{.node = {}, .program = options.program, .socket = {}};
  HNX_ASSIGN_OR_RETURN(command.node, FindNode());
  if (command.program.empty()) {
    HNX_ASSIGN_OR_RETURN(command.program, FindBridge());
  }
  command.bootstrap = options.bootstrap;
  HNX_ASSIGN_OR_RETURN(bridge->folder_, MakeSocketFolder());
  command.socket = bridge->folder_ / "socket";
  bridge->socket_ = command.socket.string();
  bridge->thread_ = std::thread([raw = bridge.get(), command] { raw->Run(command); });
  return bridge;
}

SwarmBridge::~SwarmBridge() {
  {
    const MutexLock lock(mutex_);
    stop_ = true;
    if (process_ != nullptr) {
      process_->Terminate();
    }
    stopping_.NotifyAll();
  }
  if (thread_.joinable()) {
    thread_.join();
  }
  if (!folder_.empty()) {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
}

void SwarmBridge::Run(const BridgeCommand& command) {
  NameThisThread("hnx-bridge");
  for (int attempt = 1;; ++attempt) {
    const auto began = std::chrono::steady_clock::now();
    if (!RunOnce(command)) {
      return;
    }
    if (std::chrono::steady_clock::now() - began > kLongRun) {
      attempt = 1;
    }
    if (!Pause(kRestart.Delay(attempt, random_))) {
      return;
    }
  }
}

bool SwarmBridge::RunOnce(const BridgeCommand& command) {
  BridgeProcess* process = nullptr;
  {
    const MutexLock lock(mutex_);
    if (stop_) {
      return false;
    }
    auto started = BridgeProcess::Start(command);
    if (!started) {
      Log("swarm")->error("{}; it is tried again", started.error().message);
      return true;
    }
    process_ = std::move(*started);
    process = process_.get();
  }
  const std::string how = process->Wait();
  const MutexLock lock(mutex_);
  process_.reset();
  if (!stop_) {
    Log("swarm")->warn("the swarm bridge ended ({}); it is started again", how);
  }
  return !stop_;
}

bool SwarmBridge::Pause(std::chrono::milliseconds pause) {
  const auto until = std::chrono::steady_clock::now() + pause;
  const MutexLock lock(mutex_);
  while (!stop_ && std::chrono::steady_clock::now() < until) {
    stopping_.WaitFor(mutex_, until - std::chrono::steady_clock::now());
  }
  return !stop_;
}

}  // namespace hnx::swarm
