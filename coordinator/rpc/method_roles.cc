#include "coordinator/rpc/method_roles.h"

#include <utility>

namespace hnx::coordinator {
namespace {

using access::Role;
using access::Roles;

constexpr Roles kWorkers{Role::kWorker, Role::kIndex};
constexpr Roles kIndex{Role::kIndex};
constexpr Roles kGateways{Role::kGateway};
constexpr Roles kOperators{Role::kOperator};
constexpr Roles kLookers{Role::kOperator, Role::kViewer};

constexpr std::pair<const char*, Roles> kWorkerCalls[] = {
    {"Synchronize", kWorkers},  // the role index of a report needs kIndex: worker_door.h
    {"ReadPublishBatch", kIndex},
    {"ReportScrub", kWorkers},
    {"ListShardFiles", kWorkers},
};

constexpr std::pair<const char*, Roles> kCalls[] = {
    {"Submit", kOperators},       {"GetRelease", kLookers},       {"GetStatus", kLookers},
    {"WatchProgress", kLookers},  {"ListFailures", kLookers},     {"Why", kLookers},
    {"ListAudit", kOperators},    {"Pause", kOperators},          {"Resume", kOperators},
    {"Cancel", kOperators},       {"Retry", kOperators},          {"Ignore", kOperators},
    {"SetPriority", kOperators},  {"Drain", kOperators},          {"ForgetWorker", kOperators},
    {"ListDrives", kLookers},     {"GetJobs", kLookers},          {"Scrub", kOperators},
    {"ListReleases", kLookers},   {"DiffReleases", kLookers},     {"ReadReleaseFile", kLookers},
    {"PinRelease", kOperators},   {"FollowChannels", kOperators}, {"UnfollowChannels", kOperators},
    {"SetRetention", kOperators}, {"CollectGarbage", kOperators}, {"ReportHits", kGateways},
};

}  // namespace

const MethodRoleTable& AllMethodRoles() {
  static const MethodRoleTable table = [] {
    MethodRoleTable made;
    for (const auto& [method, roles] : kWorkerCalls) {
      made.emplace(std::string("/hypercore_nixos.v1.WorkerGateway/") + method, roles);
    }
    for (const auto& [method, roles] : kCalls) {
      made.emplace(std::string("/hypercore_nixos.v1.Coordinator/") + method, roles);
    }
    return made;
  }();
  return table;
}

const access::Roles* RolesOfMethod(std::string_view method) {
  const auto found = AllMethodRoles().find(method);
  return found == AllMethodRoles().end() ? nullptr : &found->second;
}

}  // namespace hnx::coordinator
