// AcceptedHeads: which signed heads may be told to peers: those that are durable here and that the
// coordinator has accepted. It remembers what was committed until the coordinator's word comes. A
// head that was never accepted is never given out: another one could take its place, and peers that
// had seen both would freeze the drive for ever.
//
// Pure; the owner locks.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <optional>

#include "hyper/drive/drive_key.h"
#include "hyper/drive/hyperdrive.h"

namespace hnx::worker {

// Commits of one drive that wait for the coordinator's word; beyond it the oldest are forgotten,
// and a later head is announced instead.
inline constexpr std::size_t kHeadsWaitingMax = 4096;

class AcceptedHeads {
 public:
  // True: the drive is new here.
  bool Committed(const hyper::DriveKey& key, const hyper::SignedDriveHead& head);
  // The head that peers may be told of from now on; nothing when they were told already, or when
  // what was accepted is not what is here.
  std::optional<hyper::SignedDriveHead> Recorded(const hyper::DriveKey& key,
                                                 const hyper::DriveHead& recorded);

 private:
  std::map<hyper::DriveKey, std::deque<hyper::SignedDriveHead>> waiting_;
};

}  // namespace hnx::worker
