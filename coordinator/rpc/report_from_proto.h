// WorkerReport <-> the protocol's messages. Whatever a message claims beyond a limit, or in a form
// that cannot be, is kInvalidArgument and names the field.
#pragma once

#include "base/result.h"
#include "coordinator/domain/worker_report.h"
#include "hypercore_nixos/v1/coordinator.pb.h"

namespace hnx::coordinator {

Result<WorkerReport> ReportFromProto(const hypercore_nixos::v1::SynchronizeRequest& request);
void DesiredToProto(const DesiredState& desired,
                    hypercore_nixos::v1::SynchronizeResponse& response);

}  // namespace hnx::coordinator
