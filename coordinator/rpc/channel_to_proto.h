// Views of channels and of what is retiring -> the protocol's messages.
#pragma once

#include "coordinator/domain/channel_view.h"
#include "hypercore_nixos/v1/coordinator.pb.h"

namespace hnx::coordinator {

hypercore_nixos::v1::ChannelStatus ChannelToProto(const ChannelView& view);
hypercore_nixos::v1::GarbageReport GarbageToProto(const GarbageView& view);

}  // namespace hnx::coordinator
