// Between the wire's messages and the worker's values.
#pragma once

#include <string>
#include <vector>

#include "hyper/drive/drive_key.h"
#include "hyper/drive/hyperdrive.h"
#include "hypercore_nixos/v1/coordinator.pb.h"
#include "worker/job_table.h"
#include "worker/limits/host_limit.h"
#include "worker/nar_unit.h"
#include "worker/publish/index_publisher.h"
#include "worker/shard/shard_entry.h"

namespace hnx::worker {

namespace pb = hypercore_nixos::v1;

// The tree hash of an empty core is left out.
void ToMessage(const hyper::DriveHead& head, pb::DriveHead* out);
// The byte length of the db core is not on the wire and stays 0.
Result<hyper::DriveHead> FromMessage(const pb::DriveHead& message);

void ToMessage(const ShardEntry& entry, pb::ShardEntry* out);
void ToMessage(const JobReport& report, pb::JobState* out);
void ToMessage(const IndexState& state, pb::DriveState* out);

// kInvalidArgument names the unit and the field.
Result<NarUnit> UnitFromMessage(const pb::NarUnit& message, std::uint64_t job_id,
                                std::uint32_t attempt);

void ToMessage(const HostUse& use, pb::HostUse* out);
std::vector<HostLimit> LimitsFromMessage(const pb::SynchronizeResponse& response);

std::vector<Job> JobsFromMessage(const pb::SynchronizeResponse& response);

// Text that a proto3 string may carry: bytes outside printable ASCII become '?'.
std::string CleanText(std::string_view text);

}  // namespace hnx::worker
