#include "hyper/node/remote_core.h"

#include <algorithm>
#include <utility>

#include <sys/stat.h>

#include "hyper/node/loop_call.h"

namespace hnx::hyper {
namespace {

// Whether all of so many blocks behind a gap can be had is looked at, on the loop.
constexpr std::uint64_t kBlocksLookedAtMax = 1024;

}  // namespace

RemoteCore::RemoteCore(std::shared_ptr<NodeLoop> node, const CoreKey& key,
                       std::filesystem::path folder)
    : node_(std::move(node)), key_(key), folder_(std::move(folder)), local_(folder_) {}

Result<bool> RemoteCore::HoldsLocally(BlockRange blocks) {
  HNX_ASSIGN_OR_RETURN(const auto reader, local_.Borrow(0));
  if (blocks.end.value() <= reader->length()) {
    HNX_ASSIGN_OR_RETURN(const bool all, reader->HasAll(blocks));
    if (all) {
      return true;
    }
  }
  HNX_ASSIGN_OR_RETURN(const bool changed, reader->Refresh());
  return changed && blocks.end.value() <= reader->length() ? reader->HasAll(blocks)
                                                           : Result<bool>(false);
}

std::uint64_t RemoteCore::bytes_on_disk() const {
  constexpr std::uint64_t kStatBlock = 512;
  struct stat status {};
  return ::stat((folder_ / "data").c_str(), &status) == 0
             ? static_cast<std::uint64_t>(status.st_blocks) * kStatBlock
             : 0;
}

Result<Downloader*> RemoteCore::downloader() const {
  Downloader* const found =
      node_->replicator() == nullptr ? nullptr : node_->replicator()->FindDownloader(key_);
  if (found == nullptr) {
    return Error{ErrorCode::kCancelled, "core " + CoreKeyId(key_) + " is closed"};
  }
  return found;
}

Result<ByteRange> RemoteCore::Locate(BlockIndex block) {
  return CallOnLoop(node_->loop(), [this, block]() -> Result<ByteRange> {
    HNX_ASSIGN_OR_RETURN(Downloader* const downloader, this->downloader());
    HNX_TRY(downloader->Commit());
    return downloader->replica().Locate(block);
  });
}

Result<Availability> RemoteCore::AvailabilityOf(BlockRange blocks) {
  HNX_ASSIGN_OR_RETURN(const bool held, HoldsLocally(blocks));
  if (held) {
    return Availability::kHeld;
  }
  return CallOnLoop(node_->loop(), [this, blocks] { return AvailabilityOnLoop(blocks); });
}

Result<Availability> RemoteCore::AvailabilityOnLoop(BlockRange blocks) const {
  HNX_ASSIGN_OR_RETURN(Downloader* const downloader, this->downloader());
  CoreHub* const hub = node_->replicator()->FindCore(DiscoveryKeyOf(key_));
  if (hub == nullptr) {
    return Error{ErrorCode::kCancelled, "core " + CoreKeyId(key_) + " is frozen"};
  }
  bool nothing_missing = true;
  bool unknown = false;
  for (BlockIndex at = blocks.begin; at < blocks.end; ++at) {
    HNX_ASSIGN_OR_RETURN(at, downloader->replica().NextMissing({at, blocks.end}));
    if (at >= blocks.end) {
      break;
    }
    nothing_missing = false;
    bool someone = false;
    std::uint64_t run = 0;
    for (CoreSession* const session : hub->sessions()) {
      if (!session->opened() || session->closed()) {
        unknown = unknown || !session->closed();  // it has not said anything so far
        continue;
      }
      RemoteBlocks& theirs = session->remote_blocks();
      if (theirs.Has(at)) {
        someone = true;
        run = std::max(run, theirs.contiguous_length());
      } else if (!session->remote().synced) {
        unknown = true;
      } else if (at.value() < session->remote().sync.length &&
                 theirs.contiguous_length() < session->remote().sync.length) {
        session->WantAround(at);
      }
    }
    if (!someone) {
      return unknown ? Availability::kUnknown : Availability::kNowhere;
    }
    if (run > at.value() + 1) {
      at = BlockIndex(std::min(run, blocks.end.value()) - 1);
    }
  }
  return nothing_missing ? Availability::kHeld : Availability::kAtPeers;
}

Result<std::uint64_t> RemoteCore::LengthInReach() {
  return CallOnLoop(node_->loop(), [this] { return LengthInReachOnLoop(); });
}

Result<std::uint64_t> RemoteCore::LengthInReachOnLoop() const {
  HNX_ASSIGN_OR_RETURN(Downloader* const downloader, this->downloader());
  CoreHub* const hub = node_->replicator()->FindCore(DiscoveryKeyOf(key_));
  const std::uint64_t length = downloader->replica().length();
  std::uint64_t run = downloader->replica().contiguous_length();
  if (hub == nullptr || run >= length) {
    return length;
  }
  for (CoreSession* const session : hub->sessions()) {
    if (session->opened() && !session->closed()) {
      run = std::max(run, session->remote_blocks().contiguous_length());
    }
  }
  if (run >= length) {
    return length;
  }
  const std::uint64_t looked_at = std::min(length, run + kBlocksLookedAtMax);
  for (const BlockRange blocks : {BlockRange{BlockIndex(run), BlockIndex(looked_at)},
                                  BlockRange{BlockIndex(length - 1), BlockIndex(length)}}) {
    HNX_ASSIGN_OR_RETURN(const Availability blocks_are, AvailabilityOnLoop(blocks));
    if (blocks_are == Availability::kNowhere) {
      return run;
    }
  }
  return length;
}

Result<RemoteCoreStatus> RemoteCore::Status() {
  return CallOnLoop(node_->loop(), [this]() -> Result<RemoteCoreStatus> {
    HNX_TRY(downloader());
    for (CoreStatistics& core : node_->replicator()->Statistics()) {
      if (core.key == key_) {
        return RemoteCoreStatus{std::move(core.head), core.contiguous_length,
                                core.frozen,          core.traffic,
                                core.download,        std::move(core.peers)};
      }
    }
    return Error{ErrorCode::kCancelled, "core " + CoreKeyId(key_) + " is closed"};
  });
}

Result<void> RemoteCore::Evict(BlockRange blocks) {
  return CallOnLoop(node_->loop(), [this, blocks]() -> Result<void> {
    HNX_ASSIGN_OR_RETURN(Downloader* const downloader, this->downloader());
    HNX_TRY(downloader->Commit());
    HNX_ASSIGN_OR_RETURN(const BlockIndex present, downloader->replica().NextPresent(blocks));
    if (present >= blocks.end) {
      return {};
    }
    HNX_TRY(downloader->replica().Clear(blocks, LockWait::kFail));
    if (CoreHub* const hub = node_->replicator()->FindCore(DiscoveryKeyOf(key_))) {
      hub->AnnounceBlocks(blocks, true);
    }
    return {};
  });
}

}  // namespace hnx::hyper
