#include "base/service.h"

#include <utility>

#include <pthread.h>

#include "base/check.h"

namespace hnx {

void NameThisThread(const std::string& name) {
  (void)::pthread_setname_np(::pthread_self(), name.substr(0, 15).c_str());
}

LoopService::LoopService(std::string name) : name_(std::move(name)) {}

LoopService::~LoopService() {
  LoopService::Stop();
}

void LoopService::Start() {
  MutexLock lock(join_mutex_);
  HNX_CHECK(!thread_.joinable());
  thread_ = std::thread([this] { Run(); });
}

void LoopService::Stop() {
  {
    MutexLock lock(mutex_);
    stop_ = true;
    changed_.NotifyAll();
  }
  MutexLock lock(join_mutex_);
  if (thread_.joinable()) {
    thread_.join();
  }
}

void LoopService::Wake() {
  MutexLock lock(mutex_);
  wake_ = true;
  changed_.NotifyAll();
}

bool LoopService::stopping() const {
  MutexLock lock(mutex_);
  return stop_;
}

void LoopService::Run() {
  NameThisThread(name_);
  while (!stopping()) {
    const auto deadline = std::chrono::steady_clock::now() + RunOnce();
    MutexLock lock(mutex_);
    while (!stop_ && !wake_ && std::chrono::steady_clock::now() < deadline) {
      changed_.WaitFor(mutex_, deadline - std::chrono::steady_clock::now());
    }
    wake_ = false;
  }
}

}  // namespace hnx
