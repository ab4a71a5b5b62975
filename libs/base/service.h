// Service: something that runs until it is stopped. Start once; Stop is idempotent, may come from
// any thread but the service's own, and has ended everything when it returns.
//
// LoopService is the usual shape: one named thread calls RunOnce again and again. RunOnce returns
// how long to wait before the next call; Wake ends the wait early. Tests call RunOnce themselves.
#pragma once

#include <chrono>
#include <string>
#include <thread>

#include "base/mutex.h"

namespace hnx {

class Service {
 public:
  virtual ~Service() = default;
  virtual void Start() = 0;
  virtual void Stop() = 0;
};

class LoopService : public Service {
 public:
  // At most 15 characters of `name` show in top and gdb.
  explicit LoopService(std::string name);
  // A subclass calls Stop() in its own destructor: RunOnce must not run on a half-destroyed object.
  ~LoopService() override;
  LoopService(const LoopService&) = delete;
  LoopService& operator=(const LoopService&) = delete;

  void Start() final;
  void Stop() final;
  void Wake();

  virtual std::chrono::milliseconds RunOnce() = 0;

 protected:
  // RunOnce asks this between long steps.
  bool stopping() const;

 private:
  void Run();

  const std::string name_;
  mutable Mutex mutex_;
  CondVar changed_;
  bool stop_ HNX_GUARDED_BY(mutex_) = false;
  bool wake_ HNX_GUARDED_BY(mutex_) = false;
  Mutex join_mutex_;
  std::thread thread_ HNX_GUARDED_BY(join_mutex_);
};

// Gives the calling thread a name of at most 15 characters.
void NameThisThread(const std::string& name);

}  // namespace hnx
