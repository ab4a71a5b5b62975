#include "hyper/drive/lock_blob.h"

#include <utility>

#include <fmt/core.h>

#include "hyper/core/page_cache.h"
#include "hyper/core/stale_pages.h"

namespace hnx::hyper {
namespace {

Result<BlobExtent> LockOnce(CoreReader& content, const BlobId& blob) {
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

}  // namespace

Result<BlobExtent> LockBlob(CoreReader& content, const BlobId& blob) {
  if (blob.block_length == 0) {
    return BlobExtent(UniqueFd(), blob.byte_offset, 0);
  }
  Result<BlobExtent> extent = LockOnce(content, blob);
  if (!extent && extent.error().code == ErrorCode::kDataLoss) {
    // What is kept of the tree may be older than a repair by another process.
    PageCache::DropAll();
    extent = LockOnce(content, blob);
  }
  if (!extent && extent.error().code == ErrorCode::kNotFound && DropStalePages()) {
    extent = LockOnce(content, blob);
  }
  return extent;
}

}  // namespace hnx::hyper
