// OpenedMirror: a mirror, or any drive, as the commands see it, whether it lies in folders of this
// machine or is read from peers.
//
// Threads: views may be used from any thread at once; all else from one.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "hyper/blobs/blob_id.h"
#include "hyper/drive/drive_key.h"
#include "mirror/mirror_view.h"

namespace hnx::hyp {

// Blocks of a drive that are on this disk, of all that it has.
using OnHeld = std::function<void(std::uint64_t held, std::uint64_t total)>;

struct DriveFacts {
  std::string folder;
  std::uint64_t content_blocks = 0;
  std::uint64_t content_bytes = 0;
  // Of a drive that is read from peers.
  struct Afar {
    std::uint64_t bytes_held = 0;
    std::vector<std::string> peers;
    // Since a peer last said that this is the newest version; none: nobody did.
    std::optional<std::chrono::milliseconds> head_age;
    bool frozen = false;  // its owner signed two different histories
  };
  std::optional<Afar> afar;
};

class OpenedMirror {
 public:
  OpenedMirror() = default;
  OpenedMirror(const OpenedMirror&) = delete;
  OpenedMirror& operator=(const OpenedMirror&) = delete;
  virtual ~OpenedMirror() = default;

  virtual std::shared_ptr<const mirror::MirrorView> view() const = 0;
  // Moves the view to the newest version; true when the index moved, or a shard whose entries were
  // fetched. Does not wait for peers.
  virtual Result<bool> Refresh() = 0;

  // Its blocks come from peers: each file costs a round trip, and somebody learns of it.
  virtual bool from_afar() const = 0;
  // All entries of that drive will be read: from afar, they are fetched first, together.
  virtual Result<void> FetchEntries(const hyper::DriveKey& key, const OnHeld& on_held) = 0;
  // The blob is not needed any more: the room it takes in the data folder may be given back. Any
  // thread.
  virtual void GiveBack(const hyper::DriveKey& key, const hyper::BlobId& blob) = 0;

  // Of the drive that was opened.
  virtual Result<DriveFacts> Facts() = 0;
  // Something of that shard is on this disk.
  virtual bool IsHere(const hyper::DriveKey& shard) const = 0;
};

}  // namespace hnx::hyp
