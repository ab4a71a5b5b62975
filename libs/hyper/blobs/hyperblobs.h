// Hyperblobs: files in a Hypercore, each a run of blocks (docs/formats/hyperblobs.md). Writing is
// Hypercore's staged append, which cuts blocks of kBlobBlockBytes; this adds what a blob's name is,
// and reading ranges.
#pragma once

#include <cstdint>
#include <functional>

#include "base/bytes.h"
#include "base/result.h"
#include "hyper/blobs/blob_id.h"
#include "hyper/core/core_reader.h"
#include "hyper/core/hypercore.h"

namespace hnx::hyper {

// The name of what was staged.
BlobId BlobIdOf(const StagedRange& range);

// Stages `content` as one blob. An empty one has no block, and the place where it would be.
Result<BlobId> StageBlob(Hypercore& core, ByteView content);

// Whether the numbers of a (foreign) id can be right for a core of that size; kDataLoss names what
// cannot.
Result<void> CheckBlobBounds(const BlobId& blob, std::uint64_t length, std::uint64_t byte_length);

using BlobSink = std::function<Result<void>(ByteView)>;

// Streams bytes [offset, offset + length) of the blob, block by block, each verified before the
// sink sees it. kOutOfRange: beyond the blob. kNotFound: cleared. kDataLoss: blocks and bytes of
// the id disagree with the tree.
Result<void> ReadBlob(CoreReader& core, const BlobId& blob, std::uint64_t offset,
                      std::uint64_t length, const BlobSink& sink);

}  // namespace hnx::hyper
