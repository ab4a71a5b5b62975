#include "gateway/fallback/fallback_nars.h"

#include <utility>

#include "base/log.h"

namespace hnx::gateway {
namespace {

http::MetricCounter Fetches(http::MetricsRegistry& metrics, const char* result) {
  return metrics.Counter("hnx_gateway_fallback_fetches_total",
                         "NARs fetched from fallbacks, by what became of them",
                         {{"result", result}});
}

bool IsBadFile(ErrorCode code) {
  return code == ErrorCode::kDataLoss || code == ErrorCode::kInvalidArgument;
}

}  // namespace

FallbackNars::FallbackNars(Upstreams& upstreams, FallbackStore& store,
                           http::MetricsRegistry& metrics, const Clock& clock)
    : upstreams_(upstreams),
      store_(store),
      known_(clock, kKnownNarsBytesMax),
      fetched_(Fetches(metrics, "kept")),
      fetched_bytes_(metrics.Counter("hnx_gateway_fallback_bytes_total",
                                     "Bytes of NARs that came from fallbacks and were kept")),
      failed_(Fetches(metrics, "failed")),
      refused_(Fetches(metrics, "refused")),
      pool_("fallback", kFallbackFetchesMax, kFallbackFetchesWaitingMax) {}

FallbackNars::~FallbackNars() {
  {
    MutexLock lock(mutex_);
    for (const auto& [file, download] : downloads_) {
      download->Cancel();
      download->Finish(Error{ErrorCode::kCancelled, "the gateway ends"});
    }
  }
  pool_.Stop();
}

Result<NarPlace> FallbackNars::Find(const SignedNarInfo& nar) {
  const auto file = nar.info.nar_file_name();
  if (auto place = known_.FreshPlace(file)) {
    return *std::move(place);
  }
  HNX_ASSIGN_OR_RETURN(auto place, upstreams_.FindNar(nar.info));
  if (!place) {
    return Unavailable("no fallback has the NAR of " + nar.info.store_path().ToString());
  }
  known_.NotePlace(file, *place);
  return *std::move(place);
}

Result<std::shared_ptr<NarDownload>> FallbackNars::Join(const KnownNars::Known& nar) {
  const std::string file(nar->info.nar_file_name());
  {
    MutexLock lock(mutex_);
    if (const auto found = downloads_.find(file); found != downloads_.end()) {
      return found->second;
    }
  }
  HNX_ASSIGN_OR_RETURN(const NarPlace place, Find(*nar));
  MutexLock lock(mutex_);
  if (const auto found = downloads_.find(file); found != downloads_.end()) {
    return found->second;
  }
  if (auto held = store_.OpenNar(file)) {
    return std::make_shared<NarDownload>(held->size_bytes, std::move(held->fd));
  }
  const auto arrival = std::make_shared<FallbackStore::Arrival>(
      store_, nar->info.store_path().hash().ToString(), file, place.size_bytes);
  HNX_ASSIGN_OR_RETURN(auto fd, arrival->Begin());
  auto download =
      std::make_shared<NarDownload>(place.url, place.size_bytes, nar->expectation, std::move(fd));
  const bool taken =
      pool_.Submit([this, download, nar, arrival] { Fetch(download, nar, *arrival); });
  if (!taken) {
    return Error{ErrorCode::kAborted,
                 "more than " + std::to_string(kFallbackFetchesMax + kFallbackFetchesWaitingMax) +
                     " NARs are being fetched from fallbacks"};
  }
  downloads_.emplace(file, download);
  return download;
}

void FallbackNars::Fetch(const std::shared_ptr<NarDownload>& download, const KnownNars::Known& nar,
                         FallbackStore::Arrival& arrival) {
  Result<void> outcome = download->Run(upstreams_.client());
  if (outcome) {
    outcome = arrival.Keep(nar->info.text());
  }
  const std::string file(nar->info.nar_file_name());
  if (outcome) {
    fetched_.Add();
    fetched_bytes_.Add(static_cast<double>(download->size_bytes()));
  } else {
    known_.ForgetPlace(file);
    const bool bad = IsBadFile(outcome.error().code);
    const auto failure = download->failure();
    if (failure && !bad && failure->code != ErrorCode::kCancelled &&
        failure->code != ErrorCode::kNotFound) {
      upstreams_.Blame(download->url(), *failure);
    }
    (bad ? refused_ : failed_).Add();
    if (outcome.error().code != ErrorCode::kCancelled) {
      Log("gateway")->error("fallback {}: {}", download->url(), outcome.error().ToString());
    }
    if (!bad && outcome.error().code != ErrorCode::kCancelled) {
      outcome = Error{ErrorCode::kAborted, outcome.error().message};
    }
  }
  {
    MutexLock lock(mutex_);
    downloads_.erase(file);
  }
  download->Finish(outcome);
}

}  // namespace hnx::gateway
