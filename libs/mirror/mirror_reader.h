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

// A file of the mirror: the drive that holds it and the blob in it. Keeps the drive's reader alive.
struct MirrorFile {
  std::shared_ptr<const hyper::DriveReader> drive;
  hyper::BlobId blob;

  std::uint64_t size_bytes() const { return blob.byte_length; }
  // For sendfile; see BlobExtent. kNotFound: its blocks are gone.
  Result<hyper::BlobExtent> Locate() const { return drive->Locate(blob); }
};

class MirrorReader {
 public:
  // kNotFound: the index drive is in none of the directories. An index without /mirror.json
  // (nothing published yet) is an empty mirror.
  static Result<std::unique_ptr<MirrorReader>> Open(MirrorReaderOptions options);
  ~MirrorReader();

  // Moves index and shards to their newest durable versions; true when the index changed. Call it
  // from one thread, every second or so.
  Result<bool> Refresh();

  const hyper::DriveKey& index_key() const;
  std::uint64_t index_version() const;
  std::shared_ptr<const MirrorJson> mirror_json() const;

  // Any ordinary file of the index drive: nix-cache-info, a narinfo, the files of a channel.
  // nullopt: absent, or a link.
  Result<std::optional<MirrorFile>> IndexFile(std::string_view path) const;
  // Its bytes; nullopt when absent, kResourceExhausted beyond `size_max`.
  Result<std::optional<Bytes>> ReadIndexFile(std::string_view path, std::uint64_t size_max) const;

  // The NAR file `/nar/<file>`: an ordinary file of the index, or through a link of exactly the
  // form of drive_link.h into a shard that /mirror.json lists. nullopt: absent; every other link
  // (hostile, looping, unlisted) is absent too, and so is one whose shard is in none of the
  // directories or lacks it.
  Result<std::optional<MirrorFile>> ResolveNar(std::string_view file) const;

  // Readers of single drives, for listing and audit; nullptr when the shard is not here.
  std::shared_ptr<const hyper::DriveReader> index() const;
  Result<std::shared_ptr<const hyper::DriveReader>> shard(const hyper::DriveKey& key) const;

 private:
  class Impl;
  explicit MirrorReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hnx::mirror
