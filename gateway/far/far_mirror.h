// FarMirror: what the gateway needs of a mirror that is read from peers: its index, its shards when
// a link leads to them. One implementation is a node among peers (peer_mirror.h); tests have
// another.
//
// Threads: every method may be called from any thread at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/result.h"
#include "hyper/drive/drive_key.h"
#include "hyper/node/read_limits.h"
#include "hyper/node/remote_drive.h"
#include "mirror/mirror_view.h"

namespace hnx::gateway {

class FarMirror {
 public:
  virtual ~FarMirror() = default;

  virtual hyper::RemoteDrive& index() = 0;
  // At the index's version now. kFailedPrecondition: no head is known.
  virtual Result<std::shared_ptr<const mirror::MirrorView>> View(
      const hyper::ReadLimits& limits) = 0;
  // The index or a listed shard. kNotFound: neither, as far as is known.
  virtual Result<std::shared_ptr<hyper::RemoteDrive>> Drive(const hyper::DriveKey& key) = 0;
  // Removes what is held of a shard that the mirror does not list any more. kFailedPrecondition: it
  // is listed, or that is not known yet; kUnavailable: it is in use.
  virtual Result<void> RemoveUnlisted(const hyper::DriveKey& key) = 0;
  // Connections to peers, whatever they have.
  virtual std::size_t connections() = 0;
  // On the sockets of all peers since the start: blocks, proofs, what peers say of themselves.
  struct Traffic {
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
  };
  virtual Traffic traffic() = 0;
};

}  // namespace hnx::gateway
