#include "mirror/mirror_reader.h"

#include <algorithm>
#include <map>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "base/log.h"
#include "base/mutex.h"
#include "mirror/index_layout.h"

namespace hnx::mirror {

using hyper::DriveKey;
using hyper::DriveReader;

namespace {

// The folder of a drive: in the first directory that has it.
std::filesystem::path FolderOf(const MirrorReaderOptions& options, const DriveKey& key) {
  const std::string id = key.id();
  for (const auto& directory : options.further_directories) {
    std::error_code ignored;
    if (!std::filesystem::exists(options.directory / id, ignored) &&
        std::filesystem::exists(directory / id, ignored)) {
      return directory / id;
    }
  }
  return options.directory / id;
}

}  // namespace

class MirrorReader::Impl {
 public:
  Impl(MirrorReaderOptions options, std::shared_ptr<DriveReader> index)
      : options_(std::move(options)),
        index_(std::move(index)),
        mirror_json_(std::make_shared<const MirrorJson>()) {}

  Result<bool> Refresh();
  Result<void> ReadMirrorJson();
  std::shared_ptr<const MirrorJson> mirror_json() const {
    const MutexLock lock(mutex_);
    return mirror_json_;
  }
  bool IsMirrorJsonCurrent() const {
    const MutexLock lock(mutex_);
    return mirror_json_version_ == index_->version();
  }
  bool IsListed(const DriveKey& shard) const {
    const MutexLock lock(mutex_);
    return listed_.contains(shard);
  }
  // nullptr: in none of the directories.
  Result<std::shared_ptr<DriveReader>> Shard(const DriveKey& key) const;

  const MirrorReaderOptions options_;
  const std::shared_ptr<DriveReader> index_;

 private:
  mutable Mutex mutex_;
  std::shared_ptr<const MirrorJson> mirror_json_ HNX_GUARDED_BY(mutex_);
  std::uint64_t mirror_json_version_ HNX_GUARDED_BY(mutex_) = 0;
  std::set<DriveKey> listed_ HNX_GUARDED_BY(mutex_);
  // Only shards that /mirror.json lists: no more than kMirrorShardsMax.
  mutable std::map<DriveKey, std::shared_ptr<DriveReader>> shards_ HNX_GUARDED_BY(mutex_);
};

Result<void> MirrorReader::Impl::ReadMirrorJson() {
  const std::uint64_t version = index_->version();
  MirrorJson parsed;
  const auto text = index_->ReadFile(kMirrorJsonPath, kMirrorJsonBytesMax);
  if (text) {
    HNX_ASSIGN_OR_RETURN(parsed, MirrorJson::Parse(AsText(*text)));
  } else if (text.error().code != ErrorCode::kNotFound) {
    return text.error();
  }
  std::set<DriveKey> listed;
  for (const MirrorShard& shard : parsed.shards) {
    listed.insert(shard.key);
  }
  const MutexLock lock(mutex_);
  mirror_json_ = std::make_shared<const MirrorJson>(std::move(parsed));
  mirror_json_version_ = version;
  listed_ = std::move(listed);
  std::erase_if(shards_, [this](const auto& shard) HNX_NO_THREAD_SAFETY_ANALYSIS {
    return !listed_.contains(shard.first);  // called with the lock held
  });
  return {};
}

Result<bool> MirrorReader::Impl::Refresh() {
  // The index first, then the shards: what a published entry names is durable in its shard already.
  HNX_ASSIGN_OR_RETURN(const bool changed, index_->Refresh());
  std::vector<std::shared_ptr<DriveReader>> open;
  {
    const MutexLock lock(mutex_);
    for (const auto& [key, shard] : shards_) {
      open.push_back(shard);
    }
  }
  for (const auto& shard : open) {
    // A shard that cannot be read must not hold up the others.
    if (const auto refreshed = shard->Refresh(); !refreshed) {
      Log("mirror")->warn("shard {}: {}", shard->key().id(), refreshed.error().ToString());
    }
  }
  // Not only when it changed: the last attempt may have failed.
  if (changed || !IsMirrorJsonCurrent()) {
    HNX_TRY(ReadMirrorJson());
  }
  return changed;
}

Result<std::shared_ptr<DriveReader>> MirrorReader::Impl::Shard(const DriveKey& key) const {
  {
    const MutexLock lock(mutex_);
    const auto found = shards_.find(key);
    if (found != shards_.end()) {
      return found->second;
    }
  }
  auto opened = DriveReader::Open({FolderOf(options_, key), key, options_.shard_cache_bytes_max});
  if (!opened) {
    if (opened.error().code == ErrorCode::kNotFound) {
      return std::shared_ptr<DriveReader>();
    }
    return opened.error();
  }
  const MutexLock lock(mutex_);
  // Another thread may have been faster; then its reader is the one that Refresh moves.
  return shards_.try_emplace(key, *std::move(opened)).first->second;
}

MirrorReader::MirrorReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MirrorReader::~MirrorReader() = default;

Result<std::unique_ptr<MirrorReader>> MirrorReader::Open(MirrorReaderOptions options) {
  HNX_ASSIGN_OR_RETURN(auto index,
                       DriveReader::Open({FolderOf(options, options.index_key), options.index_key,
                                          options.index_cache_bytes_max}));
  auto impl =
      std::make_unique<Impl>(std::move(options), std::shared_ptr<DriveReader>(std::move(index)));
  HNX_TRY(impl->ReadMirrorJson());
  return std::unique_ptr<MirrorReader>(new MirrorReader(std::move(impl)));
}

Result<bool> MirrorReader::Refresh() {
  return impl_->Refresh();
}

const DriveKey& MirrorReader::index_key() const {
  return impl_->options_.index_key;
}

std::uint64_t MirrorReader::index_version() const {
  return impl_->index_->version();
}

std::shared_ptr<const MirrorJson> MirrorReader::mirror_json() const {
  return impl_->mirror_json();
}

std::shared_ptr<const DriveReader> MirrorReader::index() const {
  return impl_->index_;
}

Result<std::shared_ptr<const DriveReader>> MirrorReader::shard(const DriveKey& key) const {
  HNX_ASSIGN_OR_RETURN(auto reader, impl_->Shard(key));
  return std::shared_ptr<const DriveReader>(std::move(reader));
}

Result<std::shared_ptr<const hyper::DriveView>> MirrorReader::shard_view(
    const DriveKey& key) const {
  HNX_ASSIGN_OR_RETURN(auto reader, impl_->Shard(key));
  return std::shared_ptr<const hyper::DriveView>(std::move(reader));
}

bool MirrorReader::IsListed(const DriveKey& shard) const {
  return impl_->IsListed(shard);
}

Result<std::shared_ptr<const hyper::DriveView>> MirrorReader::NewerShardView(
    const DriveKey& key) const {
  HNX_ASSIGN_OR_RETURN(auto reader, impl_->Shard(key));
  if (reader != nullptr) {
    // Also when it did not move: another thread may have moved it since the caller looked.
    HNX_TRY(reader->Refresh());
  }
  return std::shared_ptr<const hyper::DriveView>(std::move(reader));
}

}  // namespace hnx::mirror
