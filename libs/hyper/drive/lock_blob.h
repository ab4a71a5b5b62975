// LockBlob: a blob as a locked range of its core's `data` file, for sendfile.
#pragma once

#include "base/result.h"
#include "hyper/blobs/blob_id.h"
#include "hyper/core/core_reader.h"
#include "hyper/drive/drive_view.h"

namespace hnx::hyper {

// Of a blob that lies below the reader's length. kNotFound: not all of its blocks are there.
// kDataLoss: its bytes and blocks disagree with the tree.
Result<BlobExtent> LockBlob(CoreReader& content, const BlobId& blob);

}  // namespace hnx::hyper
