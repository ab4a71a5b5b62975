#include "mirror/remote_mirror.h"

#include <filesystem>
#include <map>
#include <optional>
#include <system_error>
#include <utility>

#include "base/mutex.h"
#include "mirror/index_layout.h"

namespace hnx::mirror {

using hyper::DriveKey;
using hyper::DriveView;
using hyper::ReadLimits;
using hyper::RemoteDrive;

namespace {

struct Description {
  MirrorJson json;
  std::map<DriveKey, std::uint64_t> listed;  // with the length when it was published
};

}  // namespace

class RemoteMirror::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(hyper::PeerNode& node, RemoteMirrorOptions options, std::shared_ptr<RemoteDrive> index)
      : options_(std::move(options)), index_(std::move(index)), node_(node) {}

  Result<std::shared_ptr<const MirrorView>> View(const ReadLimits& limits) HNX_EXCLUDES(mutex_);
  // A shard that is listed, as the caller knows.
  Result<std::shared_ptr<RemoteDrive>> Shard(const DriveKey& key) HNX_EXCLUDES(mutex_);
  std::shared_ptr<const Description> description() const HNX_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return description_;
  }
  std::vector<std::shared_ptr<RemoteDrive>> OpenDrives() const HNX_EXCLUDES(mutex_);
  Result<void> RemoveUnlisted(const DriveKey& key) HNX_EXCLUDES(mutex_);

  const RemoteMirrorOptions options_;
  const std::shared_ptr<RemoteDrive> index_;

 private:
  struct OpenShard {
    std::shared_ptr<RemoteDrive> drive;
    std::uint64_t used = 0;
  };

  Result<std::shared_ptr<const Description>> Describe(const DriveView& index) HNX_EXCLUDES(mutex_);
  // Takes the one unused for longest out, for the caller to drop without the lock.
  std::shared_ptr<RemoteDrive> MakeRoom() HNX_REQUIRES(mutex_);

  hyper::PeerNode& node_;
  // One opens at a time: the store of a drive has one owner.
  Mutex opening_mutex_;
  mutable Mutex mutex_;
  std::shared_ptr<const Description> description_ HNX_GUARDED_BY(mutex_) =
      std::make_shared<const Description>();
  std::uint64_t described_version_ HNX_GUARDED_BY(mutex_) = 0;
  std::optional<hyper::BlobId> described_blob_ HNX_GUARDED_BY(mutex_);
  std::uint64_t uses_ HNX_GUARDED_BY(mutex_) = 0;
  std::map<DriveKey, OpenShard> shards_ HNX_GUARDED_BY(mutex_);
};

namespace {

// The mirror at one version of its index, with one reader's limits.
template <class Impl>
class RemoteMirrorView final : public MirrorView {
 public:
  RemoteMirrorView(std::shared_ptr<Impl> mirror, std::shared_ptr<const DriveView> index,
                   std::shared_ptr<const Description> description, ReadLimits limits)
      : mirror_(std::move(mirror)),
        index_(std::move(index)),
        description_(std::move(description)),
        limits_(std::move(limits)) {}

  const DriveKey& index_key() const override { return index_->key(); }
  std::uint64_t index_version() const override { return index_->version(); }
  std::shared_ptr<const MirrorJson> mirror_json() const override {
    return {description_, &description_->json};
  }
  std::shared_ptr<const DriveView> index_view() const override { return index_; }
  bool IsListed(const DriveKey& shard) const override {
    return description_->listed.contains(shard);
  }

  Result<std::shared_ptr<const DriveView>> shard_view(const DriveKey& key) const override {
    if (!IsListed(key)) {
      return std::shared_ptr<const DriveView>();
    }
    HNX_ASSIGN_OR_RETURN(const auto drive, mirror_->Shard(key));
    HNX_TRY(drive->WaitForHead(limits_));
    return drive->View(limits_);
  }

 protected:
  Result<std::shared_ptr<const DriveView>> NewerShardView(const DriveKey& key) const override {
    HNX_ASSIGN_OR_RETURN(const auto drive, mirror_->Shard(key));
    const std::uint64_t published = description_->listed.at(key);
    if (drive->version() < published) {
      const Result<void> grown = drive->WaitForVersion(published - 1, limits_);
      if (!grown && grown.error().code != ErrorCode::kDeadlineExceeded) {
        return grown.error();
      }
    }
    return drive->View(limits_);
  }

 private:
  const std::shared_ptr<Impl> mirror_;
  const std::shared_ptr<const DriveView> index_;
  const std::shared_ptr<const Description> description_;
  const ReadLimits limits_;
};

}  // namespace

Result<std::shared_ptr<const Description>> RemoteMirror::Impl::Describe(const DriveView& index) {
  std::optional<hyper::BlobId> known;
  {
    const MutexLock lock(mutex_);
    if (described_version_ == index.version()) {
      return description_;
    }
    known = described_blob_;
  }
  HNX_ASSIGN_OR_RETURN(const auto entry, index.Entry(kMirrorJsonPath));
  std::shared_ptr<Description> read;
  const std::optional<hyper::BlobId> blob =
      entry && !entry->linkname ? entry->blob : std::optional<hyper::BlobId>();
  if (blob != known || !blob) {
    read = std::make_shared<Description>();
    if (blob) {
      HNX_ASSIGN_OR_RETURN(const Bytes text, index.ReadFile(kMirrorJsonPath, kMirrorJsonBytesMax));
      HNX_ASSIGN_OR_RETURN(read->json, MirrorJson::Parse(AsText(text)));
    }
    for (const MirrorShard& shard : read->json.shards) {
      read->listed.emplace(shard.key, shard.length);
    }
  }
  const MutexLock lock(mutex_);
  if (index.version() > described_version_) {
    described_version_ = index.version();
    described_blob_ = blob;
    description_ = read ? std::move(read) : description_;
  }
  return description_;
}

