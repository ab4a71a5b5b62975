// Worker: everything that runs in a worker process, wired together, from start to stop.
//
// Threads: hnx-sync (Synchronizer), hnx-decode (one per core), hnx-append (one per shard),
// hnx-publish (role index), hnx-import, hnx-peers (with --listen-peers or --swarm), the HTTP
// client's and gRPC's own.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "worker/sync/synchronizer.h"
#include "worker/worker_options.h"

namespace hnx::worker {

class Worker {
 public:
  // `on_end` is called, at most once and from another thread, when the worker has to end by itself.
  // With the role index it returns only when the index is known to be whole, which may mean to
  // fetch it (RecoverIndex); meanwhile `stopping` is polled, and ends it with kCancelled.
  static Result<std::unique_ptr<Worker>> Start(
      const WorkerOptions& options, std::function<void(EndReason, const std::string&)> on_end,
      std::function<bool()> stopping = {});
  virtual ~Worker() = default;

  // Abandons NARs in flight, commits what is verified, says so to the coordinator within
  // the options' grace. `superseded`: another process owns the directory now; nothing is committed
  // or said.
  virtual void Stop(bool superseded) = 0;

  // Where peers read its drives, "127.0.0.1:4711"; empty: not over TCP.
  virtual std::string peer_address() const = 0;

 protected:
  Worker() = default;
};

}  // namespace hnx::worker
