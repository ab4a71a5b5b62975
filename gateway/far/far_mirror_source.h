// FarMirrorSource: a mirror known by its key only, read from peers block by block. Nothing waits
// longer than the limits below, and nothing longer than a moment when nobody is connected.
//
// When peers tell of a newer index and leave before its blocks came, what the version before told
// still holds: lookups fall back to it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "base/mutex.h"
#include "gateway/far/far_file.h"
#include "gateway/far/far_mirror.h"
#include "gateway/far/nar_cache.h"
#include "gateway/substituter/mirror_source.h"
#include "http/metrics.h"

namespace hnx::gateway {

// Nix keeps a 404 for an hour: while nothing is known of the mirror, a request waits so long.
inline constexpr std::chrono::milliseconds kHeadWaitMax{5000};
// For all that one request has to find out.
inline constexpr std::chrono::milliseconds kLookupWaitMax{8000};
inline constexpr std::chrono::milliseconds kAvailabilityWaitMax{2000};
// The same when no peer that has the index is connected.
inline constexpr std::chrono::milliseconds kAloneWaitMax{300};
// A body on its way: for peers to be found for its next block.
inline constexpr std::chrono::milliseconds kStreamStallMax{60'000};
// An index whose head no peer confirmed for so long is worth a warning.
inline constexpr std::chrono::minutes kHeadAgeWarning{10};

// How long peers are waited for.
struct FarWaits {
  std::chrono::milliseconds head = kHeadWaitMax;
  std::chrono::milliseconds lookup = kLookupWaitMax;
  std::chrono::milliseconds stream_stall = kStreamStallMax;
};
// When somebody else can be asked.
inline constexpr FarWaits kWaitsWithFallback{.head = std::chrono::milliseconds(2000),
                                             .lookup = std::chrono::milliseconds(3000),
                                             .stream_stall = std::chrono::milliseconds(5000)};

struct FarMirrorSourceOptions {
  std::filesystem::path cache;  // the record of what is held is kept here
  std::uint64_t nar_bytes_max = std::uint64_t{10} << 30;
  // The index is completed in the background when it is not larger; else its entries only, when
  // those are not; else nothing.
  bool index_whole = true;
  std::uint64_t index_bytes_max = std::uint64_t{4} << 30;
  FarWaits waits{};
};

class FarMirrorSource final : public MirrorSource, private FarPatience {
 public:
  // References must outlive the source.
  static Result<std::unique_ptr<FarMirrorSource>> Open(FarMirror& mirror,
                                                       FarMirrorSourceOptions options,
                                                       http::MetricsRegistry& metrics,
                                                       const Clock& clock = Clock::Real());

  bool may_wait() const override { return true; }
  std::uint64_t version() const override;
  Result<std::optional<std::string>> ReadFile(std::string_view path,
                                              std::uint64_t size_max) const override;
  Result<std::optional<SourceFile>> File(std::string_view path) const override;
  Result<std::optional<SourceFile>> Nar(std::string_view file) const override;
  Result<std::vector<SourceListing>> List(std::string_view folder,
                                          std::size_t count_max) const override;
  // Looks at heads, peers and the cache; call it several times a second. kUnavailable: no head yet.
  Result<bool> Refresh() override;

  NarCache& cache() { return *cache_; }
  // Requests that wait end, and later ones do not wait. For good.
  void Cancel() HNX_EXCLUDES(mutex_);

 private:
  using View = std::shared_ptr<const mirror::MirrorView>;

  FarMirrorSource(FarMirror& mirror, FarMirrorSourceOptions options, std::unique_ptr<HeldNars> held,
                  http::MetricsRegistry& metrics, const Clock& clock);

  hyper::ReadLimits Lookup() const override;
  hyper::ReadLimits Availability() const override;
  hyper::ReadLimits Stream(std::shared_ptr<hyper::Cancellation> cancellation) const override;
  Error Meaning(Error error) const override;
  hyper::ReadLimits Within(std::chrono::milliseconds time) const HNX_EXCLUDES(mutex_);
  bool alone() const;

  Result<View> Look() const;
  // `read` with the mirror now, and with the version before when its blocks cannot be had.
  template <class T>
  Result<T> Ask(const std::function<Result<T>(const mirror::MirrorView&)>& read) const;
  Result<std::optional<SourceFile>> ToSource(std::optional<mirror::MirrorFile> file) const;

  void Observe(const hyper::RemoteDriveStatus& status) HNX_EXCLUDES(mutex_);
  void ChooseKeep(const hyper::RemoteDriveStatus& status);
  void KeepGoodView(const hyper::RemoteDriveStatus& status) HNX_EXCLUDES(mutex_);
  void EvictUnlisted() HNX_EXCLUDES(mutex_);
  void WarnOfAge(const hyper::RemoteDriveStatus& status);

  FarMirror& mirror_;
  const FarMirrorSourceOptions options_;
  const Clock& clock_;
  const std::unique_ptr<NarCache> cache_;
  const NarMetrics nars_from_peers_;
  std::atomic<std::size_t> index_peers_{0};
  std::atomic<bool> looked_{false};  // index_peers_ is known
  std::atomic<bool> cancelled_{false};
  std::atomic<std::int64_t> head_age_ms_{-1};

  // Of the thread that refreshes.
  std::uint64_t seen_version_ = 0;
  std::uint64_t swept_version_ = 0;  // NARs of shards that left it are gone
  hyper::RemoteDrive::Keep keep_ = hyper::RemoteDrive::Keep::kSparse;
  bool warned_ = false;
  const Clock::SteadyTime begin_;

  mutable Mutex mutex_;
  // Of lookups that began while peers were there; ended when the last one has left.
  std::shared_ptr<hyper::Cancellation> lookups_ HNX_GUARDED_BY(mutex_) =
      std::make_shared<hyper::Cancellation>();
  View good_ HNX_GUARDED_BY(mutex_);
};

}  // namespace hnx::gateway
