// FarMirror: an OpenedMirror read from peers. What is fetched is kept in a folder, one store a
// drive, so that it is fetched once.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "hyp/folder_lock.h"
#include "hyp/opened_mirror.h"
#include "hyp/peer_access.h"
#include "hyp/peer_options.h"
#include "hyper/node/read_limits.h"
#include "mirror/remote_mirror.h"

namespace hnx::hyp {

class FarMirror final : public OpenedMirror {
 public:
  struct Place {
    // In it, each drive has its folder.
    std::filesystem::path folder;
    // Held while it is open: that no other process fetches into the same folder.
    std::optional<FolderLock> lock;
    bool temporary = false;  // removed afterwards
    bool keeps = false;      // nothing is given back
  };

  // Returns when the newest version is known; an older one that is held is taken, with a warning,
  // when nobody answers in time. kDeadlineExceeded: nobody did, and nothing is held.
  static Result<std::unique_ptr<OpenedMirror>> Open(
      const hyper::DriveKey& key, const PeerOptions& options, Place place,
      std::shared_ptr<hyper::Cancellation> cancellation);
  ~FarMirror() override;

  std::shared_ptr<const mirror::MirrorView> view() const override { return view_; }
  Result<bool> Refresh() override;
  bool from_afar() const override { return true; }
  Result<void> FetchEntries(const hyper::DriveKey& key, const OnHeld& on_held) override;
  void GiveBack(const hyper::DriveKey& key, const hyper::BlobId& blob) override;

  Result<DriveFacts> Facts() override;
  bool IsHere(const hyper::DriveKey& shard) const override;

 private:
  hyper::RemoteDrive& index() { return remote_->index(); }
  FarMirror(const PeerOptions& options, Place place,
            std::shared_ptr<hyper::Cancellation> cancellation);
  Result<void> WaitForHead();
  Result<void> MakeView();
  hyper::ReadLimits Limits() const;

  const PeerOptions options_;
  const Place place_;
  const std::shared_ptr<hyper::Cancellation> cancellation_;
  std::unique_ptr<PeerAccess> access_;
  std::unique_ptr<mirror::RemoteMirror> remote_;
  std::shared_ptr<const mirror::MirrorView> view_;
  // The version of each drive whose entries were asked for, when they were.
  std::map<hyper::DriveKey, std::uint64_t> seen_;
};

}  // namespace hnx::hyp
