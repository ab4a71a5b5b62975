#include "hyper/replication/beside_thread.h"

#include <optional>
#include <utility>

#include "base/service.h"

namespace hnx::hyper {

BesideThread::BesideThread(EventLoop& loop, std::string name)
    : loop_(loop), name_(std::move(name)), thread_([this] { Serve(); }) {}

BesideThread::~BesideThread() {
  tasks_.Close();
  thread_.join();
}

void BesideThread::Run(std::function<void()> work, std::function<void()> done) {
  tasks_.Push({std::move(work), std::move(done)});
}

void BesideThread::Serve() {
  NameThisThread(name_);
  while (std::optional<Task> task = tasks_.Pop()) {
    task->work();
    (void)loop_.Post(std::move(task->done));
  }
}

}  // namespace hnx::hyper
