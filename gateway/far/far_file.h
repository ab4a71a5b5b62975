// FarFile: a file of a mirror that is read from peers, as the handlers see it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/mutex.h"
#include "gateway/far/nar_cache.h"
#include "gateway/substituter/mirror_source.h"
#include "gateway/substituter/nar_metrics.h"
#include "hyper/node/read_limits.h"
#include "hyper/node/remote_drive.h"
#include "mirror/mirror_view.h"

namespace hnx::gateway {

// What a request may wait for.
class FarPatience {
 public:
  virtual ~FarPatience() = default;
  // To find something out.
  virtual hyper::ReadLimits Lookup() const = 0;
  // To learn whether somebody has a file.
  virtual hyper::ReadLimits Availability() const = 0;
  // For the next block of a body on its way. It ends with `cancellation`.
  virtual hyper::ReadLimits Stream(std::shared_ptr<hyper::Cancellation> cancellation) const = 0;
  // An error of a read with these limits: what it means to a client.
  virtual Error Meaning(Error error) const = 0;
};

class FarFile final : public FarBytes {
 public:
  // `cache`, `counted`: nullptr for a file that is no NAR. They and `patience` must outlive it.
  FarFile(std::shared_ptr<hyper::RemoteDrive> drive, const hyper::BlobId& blob, NarCache* cache,
          const NarMetrics* counted, const FarPatience& patience);

  Result<void> CheckAvailable() const override;
  Result<void> Begin(std::uint64_t offset) const override HNX_EXCLUDES(mutex_);
  Result<void> Write(std::uint64_t offset, std::uint64_t length,
                     http::BodyPipe& body) const override;

 private:
  Result<hyper::Availability> Ask() const;

  const std::shared_ptr<hyper::RemoteDrive> drive_;
  const hyper::BlobId blob_;
  NarCache* const cache_;
  const NarMetrics* const counted_;
  const FarPatience& patience_;
  mutable Mutex mutex_;
  // Keeps it from being evicted while it comes.
  mutable std::shared_ptr<const void> pin_ HNX_GUARDED_BY(mutex_);
};

}  // namespace hnx::gateway
