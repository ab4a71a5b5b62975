// DriveReader: a live, read-only view of one drive in a local folder, while another process writes
// to it. The folder is one corestore root (primary-key, cores/); reading needs neither the primary
// key nor its lock, and writes nothing.
//
// The view stands at one version until Refresh() moves it. A blob whose blocks the writer cleared
// in the meantime is told as kNotFound, never as zeros.
//
// Threads: every method may be called from any thread at once. Iterators (DriveList) belong to the
// thread that uses them, keep the version at which they were made, and may outlive Refresh() but
// not the reader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/file.h"
#include "base/result.h"
#include "hyper/blobs/blob_id.h"
#include "hyper/drive/drive_entry.h"
#include "hyper/drive/drive_key.h"

namespace hnx::hyper {

// Decoded Hyperbee blocks that a reader keeps (least recently used go first).
inline constexpr std::size_t kDriveReaderCacheBytesDefault = std::size_t{16} << 20;

struct DriveReaderOptions {
  std::filesystem::path folder;
  // Without a key: the core whose header says corestore/name = "db".
  std::optional<DriveKey> key;
  std::size_t cache_bytes_max = kDriveReaderCacheBytesDefault;
};

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

// What an audit of a drive found wrong, in words that name file and place. Empty = all is well.
struct DriveAudit {
  std::vector<std::string> findings;
  std::uint64_t blocks_checked = 0;
  std::uint64_t bytes_checked = 0;
  std::uint64_t blocks_cleared = 0;  // absent on purpose: the bitfield says so

  bool clean() const { return findings.empty(); }
};

// Called now and then with the bytes checked since the last call.
using AuditProgress = std::function<void(std::uint64_t bytes)>;

// Streams entries in order of their paths (byte order) with memory bounded by the tree's depth.
class DriveList {
 public:
  virtual ~DriveList() = default;
  // nullopt at the end.
  virtual Result<std::optional<DriveEntry>> Next() = 0;
};

class DriveReader {
 public:
  // kNotFound: no such drive in the folder. kDataLoss: its newest version does not verify.
  static Result<std::unique_ptr<DriveReader>> Open(DriveReaderOptions options);
  ~DriveReader();

  // Moves to the newest durable version of both cores; true when it changed. Costs a few small
  // reads when nothing did.
  Result<bool> Refresh();

  const DriveKey& key() const;
  const DriveKey& content_key() const;
  const std::filesystem::path& folder() const;
  // Length of the db core; 0 or 1 = nothing was put yet.
  std::uint64_t version() const;
  std::uint64_t content_length() const;
  std::uint64_t content_byte_length() const;

  // nullopt: no such path. A link is returned as such, never followed.
  Result<std::optional<DriveEntry>> Entry(std::string_view path) const;
  // Entries below `folder` ("/" = all).
  Result<std::unique_ptr<DriveList>> List(std::string_view folder) const;

  // kNotFound: cleared, or (with a sparse copy) never there. kDataLoss: the entry points outside
  // the core, or its bytes and blocks disagree with the tree.
  Result<BlobExtent> Locate(const BlobId& blob) const;
  // Streams `length` bytes from `offset` of the blob to `sink`, in pieces of at most
  // kBlobBlockBytes. Every piece is checked against the Merkle tree before the sink sees it.
  using Sink = std::function<Result<void>(ByteView)>;
  Result<void> ReadBlob(const BlobId& blob, std::uint64_t offset, std::uint64_t length,
                        const Sink& sink) const;
  // The whole of a small file; kResourceExhausted beyond `size_max`, kNotFound when there is no
  // such file.
  Result<Bytes> ReadFile(std::string_view path, std::uint64_t size_max) const;

  // Recomputes every block and tree node of both cores, compares with tree, bitfield, root hash and
  // signature.
  Result<DriveAudit> Audit(const AuditProgress& progress = {}) const;

 private:
  class Impl;
  explicit DriveReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hnx::hyper
