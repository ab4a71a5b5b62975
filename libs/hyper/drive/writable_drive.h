// The two cores of a drive that this process writes: shared by Hyperdrive and its batch. Internal.
#pragma once

#include <memory>
#include <utility>

#include "hyper/bee/hyperbee.h"
#include "hyper/core/hypercore.h"
#include "hyper/drive/drive_key.h"
#include "hyper/drive/hyperdrive.h"

namespace hnx::hyper {

struct WritableDrive {
  WritableDrive(std::unique_ptr<Hypercore> db_core, std::unique_ptr<Hypercore> content_core)
      : db(std::move(db_core)),
        content(std::move(content_core)),
        bee(*db),
        key(db->key().bytes),
        content_key(content->key().bytes) {}

  DriveHead head() const {
    const CoreHead& entries = db->head();
    const CoreHead& blobs = content->head();
    return DriveHead{entries.length, entries.byte_length, entries.tree_hash,
                     blobs.length,   blobs.byte_length,   blobs.tree_hash};
  }

  std::unique_ptr<Hypercore> db;
  std::unique_ptr<Hypercore> content;
  Hyperbee bee;
  DriveKey key;
  DriveKey content_key;
  bool batch_open = false;
};

}  // namespace hnx::hyper
