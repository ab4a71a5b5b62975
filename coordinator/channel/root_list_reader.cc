#include "coordinator/channel/root_list_reader.h"

#include <fmt/format.h>

#include "base/log.h"
#include "nix/reject_reason.h"

namespace hnx::coordinator {
namespace {

constexpr std::size_t kBatchSize = 5'000;
static_assert(kBatchSize <= kWalkBatchMax);

}  // namespace

RootListReader::RootListReader(WalkStore& store, ReleaseId release, const RootFilter& filter)
    : store_(store),
      release_(release),
      filter_(filter),
      list_([this](const nix::StorePath& path) { return Take(path); }) {}

Result<void> RootListReader::Feed(ByteView bytes) {
  return list_.Feed(bytes);
}

Result<RootListSummary> RootListReader::Finish() {
  HNX_ASSIGN_OR_RETURN(const nix::StorePathsSummary list, list_.Finish());
  HNX_TRY(Flush());
  if (wanted_ == 0) {
    return InvalidArgument(fmt::format(
        "none of the {} listed paths is wanted: no name matches --match, or --exclude takes all",
        list.paths));
  }
  return RootListSummary{list.paths, wanted_, list.sorted, list.final_newline};
}

Result<void> RootListReader::Take(const nix::StorePath& path) {
  if (!filter_.Wants(path.base_name())) {
    return {};
  }
  ++wanted_;
  batch_.push_back({std::string(path.hash_part()), std::string(path.name())});
  return batch_.size() < kBatchSize ? Result<void>() : Flush();
}

Result<void> RootListReader::Flush() {
  if (batch_.empty()) {
    return {};
  }
  HNX_ASSIGN_OR_RETURN(const AddRootsOutcome outcome, store_.AddRoots(release_, batch_));
  batch_.clear();
  for (const RootConflict& conflict : outcome.conflicts) {
    if (conflict.in_this_release) {
      return nix::Reject(ErrorCode::kInvalidArgument, nix::RejectReason::kStorePathsInvalid,
                         fmt::format("the list has hash {} under two names: {} and {}",
                                     conflict.hash, conflict.known_name, conflict.listed_name));
    }
    Log("channel")->warn("release {}: the list calls {} '{}', known as '{}'", release_,
                         conflict.hash, conflict.listed_name, conflict.known_name);
  }
  return {};
}

}  // namespace hnx::coordinator
