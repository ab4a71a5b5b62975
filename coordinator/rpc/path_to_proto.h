// What is known of a path -> the protocol's message, with the sentence that explains it.
#pragma once

#include "coordinator/domain/path_view.h"
#include "hypercore_nixos/v1/coordinator.pb.h"

namespace hnx::coordinator {

hypercore_nixos::v1::WhyResponse PathToProto(const PathView& view);

}  // namespace hnx::coordinator
