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
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "hyper/blobs/blob_id.h"
#include "hyper/drive/drive_entry.h"
#include "hyper/drive/drive_key.h"
#include "hyper/drive/drive_view.h"

namespace hnx::hyper {

// Decoded Hyperbee blocks that a reader keeps (least recently used go first).
inline constexpr std::size_t kDriveReaderCacheBytesDefault = std::size_t{16} << 20;

struct DriveReaderOptions {
  std::filesystem::path folder;
  // Without a key: the core whose header says corestore/name = "db".
  std::optional<DriveKey> key;
  std::size_t cache_bytes_max = kDriveReaderCacheBytesDefault;
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

class DriveReader final : public DriveView {
 public:
  // kNotFound: no such drive in the folder. kDataLoss: its newest version does not verify.
  static Result<std::unique_ptr<DriveReader>> Open(DriveReaderOptions options);
  ~DriveReader() override;
  DriveReader(const DriveReader&) = delete;
  DriveReader& operator=(const DriveReader&) = delete;
  DriveReader(DriveReader&&) = delete;
  DriveReader& operator=(DriveReader&&) = delete;

  // Moves to the newest durable version of both cores; true when it changed. Costs a few small
  // reads when nothing did.
  Result<bool> Refresh();

  const DriveKey& key() const override;
  const DriveKey& content_key() const override;
  const std::filesystem::path& folder() const;
  std::uint64_t version() const override;
  std::uint64_t content_length() const;
  std::uint64_t content_byte_length() const;

  Result<std::optional<DriveEntry>> Entry(std::string_view path) const override;
  Result<std::unique_ptr<DriveList>> List(std::string_view folder) const override;
  Result<BlobExtent> Locate(const BlobId& blob) const override;
  Result<void> ReadBlob(const BlobId& blob, std::uint64_t offset, std::uint64_t length,
                        const Sink& sink) const override;

  // Recomputes every block and tree node of both cores, compares with tree, bitfield, root hash and
  // signature.
  Result<DriveAudit> Audit(const AuditProgress& progress = {}) const;

 private:
  class Impl;
  explicit DriveReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hnx::hyper
