#include "gateway/far/far_file.h"

#include <utility>

namespace hnx::gateway {

using hyper::Availability;

FarFile::FarFile(std::shared_ptr<hyper::RemoteDrive> drive, const hyper::BlobId& blob,
                 NarCache* cache, const NarMetrics* counted, const FarPatience& patience)
    : drive_(std::move(drive)),
      blob_(blob),
      cache_(cache),
      counted_(counted),
      patience_(patience) {}

Result<Availability> FarFile::Ask() const {
  auto found = drive_->WaitForAvailability(blob_, patience_.Availability());
  if (!found) {
    return patience_.Meaning(found.error());
  }
  if (*found == Availability::kNowhere) {
    return Unavailable("no connected peer has all of a file of drive " + drive_->key().id());
  }
  return found;
}

Result<void> FarFile::CheckAvailable() const {
  HNX_ASSIGN_OR_RETURN(const auto found, Ask());
  if (found == Availability::kUnknown) {
    return Error{ErrorCode::kDeadlineExceeded,
                 "no peer has said yet whether it has a file of drive " + drive_->key().id()};
  }
  return {};
}

// Who was told of the file is not sent away because peers have not told of their blocks yet.
Result<void> FarFile::Begin(std::uint64_t offset) const {
  HNX_TRY(Ask());
  if (cache_ != nullptr) {
    auto pin = cache_->Expect({drive_->key(), blob_});
    MutexLock lock(mutex_);
    pin_ = std::move(pin);
  }
  auto view = drive_->View(patience_.Lookup());
  if (!view) {
    return patience_.Meaning(view.error());
  }
  if (offset >= blob_.byte_length) {
    return {};
  }
  const auto read =
      (*view)->ReadBlob(blob_, offset, 1, [](ByteView /*first*/) -> Result<void> { return {}; });
  return read ? read : Result<void>(patience_.Meaning(read.error()));
}

Result<void> FarFile::Write(std::uint64_t offset, std::uint64_t length,
                            http::BodyPipe& body) const {
  const auto cancellation = std::make_shared<hyper::Cancellation>();
  body.OnAbandon([cancellation] { cancellation->Cancel(); });
  HNX_ASSIGN_OR_RETURN(const auto view, drive_->View(patience_.Stream(cancellation)));
  if (counted_ != nullptr) {
    counted_->answers.Add();
  }
  return view->ReadBlob(blob_, offset, length, [this, &body](ByteView piece) -> Result<void> {
    HNX_TRY(body.Write(piece));
    if (counted_ != nullptr) {
      counted_->bytes.Add(static_cast<double>(piece.size()));
    }
    return {};
  });
}

}  // namespace hnx::gateway
