// RemoteMirror: a mirror read from peers: its index drive, and its shards, which are opened when a
// link first leads to them (or asked for), each in CACHE/<id>.
//
//   auto mirror = RemoteMirror::Open(node, {.index_key = key, .cache = folder});
//   HNX_TRY((*mirror)->index().WaitForHead(ReadLimits::Within(5s)));
//   auto view = (*mirror)->View(ReadLimits::Within(10s));
//   auto nar = (*view)->ResolveNar(file);      // -> MirrorFile; its drive is read within the
//   limits
//   (*mirror)->Drive(nar->drive->key())        // to stream it with others
//
// Threads: every method may be called from any thread but the node's.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <vector>

#include "base/result.h"
#include "hyper/drive/drive_key.h"
#include "hyper/node/peer_node.h"
#include "hyper/node/remote_drive.h"
#include "mirror/mirror_json.h"
#include "mirror/mirror_view.h"

namespace hnx::mirror {

// Shards that are open at once; the one unused for longest is closed when it is not in use.
inline constexpr std::size_t kRemoteShardsOpenMax = 256;

struct RemoteMirrorOptions {
  hyper::DriveKey index_key;
  std::filesystem::path cache;  // one folder per drive in it
  bool announce = true;         // what is held is offered to the swarm
  std::size_t index_cache_bytes_max = std::size_t{64} << 20;
  std::size_t shard_cache_bytes_max = std::size_t{4} << 20;
};

class RemoteMirror {
 public:
  // `node` must outlive it and its views. Nothing is waited for.
  static Result<std::unique_ptr<RemoteMirror>> Open(hyper::PeerNode& node,
                                                    RemoteMirrorOptions options);
  ~RemoteMirror();
  RemoteMirror(const RemoteMirror&) = delete;
  RemoteMirror& operator=(const RemoteMirror&) = delete;

  hyper::RemoteDrive& index();
  std::shared_ptr<hyper::RemoteDrive> shared_index();

  // The mirror at the index's version now; keeps its drives alive. Reads /mirror.json when the
  // index moved. kFailedPrecondition: no head of the index yet.
  Result<std::shared_ptr<const MirrorView>> View(const hyper::ReadLimits& limits);

  // The index or a listed shard, opened when it is not. kNotFound: neither.
  Result<std::shared_ptr<hyper::RemoteDrive>> Drive(const hyper::DriveKey& key);
  // For a shard that the mirror does not list any more: closes it and removes its folder in the
  // cache. kFailedPrecondition: it is listed, or it is not known yet what is; kUnavailable:
  // somebody uses it.
  Result<void> RemoveUnlisted(const hyper::DriveKey& key);
  // Those that are open now.
  std::vector<std::shared_ptr<hyper::RemoteDrive>> OpenDrives() const;

 private:
  class Impl;
  explicit RemoteMirror(std::shared_ptr<Impl> impl);
  const std::shared_ptr<Impl> impl_;
};

}  // namespace hnx::mirror
