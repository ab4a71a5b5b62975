// DriveView: a drive as readers see it, wherever its blocks come from: a local folder (DriveReader)
// or peers (RemoteDrive, hyper/node). Blocks are verified before anyone sees them.
//
// Threads: every method may be called from any thread at once. Reads may block: on the disk, or
// until a peer answered.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/file.h"
#include "base/result.h"
#include "hyper/blobs/blob_id.h"
#include "hyper/drive/drive_entry.h"
#include "hyper/drive/drive_key.h"

namespace hnx::hyper {

// The bytes of a blob as a range of a file, for sendfile(2). While the object lives it holds a
// shared lock on that range, so that the writer's hole punch waits: keep it until the last byte is
// sent, and not longer.
class BlobExtent {
 public:
  BlobExtent(UniqueFd fd, std::uint64_t offset, std::uint64_t length)
      : fd_(std::move(fd)), offset_(offset), length_(length) {}

  int fd() const { return fd_.get(); }
  std::uint64_t offset() const { return offset_; }
  std::uint64_t length() const { return length_; }

 private:
  UniqueFd fd_;  // its own open file description: closing it ends the lock
  std::uint64_t offset_;
  std::uint64_t length_;
};

// Streams entries in order of their paths (byte order) with memory bounded by the tree's depth.
class DriveList {
 public:
  virtual ~DriveList() = default;
  // nullopt at the end.
  virtual Result<std::optional<DriveEntry>> Next() = 0;
};

class DriveView {
 public:
  DriveView() = default;
  DriveView(const DriveView&) = delete;
  DriveView& operator=(const DriveView&) = delete;
  virtual ~DriveView() = default;

  virtual const DriveKey& key() const = 0;
  virtual const DriveKey& content_key() const = 0;
  // Length of the db core; 0 or 1 = nothing was put yet.
  virtual std::uint64_t version() const = 0;

  // nullopt: no such path. A link is returned as such, never followed.
  virtual Result<std::optional<DriveEntry>> Entry(std::string_view path) const = 0;
  // Entries below `folder` ("/" = all). The view must outlive the list.
  virtual Result<std::unique_ptr<DriveList>> List(std::string_view folder) const = 0;

  // For sendfile; only when all its blocks are on this disk. kNotFound: cleared, or (with a sparse
  // copy) not there; nothing is fetched. kDataLoss: the entry points outside the core, or its bytes
  // and blocks disagree with the tree.
  virtual Result<BlobExtent> Locate(const BlobId& blob) const = 0;

  // Streams `length` bytes from `offset` of the blob to `sink` in order, in pieces of at most one
  // block. Every piece is checked against the Merkle tree before the sink sees it. kOutOfRange:
  // beyond the blob. An error of the sink ends it.
  using Sink = std::function<Result<void>(ByteView)>;
  virtual Result<void> ReadBlob(const BlobId& blob, std::uint64_t offset, std::uint64_t length,
                                const Sink& sink) const = 0;

  // The whole of a small file; kResourceExhausted beyond `size_max`, kNotFound when there is no
  // such file.
  Result<Bytes> ReadFile(std::string_view path, std::uint64_t size_max) const;
};

}  // namespace hnx::hyper
