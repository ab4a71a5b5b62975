#include "gateway/far/far_mirror_source.h"

#include <utility>

#include "base/log.h"
#include "gateway/substituter/mirror_file.h"
#include "mirror/index_layout.h"

namespace hnx::gateway {

using hyper::ReadLimits;
using hyper::RemoteDrive;
using hyper::RemoteDriveStatus;

namespace {

constexpr const char* kHeldFile = "held-nars";

bool CannotBeHadNow(ErrorCode code) {
  return code == ErrorCode::kUnavailable || code == ErrorCode::kDeadlineExceeded ||
         code == ErrorCode::kCancelled;
}

}  // namespace

Result<std::unique_ptr<FarMirrorSource>> FarMirrorSource::Open(FarMirror& mirror,
                                                               FarMirrorSourceOptions options,
                                                               http::MetricsRegistry& metrics,
                                                               const Clock& clock) {
  HNX_ASSIGN_OR_RETURN(auto held, HeldNars::Open(options.cache / kHeldFile));
  return std::unique_ptr<FarMirrorSource>(
      new FarMirrorSource(mirror, std::move(options), std::move(held), metrics, clock));
}

FarMirrorSource::FarMirrorSource(FarMirror& mirror, FarMirrorSourceOptions options,
                                 std::unique_ptr<HeldNars> held, http::MetricsRegistry& metrics,
                                 const Clock& clock)
    : mirror_(mirror),
      options_(std::move(options)),
      clock_(clock),
      cache_(std::make_unique<NarCache>(mirror, std::move(held), options_.nar_bytes_max, metrics)),
      nars_from_peers_(metrics, "peers"),
      begin_(clock.Steady()) {
  metrics.GaugeFunction("hnx_gateway_peers", "Connections to peers",
                        [this] { return static_cast<double>(mirror_.connections()); });
  metrics.CounterFunction("hnx_gateway_peers_received_bytes_total",
                          "Bytes that came from peers, all that they say",
                          [this] { return static_cast<double>(mirror_.traffic().bytes_in); });
  metrics.CounterFunction("hnx_gateway_peers_sent_bytes_total", "Bytes that went to peers",
                          [this] { return static_cast<double>(mirror_.traffic().bytes_out); });
  metrics.GaugeFunction("hnx_gateway_index_peers", "Peers that have the index drive",
                        [this] { return static_cast<double>(index_peers_); });
  metrics.GaugeFunction(
      "hnx_gateway_index_head_age_seconds",
      "Time since a peer last confirmed the index's head, -1: never since the start",
      [this] { return head_age_ms_ < 0 ? -1 : static_cast<double>(head_age_ms_) / 1000; });
}

// -- Limits

bool FarMirrorSource::alone() const {
  return cancelled_ || (looked_ && index_peers_ == 0);
}

ReadLimits FarMirrorSource::Within(std::chrono::milliseconds time) const {
  ReadLimits limits = ReadLimits::Within(time);
  limits.stall_max = time;
  MutexLock lock(mutex_);
  limits.cancellation = lookups_;
  return limits;
}

ReadLimits FarMirrorSource::Lookup() const {
  return Within(alone() ? kAloneWaitMax : options_.waits.lookup);
}

ReadLimits FarMirrorSource::Availability() const {
  return Within(alone() ? kAloneWaitMax : kAvailabilityWaitMax);
}

ReadLimits FarMirrorSource::Stream(std::shared_ptr<hyper::Cancellation> cancellation) const {
  ReadLimits limits;
  limits.stall_max = options_.waits.stream_stall;
  limits.cancellation = std::move(cancellation);
  return limits;
}

Error FarMirrorSource::Meaning(Error error) const {
  if (!cancelled_ && (error.code == ErrorCode::kCancelled ||
                      (error.code == ErrorCode::kDeadlineExceeded && alone()))) {
    error.code = ErrorCode::kUnavailable;
  }
  return error;
}

void FarMirrorSource::Cancel() {
  cancelled_ = true;
  MutexLock lock(mutex_);
  lookups_->Cancel();
}

// -- Reading

std::uint64_t FarMirrorSource::version() const {
  return mirror_.index().version();
}

Result<FarMirrorSource::View> FarMirrorSource::Look() const {
  if (mirror_.index().version() == 0) {
    auto limits = ReadLimits::Within(options_.waits.head);
    {
      MutexLock lock(mutex_);
      limits.cancellation = lookups_;
    }
    if (const auto found = mirror_.index().WaitForHead(limits); !found) {
      return cancelled_ ? found.error() : FailedPrecondition(found.error().message);
    }
  }
  return mirror_.View(Lookup());
}

template <class T>
Result<T> FarMirrorSource::Ask(
    const std::function<Result<T>(const mirror::MirrorView&)>& read) const {
  const auto look = [this, &read]() -> Result<T> {
    HNX_ASSIGN_OR_RETURN(const View view, Look());
    return read(*view);
  };
  Result<T> answer = look();
  if (answer || !CannotBeHadNow(answer.error().code)) {
    return answer;
  }
  View good;
  {
    MutexLock lock(mutex_);
    good = good_;
  }
  if (good != nullptr) {
    Result<T> before = read(*good);
    if (before) {
      return before;
    }
  }
  return Meaning(answer.error());
}

Result<std::optional<std::string>> FarMirrorSource::ReadFile(std::string_view path,
                                                             std::uint64_t size_max) const {
  using Text = std::optional<std::string>;
  return Ask<Text>([path, size_max](const mirror::MirrorView& view) -> Result<Text> {
    HNX_ASSIGN_OR_RETURN(const auto bytes, view.ReadIndexFile(path, size_max));
    return bytes ? Text(ToString(*bytes)) : Text();
  });
}

Result<std::optional<SourceFile>> FarMirrorSource::File(std::string_view path) const {
  using Found = std::optional<mirror::MirrorFile>;
  HNX_ASSIGN_OR_RETURN(auto file, Ask<Found>([path](const mirror::MirrorView& view) {
                         return view.IndexFile(path);
                       }));
  return ToSource(std::move(file));
}

Result<std::optional<SourceFile>> FarMirrorSource::Nar(std::string_view file_name) const {
  using Found = std::optional<mirror::MirrorFile>;
  HNX_ASSIGN_OR_RETURN(auto file, Ask<Found>([file_name](const mirror::MirrorView& view) {
                         return view.ResolveNar(file_name);
                       }));
  return ToSource(std::move(file));
}

Result<std::optional<SourceFile>> FarMirrorSource::ToSource(
    std::optional<mirror::MirrorFile> file) const {
  if (!file) {
    return std::optional<SourceFile>();
  }
  HNX_ASSIGN_OR_RETURN(auto drive, mirror_.Drive(file->drive->key()));
  const bool is_nar = drive->key() != mirror_.index().key();
  NarCache* const cache = is_nar ? cache_.get() : nullptr;
  const NarMetrics* const counted = is_nar ? &nars_from_peers_ : nullptr;
  SourceFile source;
  source.size_bytes = file->size_bytes();
  source.etag = ETagOf(*file);
  source.far = std::make_shared<FarFile>(std::move(drive), file->blob, cache, counted,
                                         static_cast<const FarPatience&>(*this));
  source.open = [cache, file = *std::move(file)]() -> Result<http::FileRegion> {
    HNX_ASSIGN_OR_RETURN(auto region, OpenRegion(file));
    region.may_be_punched = true;
    if (cache != nullptr) {
      cache->Used({file.drive->key(), file.blob});
    }
    return region;
  };
  return std::optional<SourceFile>(std::move(source));
}

Result<std::vector<SourceListing>> FarMirrorSource::List(std::string_view folder,
                                                         std::size_t count_max) const {
  using Listing = std::vector<SourceListing>;
  return Ask<Listing>([folder, count_max](const mirror::MirrorView& view) -> Result<Listing> {
    Listing listing;
    const auto index = view.index_view();
    HNX_ASSIGN_OR_RETURN(const auto entries, index->List(folder));
    while (listing.size() < count_max) {
      HNX_ASSIGN_OR_RETURN(const auto entry, entries->Next());
      if (!entry) {
        break;
      }
      if (entry->blob) {
        listing.push_back({entry->path, entry->blob->byte_length});
      }
    }
    return listing;
  });
}

// -- Following

Result<bool> FarMirrorSource::Refresh() {
  HNX_ASSIGN_OR_RETURN(const auto status, mirror_.index().Status());
  Observe(status);
  WarnOfAge(status);
  cache_->Trim();
  const std::uint64_t version = mirror_.index().version();
  if (version == 0) {
    return Unavailable("no head of index " + mirror_.index().key().id() +
                       " is known yet: is its key right, and is a peer that has it connected "
                       "(--peer HOST:PORT, or the swarm bridge)?");
  }
  ChooseKeep(status);
  KeepGoodView(status);
  EvictUnlisted();
  return std::exchange(seen_version_, version) != version;
}

void FarMirrorSource::Observe(const RemoteDriveStatus& status) {
  const std::size_t peers = status.db.peers.size();
  head_age_ms_ = status.head_age ? status.head_age->count() : -1;
  const bool lost_the_last = index_peers_.exchange(peers) > 0 && peers == 0;
  looked_ = true;
  if (!lost_the_last || cancelled_) {
    return;
  }
  std::shared_ptr<hyper::Cancellation> ended = std::make_shared<hyper::Cancellation>();
  {
    MutexLock lock(mutex_);
    ended.swap(lookups_);
  }
  ended->Cancel();
}

void FarMirrorSource::ChooseKeep(const RemoteDriveStatus& status) {
  const std::uint64_t entries = status.db.head.byte_length;
  const std::uint64_t whole = entries + (status.content ? status.content->head.byte_length : 0);
  RemoteDrive::Keep keep = RemoteDrive::Keep::kSparse;
  if (options_.index_whole && entries <= options_.index_bytes_max) {
    keep =
        whole <= options_.index_bytes_max ? RemoteDrive::Keep::kWhole : RemoteDrive::Keep::kEntries;
  }
  if (keep == std::exchange(keep_, keep)) {
    return;
  }
  mirror_.index().SetKeep(keep);
  Log("gateway")->info("index of {} bytes: {} in the background", whole,
                       keep == RemoteDrive::Keep::kWhole     ? "all of it is fetched"
                       : keep == RemoteDrive::Keep::kEntries ? "its entries are fetched"
                                                             : "nothing of it is fetched");
}

// It has no deadline of its own, and does not wait for what is not held.
void FarMirrorSource::KeepGoodView(const RemoteDriveStatus& status) {
  {
    MutexLock lock(mutex_);
    if (good_ != nullptr && good_->index_version() == mirror_.index().version()) {
      return;
    }
  }
  const bool follows = keep_ == RemoteDrive::Keep::kSparse;
  if (!follows && status.db.contiguous_length < mirror_.index().version()) {
    return;
  }
  ReadLimits limits;
  limits.stall_max = kAloneWaitMax;
  if (auto view = mirror_.View(limits); view) {
    MutexLock lock(mutex_);
    good_ = *std::move(view);
  }
}

void FarMirrorSource::EvictUnlisted() {
  View good;
  {
    MutexLock lock(mutex_);
    good = good_;
  }
  if (good != nullptr && good->index_version() != swept_version_ && cache_->EvictUnlisted(*good)) {
    swept_version_ = good->index_version();
  }
}

void FarMirrorSource::WarnOfAge(const RemoteDriveStatus& status) {
  const auto age =
      status.head_age
          ? *status.head_age
          : std::chrono::duration_cast<std::chrono::milliseconds>(clock_.Steady() - begin_);
  const bool old = age >= kHeadAgeWarning;
  if (old && !warned_) {
    Log("gateway")->warn(
        "no peer has confirmed the index's head for {} minutes: what is served may be old",
        std::chrono::duration_cast<std::chrono::minutes>(age).count());
  } else if (!old && warned_) {
    Log("gateway")->info("the index's head is confirmed again");
  }
  warned_ = old;
}

}  // namespace hnx::gateway
