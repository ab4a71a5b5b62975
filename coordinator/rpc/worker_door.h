// WorkerDoor: beyond the door that lets workers in, which of them may speak for which worker id.
// Refusals are in the log and in the audit, at most one a kRefusalInterval, with how many there
// were. Thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include <grpcpp/server_context.h>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "coordinator/domain/worker_report.h"
#include "coordinator/store/pg_worker_identity.h"
#include "rpc/door.h"

namespace hnx::coordinator {

class WorkerDoor {
 public:
  static constexpr std::chrono::seconds kRefusalInterval{10};

  // Both must outlive this object.
  WorkerDoor(const rpc::Door& door, PgPool& pool, const Clock& clock = Clock::Real())
      : door_(door), identities_(pool), clock_(clock) {}

  // Puts who calls into the report. kPermissionDenied: it speaks of the index and has not the role
  // index.
  Result<void> Identify(const grpc::CallbackServerContext& context, WorkerReport& report);
  // kPermissionDenied: the worker is another one's.
  Result<void> CheckOwner(const grpc::CallbackServerContext& context, const std::string& worker_id);
  // Tells of a kPermissionDenied; does nothing with another outcome.
  void TellRefusal(const grpc::CallbackServerContext& context, const std::string& worker_id,
                   const Error& error) HNX_EXCLUDES(mutex_);

 private:
  const rpc::Door& door_;
  PgWorkerIdentity identities_;
  const Clock& clock_;
  Mutex mutex_;
  bool told_ HNX_GUARDED_BY(mutex_) = false;
  Clock::SteadyTime told_at_ HNX_GUARDED_BY(mutex_){};
  std::uint64_t untold_ HNX_GUARDED_BY(mutex_) = 0;
};

}  // namespace hnx::coordinator
