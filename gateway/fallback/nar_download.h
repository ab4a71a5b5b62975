// NarDownload: one NAR file on its way from a fallback to the disk and, at the same time, to any
// number of readers. Its last byte is not handed out before all of it was verified (FileHash,
// decompression, NAR grammar, NarHash): nobody ever gets a bad file whole.
//
// Threads: Run on one that may wait, once; the others from any.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mutex.h"
#include "base/result.h"
#include "http/http_client.h"
#include "http/resuming_download.h"
#include "nix/nar_file_verifier.h"

namespace hnx::gateway {

// Bytes between the network's thread and the one that verifies.
inline constexpr std::size_t kNarDownloadBytesWaitingMax = std::size_t{1} << 20;

class NarDownload : public std::enable_shared_from_this<NarDownload> {
 public:
  // `file`: empty, open for reading and writing.
  NarDownload(std::string url, std::uint64_t size_bytes, nix::NarExpectation expectation,
              UniqueFd file);
  // A file that was verified before: readers get all of it.
  NarDownload(std::uint64_t size_bytes, UniqueFd file);

  // Returns when the whole file was fetched, is what it has to be, and is synced. Readers wait for
  // Finish then. kDataLoss and kInvalidArgument: a bad file.
  Result<void> Run(http::HttpClient& client);
  // What becomes of readers: with an error they get no more.
  void Finish(const Result<void>& outcome) HNX_EXCLUDES(mutex_);
  // Run ends with kCancelled.
  void Cancel() HNX_EXCLUDES(mutex_);

  std::uint64_t size_bytes() const { return size_bytes_; }
  const std::string& url() const { return url_; }
  // How the server failed, when it was that.
  std::optional<http::HttpFailure> failure() const HNX_EXCLUDES(mutex_);

  // -- Readers
  // Returns when byte `offset` may be handed out: the end of what may, at least offset + 1.
  // kDeadlineExceeded at `until`; kCancelled when `left` became true (call Wake then).
  Result<std::uint64_t> WaitBeyond(std::uint64_t offset, Clock::SteadyTime until,
                                   const std::atomic<bool>* left = nullptr) const
      HNX_EXCLUDES(mutex_);
  Result<void> Read(std::uint64_t offset, std::span<std::byte> out) const {
    return ReadAt(file_.get(), offset, out);
  }
  void Wake() HNX_EXCLUDES(mutex_);

 private:
  class Sink;
  // What the network's thread hands over.
  struct Arrived {
    Bytes bytes;
    std::optional<http::DownloadOutcome> done{};
  };

  Arrived Take() HNX_EXCLUDES(mutex_);
  Result<void> Verify();

  const std::string url_;
  const std::uint64_t size_bytes_;
  const std::optional<nix::NarExpectation> expectation_;
  const UniqueFd file_;

  mutable Mutex mutex_;
  mutable CondVar changed_;
  std::shared_ptr<http::ResumingDownload> transfer_ HNX_GUARDED_BY(mutex_);
  std::deque<Arrived> arrived_ HNX_GUARDED_BY(mutex_);
  std::size_t bytes_waiting_ HNX_GUARDED_BY(mutex_) = 0;
  bool paused_ HNX_GUARDED_BY(mutex_) = false;
  bool cancelled_ HNX_GUARDED_BY(mutex_) = false;
  std::uint64_t written_ HNX_GUARDED_BY(mutex_) = 0;
  std::optional<Result<void>> outcome_ HNX_GUARDED_BY(mutex_);
  std::optional<http::HttpFailure> failure_ HNX_GUARDED_BY(mutex_);
};

}  // namespace hnx::gateway
