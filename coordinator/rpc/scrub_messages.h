// What is said of scrubs <-> the protocol's messages. Whatever a message claims beyond a limit, or
// in a form that cannot be, is kInvalidArgument and names the field.
#pragma once

#include "base/result.h"
#include "coordinator/domain/scrub_view.h"
#include "hypercore_nixos/v1/coordinator.pb.h"

namespace hnx::coordinator {

inline constexpr std::size_t kScrubKeyBytes = 32;

Result<ScrubReport> ScrubReportFromProto(const hypercore_nixos::v1::ScrubReport& message);
void ScrubToProto(const ScrubView& view, hypercore_nixos::v1::ScrubStatus& out);
void ShardFilesToProto(const ShardFiles& files, hypercore_nixos::v1::ListShardFilesResponse& out);

}  // namespace hnx::coordinator
