// FallbackNars: NARs from fallbacks: found, fetched once for all who want them, verified, kept.
//
// Errors: kAborted: no fallback answers (now), or too many NARs are being fetched; kUnavailable: no
// fallback has it; kDataLoss, kInvalidArgument: what came was not what the narinfo says.
//
// Threads: any; methods with a deadline block.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "gateway/fallback/fallback_store.h"
#include "gateway/fallback/known_nars.h"
#include "gateway/fallback/nar_download.h"
#include "gateway/fallback/upstreams.h"
#include "http/metrics.h"
#include "http/work_pool.h"

namespace hnx::gateway {

// NARs fetched at once, and such that wait for their turn.
inline constexpr std::size_t kFallbackFetchesMax = 16;
inline constexpr std::size_t kFallbackFetchesWaitingMax = 64;

// Whatever the mirror's trouble is; but not when the client has left, or the gateway ends.
inline bool FallbackMayHelp(const Error& trouble) {
  return trouble.code != ErrorCode::kCancelled;
}

class FallbackNars {
 public:
  // References must outlive it.
  FallbackNars(Upstreams& upstreams, FallbackStore& store, http::MetricsRegistry& metrics,
               const Clock& clock = Clock::Real());
  // Ends what is being fetched.
  ~FallbackNars();
  FallbackNars(const FallbackNars&) = delete;
  FallbackNars& operator=(const FallbackNars&) = delete;

  KnownNars& known() { return known_; }
  FallbackStore& store() { return store_; }
  Upstreams& upstreams() { return upstreams_; }

  // Where it can be had now. kUnavailable: nowhere.
  Result<NarPlace> Find(const SignedNarInfo& nar);
  // Its download: the one that is under way, the file that is here, or a new one.
  Result<std::shared_ptr<NarDownload>> Join(const KnownNars::Known& nar) HNX_EXCLUDES(mutex_);

 private:
  void Fetch(const std::shared_ptr<NarDownload>& download, const KnownNars::Known& nar,
             FallbackStore::Arrival& arrival) HNX_EXCLUDES(mutex_);

  Upstreams& upstreams_;
  FallbackStore& store_;
  KnownNars known_;
  http::MetricCounter fetched_;
  http::MetricCounter fetched_bytes_;
  http::MetricCounter failed_;
  http::MetricCounter refused_;
  Mutex mutex_;
  std::map<std::string, std::shared_ptr<NarDownload>, std::less<>> downloads_
      HNX_GUARDED_BY(mutex_);  // by file
  http::WorkPool pool_;
};

}  // namespace hnx::gateway
