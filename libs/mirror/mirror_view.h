// MirrorView: a mirror as readers see it, whether its drives lie in local folders (MirrorReader) or
// are read from peers (RemoteMirror). Links are followed by one rule, here and nowhere else.
//
// Threads: every method may be called from any thread at once.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "hyper/drive/drive_key.h"
#include "hyper/drive/drive_view.h"
#include "mirror/mirror_json.h"

namespace hnx::mirror {

// A file of the mirror: the drive that holds it and the blob in it. Keeps the drive's view alive.
struct MirrorFile {
  std::shared_ptr<const hyper::DriveView> drive;
  hyper::BlobId blob;

  std::uint64_t size_bytes() const { return blob.byte_length; }
  // For sendfile; see DriveView::Locate. kNotFound: its blocks are not (or no longer) here.
  Result<hyper::BlobExtent> Locate() const { return drive->Locate(blob); }
};

class MirrorView {
 public:
  MirrorView() = default;
  MirrorView(const MirrorView&) = delete;
  MirrorView& operator=(const MirrorView&) = delete;
  virtual ~MirrorView() = default;

  virtual const hyper::DriveKey& index_key() const = 0;
  virtual std::uint64_t index_version() const = 0;
  virtual std::shared_ptr<const MirrorJson> mirror_json() const = 0;

  virtual std::shared_ptr<const hyper::DriveView> index_view() const = 0;
  // nullptr: not one that can be opened here. Only shards that /mirror.json lists are opened.
  virtual Result<std::shared_ptr<const hyper::DriveView>> shard_view(
      const hyper::DriveKey& key) const = 0;
  virtual bool IsListed(const hyper::DriveKey& shard) const = 0;

  // Any ordinary file of the index drive: nix-cache-info, a narinfo, the files of a channel.
  // nullopt: absent, or a link.
  Result<std::optional<MirrorFile>> IndexFile(std::string_view path) const;
  // Its bytes; nullopt when absent, kResourceExhausted beyond `size_max`.
  Result<std::optional<Bytes>> ReadIndexFile(std::string_view path, std::uint64_t size_max) const;

  // The NAR file `/nar/<file>`: an ordinary file of the index, or through a link of exactly the
  // form of drive_link.h into a shard that /mirror.json lists. nullopt: absent; every other link
  // (hostile, looping, unlisted) is absent too, and so is one whose shard cannot be opened or lacks
  // it.
  Result<std::optional<MirrorFile>> ResolveNar(std::string_view file) const;

 protected:
  // The entry was not in a view of the shard: a view made or moved since, as another thread may
  // have moved the shard in between. nullptr: it cannot be opened.
  virtual Result<std::shared_ptr<const hyper::DriveView>> NewerShardView(
      const hyper::DriveKey& key) const = 0;
};

}  // namespace hnx::mirror
