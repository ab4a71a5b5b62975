// The RemoteDrive that a PeerNode hands out. Internal to this folder.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "hyper/bee/bee_store.h"
#include "hyper/node/live_blocks.h"
#include "hyper/node/remote_drive.h"
#include "hyper/node/remote_drive_cores.h"

namespace hnx::hyper {

class RemoteDriveImpl final : public RemoteDrive,
                              public std::enable_shared_from_this<RemoteDriveImpl> {
 public:
  // Opens the store in the folder, or makes it, and adds its db core to the node.
  static Result<std::shared_ptr<RemoteDrive>> Open(std::shared_ptr<NodeLoop> node,
                                                   const DriveKey& key, RemoteDriveOptions options);
  RemoteDriveImpl(const DriveKey& key, std::shared_ptr<RemoteDriveCores> cores);
  ~RemoteDriveImpl() override;

  const DriveKey& key() const override { return key_; }
  const std::filesystem::path& folder() const override { return cores_->options().folder; }
  Result<void> WaitForHead(const ReadLimits& limits) override;
  Result<void> WaitForFreshHead(const ReadLimits& limits) override;
  Result<void> WaitForVersion(std::uint64_t version, const ReadLimits& limits) override;
  std::uint64_t version() const override { return cores_->now().version; }
  Result<std::uint64_t> VersionInReach() override;
  Result<std::shared_ptr<const DriveView>> View(const ReadLimits& limits) override;
  Result<Availability> AvailabilityOf(const BlobId& blob) override;
  Result<Availability> WaitForAvailability(const BlobId& blob, const ReadLimits& limits) override;
  Result<void> Fetch(const BlobId& blob, const ReadLimits& limits,
                     const OnProgress& progress) override;
  void SetKeep(Keep keep) override;
  Result<void> WaitUntilHeld(Keep what, const ReadLimits& limits,
                             const OnProgress& progress) override;
  Result<LiveVersion> FetchLive(const ReadLimits& limits, const Admit& admit,
                                std::optional<std::uint64_t> content_end) override;
  Result<void> Evict(const BlobId& blob) override;
  Result<RemoteDriveStatus> Status() override;

 private:
  Result<std::shared_ptr<const DriveView>> ViewAt(std::uint64_t version, const ReadLimits& limits);
  // What the entries of a version reach.
  Result<LiveBlocks> LiveBlocksAt(std::uint64_t version, const ReadLimits& limits,
                                  std::optional<std::uint64_t> content_end);
  // The content core, or why there is none.
  Result<std::shared_ptr<RemoteCore>> Content() const;
  Result<void> FetchBlocks(const std::shared_ptr<RemoteCore>& content, BlockRange blocks,
                           const ReadLimits& limits, const OnProgress& progress);
  // What is staged of the db becomes durable.
  Result<void> CommitEntries();
  std::string Describe(const char* what) const;

  const DriveKey key_;
  const std::shared_ptr<RemoteDriveCores> cores_;
  const std::shared_ptr<BeeCache> cache_;
};

}  // namespace hnx::hyper
