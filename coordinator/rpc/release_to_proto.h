// Views of releases and workers -> the protocol's messages.
#pragma once

#include "coordinator/domain/release_view.h"
#include "hypercore_nixos/v1/coordinator.pb.h"

namespace hnx::coordinator {

hypercore_nixos::v1::Release ReleaseToProto(const ReleaseView& view);
hypercore_nixos::v1::WorkerStatus WorkerToProto(const WorkerView& worker);
hypercore_nixos::v1::Status StatusToProto(const StatusView& view);
hypercore_nixos::v1::Failure FailureToProto(const FailureView& view);
hypercore_nixos::v1::ReleaseDifference DifferenceToProto(const PathDifference& path);
hypercore_nixos::v1::ReleaseDifference TotalsToProto(const DifferenceTotals& totals);

}  // namespace hnx::coordinator
