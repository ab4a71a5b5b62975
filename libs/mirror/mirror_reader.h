// MirrorReader: a mirror in local folders that hold one folder per drive,
//
//   DIR/<id of a drive in z-base-32>/{primary-key,cores/}
//
// seen through the key of its index drive. Several workers on one machine have a folder each; a
// drive is taken from the first that has it. Other processes may be writing to the drives. Shards
// are opened when a link first leads to them, and a shard folder that appears later is found then.
//
// Threads: every method may be called from any thread at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "hyper/drive/drive_key.h"
#include "hyper/drive/drive_reader.h"
#include "mirror/mirror_json.h"
#include "mirror/mirror_view.h"

namespace hnx::mirror {

struct MirrorReaderOptions {
  std::filesystem::path directory;
  hyper::DriveKey index_key;
  // Decoded tree blocks kept for the index, and for each shard.
  std::size_t index_cache_bytes_max = std::size_t{64} << 20;
  std::size_t shard_cache_bytes_max = std::size_t{4} << 20;
  // Looked into after `directory`, in this order.
  std::vector<std::filesystem::path> further_directories = {};
};

class MirrorReader final : public MirrorView {
 public:
  // kNotFound: the index drive is in none of the directories. An index without /mirror.json
  // (nothing published yet) is an empty mirror.
  static Result<std::unique_ptr<MirrorReader>> Open(MirrorReaderOptions options);
  ~MirrorReader() override;
  MirrorReader(const MirrorReader&) = delete;
  MirrorReader& operator=(const MirrorReader&) = delete;
  MirrorReader(MirrorReader&&) = delete;
  MirrorReader& operator=(MirrorReader&&) = delete;

  // Moves index and shards to their newest durable versions; true when the index changed. Call it
  // from one thread, every second or so.
  Result<bool> Refresh();

  const hyper::DriveKey& index_key() const override;
  std::uint64_t index_version() const override;
  std::shared_ptr<const MirrorJson> mirror_json() const override;
  std::shared_ptr<const hyper::DriveView> index_view() const override { return index(); }
  Result<std::shared_ptr<const hyper::DriveView>> shard_view(
      const hyper::DriveKey& key) const override;
  bool IsListed(const hyper::DriveKey& shard) const override;

  // Readers of single drives, for listing and audit; nullptr when the shard is not here.
  std::shared_ptr<const hyper::DriveReader> index() const;
  Result<std::shared_ptr<const hyper::DriveReader>> shard(const hyper::DriveKey& key) const;

 protected:
  Result<std::shared_ptr<const hyper::DriveView>> NewerShardView(
      const hyper::DriveKey& key) const override;

 private:
  class Impl;
  explicit MirrorReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hnx::mirror
