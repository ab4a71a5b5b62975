#include "coordinator/rpc/worker_door.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "coordinator/rpc/caller.h"

namespace hnx::coordinator {

Result<void> WorkerDoor::Identify(const grpc::CallbackServerContext& context,
                                  WorkerReport& report) {
  if (door_.open()) {
    return {};
  }
  const access::Identity identity = door_.IdentityOf(context);
  const bool indexes = report.indexes || std::ranges::any_of(report.drives, &DriveReport::is_index);
  const access::Role needed = indexes ? access::Role::kIndex : access::Role::kWorker;
  const bool mirrors_without = report.mirrors && !identity.roles.Has(access::Role::kWorker);
  if (!identity.roles.Has(needed) || mirrors_without) {
    Error error{ErrorCode::kPermissionDenied,
                fmt::format("worker {} speaks as {}, and {} is {}", report.worker_name,
                            access::RoleName(mirrors_without ? access::Role::kWorker : needed),
                            identity.name, access::RolesText(identity.roles))};
    TellRefusal(context, report.worker_id, error);
    return error;
  }
  report.identity = identity.name;
  return {};
}

Result<void> WorkerDoor::CheckOwner(const grpc::CallbackServerContext& context,
                                    const std::string& worker_id) {
  if (door_.open()) {
    return {};
  }
  auto checked = identities_.Check(worker_id, door_.IdentityOf(context).name);
  if (!checked.has_value()) {
    TellRefusal(context, worker_id, checked.error());
  }
  return checked;
}

void WorkerDoor::TellRefusal(const grpc::CallbackServerContext& context,
                             const std::string& worker_id, const Error& error) {
  if (error.code != ErrorCode::kPermissionDenied) {
    return;
  }
  std::uint64_t others = 0;
  {
    MutexLock lock(mutex_);
    const auto now = clock_.Steady();
    if (told_ && now - told_at_ < kRefusalInterval) {
      ++untold_;
      return;
    }
    told_ = true;
    told_at_ = now;
    others = std::exchange(untold_, 0);
  }
  const std::string what = fmt::format("{} ({} other refusals before)", error.message, others);
  Log("access")->warn("refused: {}", what);
  const auto recorded =
      identities_.RecordRefusal(ReadCaller(context, door_.IdentityOf(context)), worker_id, what);
  if (!recorded.has_value()) {
    Log("access")->error("{}", recorded.error().message);
  }
}

}  // namespace hnx::coordinator
