// OpenedMirror: a mirror, or any drive, as the commands see it, whether it lies in folders of this
// machine or is read from peers.
//
// Threads: views may be used from any thread at once; all else from one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "hyper/blobs/blob_id.h"
#include "hyper/drive/drive_key.h"
#include "mirror/mirror_view.h"

namespace hnx::hyp {

// Blocks of a drive that are on this disk, of all that it has.
using OnHeld = std::function<void(std::uint64_t held, std::uint64_t total)>;

class OpenedMirror {
 public:
  OpenedMirror() = default;
  OpenedMirror(const OpenedMirror&) = delete;
  OpenedMirror& operator=(const OpenedMirror&) = delete;
  virtual ~OpenedMirror() = default;

  virtual std::shared_ptr<const mirror::MirrorView> view() const = 0;
  // Moves the view to the newest version; true when the index moved. Does not wait for peers.
  virtual Result<bool> Refresh() = 0;

  // Its blocks come from peers: each file costs a round trip, and somebody learns of it.
  virtual bool from_afar() const = 0;
  // All entries of that drive will be read: from afar, they are fetched first, together.
  virtual Result<void> FetchEntries(const hyper::DriveKey& key, const OnHeld& on_held) = 0;
  // The blob was copied elsewhere: the room it takes in the data folder may be given back.
  virtual void GiveBack(const hyper::DriveKey& key, const hyper::BlobId& blob) = 0;
};

}  // namespace hnx::hyp
