// DriveHeads: who wants to know of the heads of this worker's drives: what became durable, and what
// the coordinator has accepted of it. The two come from different threads.
#pragma once

#include <cstdint>

#include "hyper/drive/drive_key.h"
#include "hyper/drive/hyperdrive.h"

namespace hnx::worker {

class DriveHeads {
 public:
  virtual ~DriveHeads() = default;
  // Durable here. Also told once when a drive is opened. Threads: any, one at a time per drive.
  virtual void Committed(const hyper::DriveKey& key, const hyper::DriveKey& content_key,
                         const hyper::SignedDriveHead& head) = 0;
  // The coordinator's word, by compare-and-set; repeated with each of its answers. Threads: any.
  virtual void Recorded(const hyper::DriveKey& key, const hyper::DriveHead& head) = 0;
  // Lengths up to which one of the configured holders says that it has all blocks of both cores;
  // of several the one that has most. Zero: nobody. Threads: any.
  struct Held {
    std::uint64_t db_length = 0;
    std::uint64_t content_length = 0;
  };
  virtual Held Acknowledged(const hyper::DriveKey& /*key*/,
                            const hyper::DriveKey& /*content_key*/) {
    return {};
  }

 protected:
  DriveHeads() = default;
  DriveHeads(const DriveHeads&) = default;
  DriveHeads& operator=(const DriveHeads&) = default;
  DriveHeads(DriveHeads&&) = default;
  DriveHeads& operator=(DriveHeads&&) = default;
};

}  // namespace hnx::worker
