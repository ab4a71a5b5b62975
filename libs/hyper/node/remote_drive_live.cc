// RemoteDrive::FetchLive: one version whole on this disk, and nothing else of the content.
#include <algorithm>

#include "hyper/node/live_blocks.h"
#include "hyper/node/loop_call.h"
#include "hyper/node/remote_drive_impl.h"

namespace hnx::hyper {
namespace {

// Fetched at once, and let in at once: at most 64 MiB, and small files by the thousand.
constexpr std::uint64_t kPieceBlocksMax = 1024;

}  // namespace

Result<LiveBlocks> RemoteDriveImpl::LiveBlocksAt(std::uint64_t version, const ReadLimits& limits,
                                                 std::optional<std::uint64_t> content_end) {
  const std::uint64_t content_length = cores_->now().content_length;
  HNX_ASSIGN_OR_RETURN(const auto view, ViewAt(version, limits));
  HNX_ASSIGN_OR_RETURN(LiveBlocks live, LiveBlocks::Make(content_length, content_end));
  HNX_ASSIGN_OR_RETURN(const auto list, view->List("/"));
  for (;;) {
    HNX_ASSIGN_OR_RETURN(const std::optional<DriveEntry> entry, list->Next());
    if (!entry) {
      return live;
    }
    if (entry->blob) {
      HNX_TRY(live.Add(*entry->blob));
    }
  }
}

Result<LiveVersion> RemoteDriveImpl::FetchLive(const ReadLimits& limits, const Admit& admit,
                                               std::optional<std::uint64_t> content_end) {
  HNX_ASSIGN_OR_RETURN(const auto content, Content());
  LiveVersion held{.version = cores_->now().version};
  bool all_entries = true;
  Result<LiveBlocks> live = LiveBlocksAt(held.version, limits, content_end);
  if (!live && live.error().code == ErrorCode::kDeadlineExceeded) {
    HNX_ASSIGN_OR_RETURN(const std::uint64_t in_reach, VersionInReach());
    if (in_reach > 0 && in_reach < held.version) {
      held.version = in_reach;
      all_entries = false;  // what the others reach is not to be given up
      live = LiveBlocksAt(in_reach, limits, content_end);
    }
  }
  if (!live) {
    return live.error();
  }
  held.content_length = live->end();
  for (BlockIndex at(0); at < live->length();) {
    const LiveBlocks::Run run = live->RunAt(at, kPieceBlocksMax);
    at = run.blocks.end;
    if (run.live) {
      HNX_ASSIGN_OR_RETURN(const bool here, content->HoldsLocally(run.blocks));
      if (!here) {
        HNX_TRY(admit(run.blocks.length() * kBlobBlockBytes));
        HNX_TRY(FetchBlocks(content, run.blocks, limits, {}));
      }
      continue;
    }
    if (!all_entries) {
      continue;
    }
    const Result<void> evicted = content->Evict(run.blocks);
    if (!evicted && evicted.error().code != ErrorCode::kUnavailable) {
      return evicted.error();
    }
    held.nothing_else = held.nothing_else && evicted.has_value();
  }
  // The entries' own blocks were read while they were listed: they are staged at least.
  HNX_TRY(CommitEntries());
  return held;
}

}  // namespace hnx::hyper
