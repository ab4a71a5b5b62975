#include "hyper/drive/lock_blob.h"

#include <utility>

#include <fmt/core.h>

namespace hnx::hyper {

Result<BlobExtent> LockBlob(CoreReader& content, const BlobId& blob) {
  if (blob.block_length == 0) {
    return BlobExtent(UniqueFd(), blob.byte_offset, 0);
  }
  const std::uint64_t end = blob.block_offset + blob.block_length;
  HNX_ASSIGN_OR_RETURN(auto locked,
                       content.LockRange({BlockIndex(blob.block_offset), BlockIndex(end)}));
  if (locked.bytes.begin.value() != blob.byte_offset || locked.bytes.length() != blob.byte_length) {
    return DataLoss(fmt::format("blob of {} bytes at {}: its blocks hold bytes {} to {}",
                                blob.byte_length, blob.byte_offset, locked.bytes.begin.value(),
                                locked.bytes.end.value()));
  }
  return BlobExtent(std::move(locked.lock).TakeFd(), blob.byte_offset, blob.byte_length);
}

}  // namespace hnx::hyper