Result<std::shared_ptr<const MirrorView>> RemoteMirror::Impl::View(const ReadLimits& limits) {
  HNX_ASSIGN_OR_RETURN(auto index, index_->View(limits));
  auto description = Describe(*index);
  if (!description) {
    return description.error().Annotate("read /mirror.json of " + options_.index_key.id());
  }
  return std::shared_ptr<const MirrorView>(std::make_shared<RemoteMirrorView<Impl>>(
      shared_from_this(), std::move(index), *std::move(description), limits));
}

std::shared_ptr<RemoteDrive> RemoteMirror::Impl::MakeRoom() {
  if (shards_.size() < kRemoteShardsOpenMax) {
    return nullptr;
  }
  auto oldest = shards_.end();
  for (auto at = shards_.begin(); at != shards_.end(); ++at) {
    const bool in_use = at->second.drive.use_count() > 1;
    if (!in_use && (oldest == shards_.end() || at->second.used < oldest->second.used)) {
      oldest = at;
    }
  }
  if (oldest == shards_.end()) {
    return nullptr;
  }
  std::shared_ptr<RemoteDrive> drive = std::move(oldest->second.drive);
  shards_.erase(oldest);
  return drive;
}

Result<std::shared_ptr<RemoteDrive>> RemoteMirror::Impl::Shard(const DriveKey& key) {
  const auto find = [this, &key]() HNX_REQUIRES(mutex_) -> std::shared_ptr<RemoteDrive> {
    const auto found = shards_.find(key);
    if (found == shards_.end()) {
      return nullptr;
    }
    found->second.used = ++uses_;
    return found->second.drive;
  };
  {
    const MutexLock lock(mutex_);
    if (auto drive = find()) {
      return drive;
    }
  }
  const MutexLock opening(opening_mutex_);
  std::shared_ptr<RemoteDrive> dropped;
  {
    const MutexLock lock(mutex_);
    if (auto drive = find()) {
      return drive;
    }
    dropped = MakeRoom();
  }
  dropped.reset();
  hyper::RemoteDriveOptions options;
  options.folder = options_.cache / key.id();
  options.announce = options_.announce;
  options.older_entries = true;
  options.cache_bytes_max = options_.shard_cache_bytes_max;
  HNX_ASSIGN_OR_RETURN(auto drive, node_.OpenRemote(key, std::move(options)));
  const MutexLock lock(mutex_);
  shards_.emplace(key, OpenShard{drive, ++uses_});
  return drive;
}

Result<void> RemoteMirror::Impl::RemoveUnlisted(const DriveKey& key) {
  const MutexLock opening(opening_mutex_);
  std::shared_ptr<RemoteDrive> dropped;
  {
    const MutexLock lock(mutex_);
    if (described_version_ == 0 || key == options_.index_key ||
        description_->listed.contains(key)) {
      return FailedPrecondition("remove drive " + key.id() + ": the mirror may list it");
    }
    if (const auto found = shards_.find(key); found != shards_.end()) {
      if (found->second.drive.use_count() > 1) {
        return Unavailable("remove drive " + key.id() + ": somebody reads it");
      }
      dropped = std::move(found->second.drive);
      shards_.erase(found);
    }
  }
  dropped.reset();
  std::error_code failed;
  std::filesystem::remove_all(options_.cache / key.id(), failed);
  return failed ? Result<void>(Unavailable("remove drive " + key.id() + ": " + failed.message()))
                : Result<void>();
}

std::vector<std::shared_ptr<RemoteDrive>> RemoteMirror::Impl::OpenDrives() const {
  std::vector<std::shared_ptr<RemoteDrive>> drives{index_};
  const MutexLock lock(mutex_);
  for (const auto& [key, shard] : shards_) {
    drives.push_back(shard.drive);
  }
  return drives;
}

RemoteMirror::RemoteMirror(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
RemoteMirror::~RemoteMirror() = default;

Result<std::unique_ptr<RemoteMirror>> RemoteMirror::Open(hyper::PeerNode& node,
                                                         RemoteMirrorOptions options) {
  hyper::RemoteDriveOptions index_options;
  index_options.folder = options.cache / options.index_key.id();
  index_options.announce = options.announce;
  index_options.cache_bytes_max = options.index_cache_bytes_max;
  HNX_ASSIGN_OR_RETURN(auto index, node.OpenRemote(options.index_key, std::move(index_options)));
  return std::unique_ptr<RemoteMirror>(
      new RemoteMirror(std::make_shared<Impl>(node, std::move(options), std::move(index))));
}

RemoteDrive& RemoteMirror::index() {
  return *impl_->index_;
}

std::shared_ptr<RemoteDrive> RemoteMirror::shared_index() {
  return impl_->index_;
}

Result<std::shared_ptr<const MirrorView>> RemoteMirror::View(const ReadLimits& limits) {
  return impl_->View(limits);
}

Result<std::shared_ptr<RemoteDrive>> RemoteMirror::Drive(const DriveKey& key) {
  if (key == impl_->options_.index_key) {
    return impl_->index_;
  }
  if (!impl_->description()->listed.contains(key)) {
    return NotFound("drive " + key.id() + ": the mirror's index does not list it");
  }
  return impl_->Shard(key);
}

Result<void> RemoteMirror::RemoveUnlisted(const DriveKey& key) {
  return impl_->RemoveUnlisted(key);
}

std::vector<std::shared_ptr<RemoteDrive>> RemoteMirror::OpenDrives() const {
  return impl_->OpenDrives();
}

}  // namespace hnx::mirror
