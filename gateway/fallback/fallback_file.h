// FallbackFile: a NAR of which (some) bytes are not on this machine: from peers as long as they
// have it, and from a fallback when they have not, also from the middle on.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>

#include "base/mutex.h"
#include "gateway/fallback/fallback_nars.h"
#include "gateway/substituter/mirror_source.h"
#include "gateway/substituter/nar_metrics.h"

namespace hnx::gateway {

// For the first bytes, and for the next ones of a body on its way.
inline constexpr std::chrono::milliseconds kFallbackFirstByteMax{8000};
inline constexpr std::chrono::milliseconds kFallbackStallMax{60'000};

class FallbackFile final : public FarBytes {
 public:
  // `peers`: nullptr when the mirror does not have it. `size_bytes`: as the client is told.
  // References must outlive the file.
  FallbackFile(std::shared_ptr<const FarBytes> peers, KnownNars::Known nar,
               std::uint64_t size_bytes, FallbackNars& nars, const NarMetrics& counted);

  Result<void> CheckAvailable() const override;
  Result<void> Begin(std::uint64_t offset) const override;
  Result<void> Write(std::uint64_t offset, std::uint64_t length,
                     http::BodyPipe& body) const override;

 private:
  // What the fallback has is the same file, as far as can be told before.
  Result<void> CheckSize(std::uint64_t size_bytes) const;
  Result<std::shared_ptr<NarDownload>> Download() const HNX_EXCLUDES(mutex_);
  Result<void> WriteFromFallback(std::uint64_t offset, std::uint64_t length,
                                 http::BodyPipe& body) const;

  const std::shared_ptr<const FarBytes> peers_;
  const KnownNars::Known nar_;
  const std::uint64_t size_bytes_;
  FallbackNars& nars_;
  const NarMetrics counted_;
  mutable std::atomic<bool> from_peers_{false};
  // What Begin waited for: by the time of Write it may have ended, and is not begun again for that.
  mutable Mutex mutex_;
  mutable std::shared_ptr<NarDownload> begun_ HNX_GUARDED_BY(mutex_);
};

}  // namespace hnx::gateway
