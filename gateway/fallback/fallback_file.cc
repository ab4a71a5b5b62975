#include "gateway/fallback/fallback_file.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/log.h"

namespace hnx::gateway {
namespace {

constexpr std::uint64_t kPieceBytes = std::uint64_t{128} << 10;

}  // namespace

FallbackFile::FallbackFile(std::shared_ptr<const FarBytes> peers, KnownNars::Known nar,
                           std::uint64_t size_bytes, FallbackNars& nars, const NarMetrics& counted)
    : peers_(std::move(peers)),
      nar_(std::move(nar)),
      size_bytes_(size_bytes),
      nars_(nars),
      counted_(counted) {}

Result<void> FallbackFile::CheckSize(std::uint64_t size_bytes) const {
  if (size_bytes != size_bytes_) {
    return Error{ErrorCode::kAborted, "the fallback's file of " +
                                          nar_->info.store_path().ToString() + " has " +
                                          std::to_string(size_bytes) + " bytes, the mirror's " +
                                          std::to_string(size_bytes_)};
  }
  return {};
}

Result<void> FallbackFile::CheckAvailable() const {
  Result<void> at_peers = Unavailable("the mirror does not have it");
  if (peers_) {
    at_peers = peers_->CheckAvailable();
    if (at_peers || !FallbackMayHelp(at_peers.error())) {
      return at_peers;
    }
  }
  const auto place = nars_.Find(*nar_);
  if (!place) {
    return peers_ ? at_peers : Result<void>(place.error());
  }
  return CheckSize(place->size_bytes);
}

Result<void> FallbackFile::Begin(std::uint64_t offset) const {
  Result<void> at_peers = Unavailable("the mirror does not have it");
  if (peers_) {
    at_peers = peers_->Begin(offset);
    if (at_peers) {
      from_peers_ = true;
      return {};
    }
    if (!FallbackMayHelp(at_peers.error())) {
      return at_peers;
    }
  }
  const auto download = nars_.Join(nar_);
  if (!download) {
    return peers_ ? at_peers : Result<void>(download.error());
  }
  HNX_TRY(CheckSize((*download)->size_bytes()));
  // Whatever `offset` is: it comes from its beginning.
  const auto first = (*download)->WaitBeyond(0, Clock::Real().Steady() + kFallbackFirstByteMax);
  if (first || size_bytes_ == 1) {
    MutexLock lock(mutex_);
    begun_ = *download;
    return {};
  }
  return Error{ErrorCode::kAborted, first.error().message};
}

Result<void> FallbackFile::Write(std::uint64_t offset, std::uint64_t length,
                                 http::BodyPipe& body) const {
  if (from_peers_) {
    const std::uint64_t before = body.written();
    const auto written = peers_->Write(offset, length, body);
    if (written || !FallbackMayHelp(written.error())) {
      return written;
    }
    const std::uint64_t reached = body.written() - before;
    Log("gateway")->info("the peers of a NAR are gone: a fallback goes on from byte {}: {}",
                         offset + reached, written.error().message);
    offset += reached;
    length -= reached;
  }
  return WriteFromFallback(offset, length, body);
}

Result<std::shared_ptr<NarDownload>> FallbackFile::Download() const {
  {
    MutexLock lock(mutex_);
    if (begun_) {
      return begun_;
    }
  }
  return nars_.Join(nar_);
}

Result<void> FallbackFile::WriteFromFallback(std::uint64_t offset, std::uint64_t length,
                                             http::BodyPipe& body) const {
  HNX_ASSIGN_OR_RETURN(const auto download, Download());
  HNX_TRY(CheckSize(download->size_bytes()));
  const auto left = std::make_shared<std::atomic<bool>>(false);
  body.OnAbandon([download, left] {
    *left = true;
    download->Wake();
  });
  counted_.answers.Add();
  std::vector<std::byte> piece(kPieceBytes);
  const std::uint64_t end = offset + length;
  while (offset < end) {
    const auto until = Clock::Real().Steady() + kFallbackStallMax;
    HNX_ASSIGN_OR_RETURN(const std::uint64_t there,
                         download->WaitBeyond(offset, until, left.get()));
    const std::uint64_t size = std::min({there - offset, end - offset, kPieceBytes});
    const auto part = std::span(piece).first(size);
    HNX_TRY(download->Read(offset, part));
    HNX_TRY(body.Write(part));
    counted_.bytes.Add(static_cast<double>(size));
    offset += size;
  }
  return {};
}

}  // namespace hnx::gateway
