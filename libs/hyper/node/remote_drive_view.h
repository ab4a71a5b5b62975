// RemoteDriveView: a RemoteDrive at one version, with one reader's limits. Internal to this folder.
#pragma once

#include <memory>
#include <optional>

#include "hyper/bee/bee_snapshot.h"
#include "hyper/bee/bee_store.h"
#include "hyper/drive/drive_view.h"
#include "hyper/node/read_limits.h"
#include "hyper/node/remote_core.h"

namespace hnx::hyper {

class RemoteDriveView final : public DriveView {
 public:
  struct Parts {
    std::shared_ptr<const void> keeps_alive;
    std::shared_ptr<RemoteCore> db;
    std::shared_ptr<RemoteCore> content;
    std::uint64_t version = 0;
    bool older_entries = false;  // RemoteDriveOptions
    std::shared_ptr<BeeCache> cache;
    ReadLimits limits;
  };
  explicit RemoteDriveView(Parts parts);

  const DriveKey& key() const override { return key_; }
  const DriveKey& content_key() const override { return content_key_; }
  std::uint64_t version() const override { return parts_.version; }
  Result<std::optional<DriveEntry>> Entry(std::string_view path) const override;
  Result<std::unique_ptr<DriveList>> List(std::string_view folder) const override;
  Result<BlobExtent> Locate(const BlobId& blob) const override;
  Result<void> ReadBlob(const BlobId& blob, std::uint64_t offset, std::uint64_t length,
                        const Sink& sink) const override;

 private:
  class FetchedBlocks : public BeeBlocks {
   public:
    FetchedBlocks(const std::shared_ptr<RemoteCore>& core, const ReadLimits& limits)
        : core_(core), limits_(limits) {}
    Result<Bytes> ReadBlock(std::uint64_t seq) const override;

   private:
    const std::shared_ptr<RemoteCore>& core_;
    const ReadLimits& limits_;
  };
  struct Start {
    BlockIndex block;
    std::uint64_t skip = 0;  // bytes of it
  };

  // Of the version in reach, when that is an older one.
  std::optional<DriveEntry> OlderEntry(std::string_view path) const;
  Result<Start> FindStart(const BlobId& blob, std::uint64_t offset) const;
  Result<ByteRange> PlaceOf(BlockIndex block) const;

  const Parts parts_;
  const DriveKey key_;
  const DriveKey content_key_;
  const FetchedBlocks blocks_;
  const BeeStore store_;
};

// What an entry says of its blob's size and place can be right at all; kDataLoss.
Result<void> CheckRemoteBlob(const BlobId& blob);

}  // namespace hnx::hyper
