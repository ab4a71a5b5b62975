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

Result<LiveVersion> RemoteDriveImpl::FetchLive(const ReadLimits& limits, const Admit& admit) {
  const RemoteDriveCores::Now now = cores_->now();
  HNX_ASSIGN_OR_RETURN(const auto content, Content());
  HNX_ASSIGN_OR_RETURN(const auto view, View(limits));
  HNX_ASSIGN_OR_RETURN(LiveBlocks live, LiveBlocks::Make(now.content_length));
  HNX_ASSIGN_OR_RETURN(const auto list, view->List("/"));
  for (;;) {
    HNX_ASSIGN_OR_RETURN(const std::optional<DriveEntry> entry, list->Next());
    if (!entry) {
      break;
    }
    if (entry->blob) {
      HNX_TRY(live.Add(*entry->blob));
    }
  }
  LiveVersion held{.version = view->version(), .content_length = live.end()};
  for (BlockIndex at(0); at < live.length();) {
    const LiveBlocks::Run run = live.RunAt(at, kPieceBlocksMax);
    at = run.blocks.end;
    if (run.live) {
      HNX_ASSIGN_OR_RETURN(const bool here, content->HoldsLocally(run.blocks));
      if (!here) {
        HNX_TRY(admit(run.blocks.length() * kBlobBlockBytes));
        HNX_TRY(FetchBlocks(content, run.blocks, limits, {}));
      }
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
