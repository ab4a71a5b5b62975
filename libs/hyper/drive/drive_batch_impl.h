// The inside of DriveBatch (hyperdrive.h). Internal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "hyper/bee/bee_batch.h"
#include "hyper/drive/hyperdrive.h"
#include "hyper/drive/writable_drive.h"

namespace hnx::hyper {

class DriveBatch::Impl {
 public:
  explicit Impl(WritableDrive& drive);
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  // kFailedPrecondition: ended, failed before, or a stream is open.
  Result<void> Ready(std::string_view operation) const;
  Result<void> CheckRoom(std::size_t bytes) const;

  // Paths are in normal form.
  Result<void> PutEntry(const DriveEntry& entry);
  Result<void> Del(const std::string& path);

  // At most one stream at a time.
  Result<void> OpenStream();
  Result<void> WriteStream(ByteView bytes) { return stream_->Write(bytes); }
  Result<BlobId> FinishStream();
  Result<void> AbortStream();
  std::uint64_t stream_bytes() const { return stream_->bytes_written(); }

  Hypercore& content() { return *drive_.content; }
  std::size_t operations() const { return bee_ ? bee_->operations() : 0; }
  std::uint64_t staged_content_bytes() const;

  Result<DriveHead> Commit();
  // Drops everything that is staged and not committed.
  Result<void> End();

 private:
  enum class State { kOpen, kFailed, kEnded };

  Result<DriveHead> TryCommit();
  // Remembers that the batch is of no use after an error.
  Result<void> Guarded(Result<void> outcome);

  WritableDrive& drive_;
  std::optional<BeeBatch> bee_;  // gone once staged
  std::optional<StagedAppend> stream_;
  State state_ = State::kOpen;
};

}  // namespace hnx::hyper
