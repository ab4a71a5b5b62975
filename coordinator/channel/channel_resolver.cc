#include "coordinator/channel/channel_resolver.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/crash_point.h"
#include "base/log.h"
#include "coordinator/channel/release_name.h"
#include "coordinator/channel/root_list_reader.h"
#include "nix/decompressor.h"

namespace hnx::coordinator {
namespace {

// A list of a million paths has 70 MB; beyond this it is a bomb.
constexpr std::uint64_t kStorePathsBytesMax = std::uint64_t{4} << 30U;

// Trouble of the network or the database: says nothing about the release.
bool IsPassing(ErrorCode code) {
  return code == ErrorCode::kUnavailable || code == ErrorCode::kDeadlineExceeded;
}

}  // namespace

ChannelResolver::ChannelResolver(http::HttpClient& client, WalkStore& store,
                                 ChannelResolverOptions options)
    : LoopService("channel"),
      store_(store),
      options_(std::move(options)),
      fetcher_(client, store, options_.fetch, [this] { return stopping(); }),
      random_(std::random_device{}()) {}

ChannelResolver::~ChannelResolver() {
  Stop();
}

std::chrono::milliseconds ChannelResolver::RunOnce() {
  const auto release = store_.NextReleaseToResolve();
  if (!release) {
    Log("channel")->warn("find a release to resolve: {}", release.error().message);
    return options_.idle_interval;
  }
  if (!*release) {
    return options_.idle_interval;
  }
  const Result<void> done = Resolve(**release);
  if (!done) {
    return Settle(**release, done.error());
  }
  attempts_.erase((*release)->id);
  return std::chrono::milliseconds(0);
}

std::chrono::milliseconds ChannelResolver::Settle(const WalkRelease& release, const Error& error) {
  if (error.code == ErrorCode::kCancelled || error.code == ErrorCode::kAborted) {
    return options_.idle_interval;
  }
  if (attempts_.size() >= kTrackedReleasesMax) {
    attempts_.clear();
  }
  Attempts& attempts = attempts_[release.id];
  const int attempt = IsPassing(error.code) ? ++attempts.passing : ++attempts.wrong;
  const bool give_up = attempts.wrong >= kAttemptsMax;
  Log("channel")->warn("release {} of {}, attempt {}: {}", release.id, release.channel, attempt,
                       error.ToString());
  const Result<void> settled =
      give_up ? store_.RefuseRelease(release.id, error.message)
              : store_.DeferRelease(release.id, "trying again: " + error.message,
                                    options_.retry.Delay(attempt, random_));
  if (!settled) {
    Log("channel")->warn("release {}: {}", release.id, settled.error().message);
    return options_.idle_interval;
  }
  if (give_up) {
    attempts_.erase(release.id);
  }
  return std::chrono::milliseconds(0);
}

Result<void> ChannelResolver::Resolve(WalkRelease release) {
  if (!IsSafeName(release.channel)) {
    return store_.RefuseRelease(release.id,
                                fmt::format("'{}' is no channel's name", release.channel));
  }
  HNX_TRY(RootFilter::Create(release.match, release.exclude));
  ReleaseLocation location{release.source_url, release.name};
  if (release.source_url.empty()) {
    HNX_ASSIGN_OR_RETURN(location, fetcher_.Locate(release.channel));
  }
  HNX_ASSIGN_OR_RETURN(const std::vector<WantedFile> files, fetcher_.ListFiles(location.url));
  HNX_TRY(fetcher_.CheckBinaryCache(location.url, files, release.upstream_url));
  HNX_ASSIGN_OR_RETURN(const PreviousRelease previous, store_.FindPreviousRelease(release.id));
  const bool older = !previous.name.empty() && CompareReleaseNames(location.name, previous.name) ==
                                                   std::strong_ordering::less;
  if (older && !release.force) {
    return store_.RefuseRelease(
        release.id, fmt::format("the channel points to {}, which is older than {}, mirrored "
                                "before; submit with --force to mirror it all the same",
                                location.name, previous.name));
  }
  if (release.source_url.empty()) {
    HNX_TRY(Pin(release, location, files));
  }
  HNX_TRY(FetchFiles(release, files));
  const Result<void> roots = ReadRoots(release);
  if (!roots && !IsPassing(roots.error().code) && roots.error().code != ErrorCode::kAborted &&
      roots.error().code != ErrorCode::kCancelled) {
    // The file is what its page says, so reading it again gives the same.
    return store_.RefuseRelease(release.id, roots.error().message);
  }
  HNX_TRY(roots);
  HNX_TRY(GuardAgainstDecline(release, previous));
  return {};
}

Result<void> ChannelResolver::Pin(WalkRelease& release, const ReleaseLocation& location,
                                  const std::vector<WantedFile>& files) {
  HNX_ASSIGN_OR_RETURN(release.revision, fetcher_.ReadRevision(location.url, files));
  release.name = location.name;
  release.source_url = location.url;
  HNX_TRY(store_.PinRelease(release.id, {release.name, release.source_url, release.revision}));
  CrashPoint("channel.after_pin");
  Log("channel")->info("{} is {} at {}", release.channel, release.name, release.revision);
  return {};
}

Result<void> ChannelResolver::FetchFiles(const WalkRelease& release,
                                         const std::vector<WantedFile>& files) {
  HNX_ASSIGN_OR_RETURN(const auto stored, store_.ListReleaseFiles(release.id));
  for (const WantedFile& wanted : files) {
    const bool have = std::any_of(stored.begin(), stored.end(), [&](const ReleaseFileRow& row) {
      return row.name == wanted.file.name && row.artifact.has_value();
    });
    if (have) {
      continue;
    }
    auto row = fetcher_.Fetch(release.source_url, wanted);
    const bool leave_out = !row && !wanted.essential && !IsPassing(row.error().code) &&
                           row.error().code != ErrorCode::kCancelled &&
                           row.error().code != ErrorCode::kAborted;
    if (leave_out) {
      Log("channel")->warn("release {} goes without {}: {}", release.name, wanted.file.name,
                           row.error().ToString());
      continue;
    }
    HNX_TRY(row);
    HNX_TRY(store_.AddReleaseFile(release.id, *row));
    CrashPoint("channel.after_file");
  }
  return {};
}

Result<void> ChannelResolver::ReadRoots(const WalkRelease& release) {
  HNX_ASSIGN_OR_RETURN(const auto files, store_.ListReleaseFiles(release.id));
  const auto list = std::find_if(files.begin(), files.end(), [](const ReleaseFileRow& row) {
    return row.name == "store-paths.xz";
  });
  if (list == files.end() || !list->artifact) {
    return NotFound(fmt::format("release {} has no store-paths.xz", release.name));
  }
  HNX_ASSIGN_OR_RETURN(const RootFilter filter, RootFilter::Create(release.match, release.exclude));
  HNX_ASSIGN_OR_RETURN(const auto decompressor, nix::Decompressor::Create(nix::Compression::kXz));
  RootListReader reader(store_, release.id, filter);
  std::uint64_t bytes = 0;
  const nix::Sink into_reader = [&](ByteView piece) -> Result<void> {
    bytes += piece.size();
    if (bytes > kStorePathsBytesMax) {
      return InvalidArgument(fmt::format("more than {} bytes", kStorePathsBytesMax));
    }
    return reader.Feed(piece);
  };
  const auto feed = [&](ByteView chunk) -> Result<void> {
    if (stopping()) {
      return Error{ErrorCode::kCancelled, "the coordinator is stopping"};
    }
    return decompressor->Feed(chunk, into_reader);
  };
  const auto read = [&]() -> Result<RootListSummary> {
    HNX_TRY(store_.ReadArtifact(*list->artifact, feed));
    auto finished = decompressor->Finish(into_reader);
    if (!finished) {
      // Cut upstream: the page has the hash of the cut file.
      return InvalidArgument(finished.error().message);
    }
    return reader.Finish();
  };
  const auto summary = read();
  if (!summary) {
    return summary.error().Annotate("read store-paths.xz of " + release.name);
  }
  if (!summary->final_newline || !summary->sorted) {
    Log("channel")->warn("store-paths.xz of {} is accepted though {}", release.name,
                         summary->sorted ? "its last line has no newline" : "it is not sorted");
  }
  Log("channel")->info("{}: {} of {} listed paths are wanted", release.name, summary->wanted,
                       summary->listed);
  return {};
}

Result<void> ChannelResolver::GuardAgainstDecline(const WalkRelease& release,
                                                  const PreviousRelease& previous) {
  HNX_ASSIGN_OR_RETURN(const std::uint64_t roots, store_.CountRoots(release.id));
  const double floor = static_cast<double>(previous.roots) * (1 - options_.shrink_max);
  if (!release.force && static_cast<double>(roots) < floor) {
    return store_.RefuseRelease(
        release.id, fmt::format("its list has {} wanted paths where the release before had {}: "
                                "held back as probably broken; submit with --force to take it",
                                roots, previous.roots));
  }
  return store_.BeginWalk(release.id);
}

}  // namespace hnx::coordinator
