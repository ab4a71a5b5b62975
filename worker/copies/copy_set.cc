#include "worker/copies/copy_set.h"

#include <algorithm>
#include <optional>
#include <system_error>
#include <utility>

#include <fmt/core.h>

#include "base/clock.h"
#include "base/log.h"

namespace hnx::worker {
namespace {

using std::chrono::milliseconds;
namespace fs = std::filesystem;

// One copy at a time; after so long, and a piece, it is the next one's turn.
constexpr milliseconds kTurnMax{20'000};
// Without a block from anybody for so long the turn ends.
constexpr milliseconds kStallMax{3'000};
constexpr milliseconds kRoundInterval{500};
// Looking through large shards that grow takes a part of the time that is not larger than that.
constexpr int kPauseOfLooks = 4;
// Of the many drives that are open.
constexpr std::size_t kCacheBytesMax = std::size_t{1} << 20;

}  // namespace

CopySet::CopySet(PeerServer& peers, const DiskSpace& disk, fs::path folder,
                 std::function<void()> on_held)
    : LoopService("hnx-copies"),
      peers_(peers),
      disk_(disk),
      folder_(std::move(folder)),
      on_held_(std::move(on_held)) {}

CopySet::~CopySet() {
  Cancel();
  Stop();
}

Result<std::unique_ptr<CopySet>> CopySet::Open(PeerServer& peers, const DiskSpace& disk,
                                               fs::path folder, std::function<void()> on_held) {
  std::unique_ptr<CopySet> set(new CopySet(peers, disk, std::move(folder), std::move(on_held)));
  std::error_code error;
  fs::create_directories(set->folder_, error);
  MutexLock lock(set->mutex_);
  for (fs::directory_iterator at(set->folder_, error), end; !error && at != end;
       at.increment(error)) {
    if (const auto key = hyper::DriveKey::Parse(at->path().filename().string())) {
      set->copies_.try_emplace(*key);
    }
  }
  if (error) {
    return Internal(fmt::format("list {}: {}", set->folder_.string(), error.message()));
  }
  return set;
}

void CopySet::Want(const std::vector<WantedCopy>& wanted) {
  std::vector<std::string> sources;
  bool added = false;
  {
    MutexLock lock(mutex_);
    for (auto& [key, copy] : copies_) {
      copy.version_wanted = 0;
      copy.bytes_wanted = 0;
      copy.content_end = 0;
    }
    for (const WantedCopy& one : wanted) {
      const auto [at, is_new] = copies_.try_emplace(one.key);
      added = added || is_new;
      at->second.version_wanted = one.version;
      at->second.bytes_wanted = one.bytes;
      at->second.content_end = one.content_end;
      at->second.sources = one.peers;
      sources.insert(sources.end(), one.peers.begin(), one.peers.end());
    }
  }
  peers_.SetSources(std::move(sources));
  if (added) {
    Wake();
  }
}

std::vector<HeldCopy> CopySet::Held() const {
  MutexLock lock(mutex_);
  std::vector<HeldCopy> held;
  for (const auto& [key, copy] : copies_) {
    held.push_back({key, copy.held.version, copy.held.content_length, copy.bytes_on_disk});
  }
  return held;
}

std::vector<std::string> CopySet::SourcesOf(const hyper::DriveKey& key) const {
  MutexLock lock(mutex_);
  const auto found = copies_.find(key);
  return found == copies_.end() ? std::vector<std::string>() : found->second.sources;
}

Result<void> CopySet::Evict(const hyper::DriveKey& key, const hyper::BlobId& blob) {
  std::shared_ptr<hyper::RemoteDrive> drive;
  {
    MutexLock lock(mutex_);
    const auto found = copies_.find(key);
    drive = found == copies_.end() ? nullptr : found->second.drive;
  }
  if (drive == nullptr) {
    return FailedPrecondition("the copy is not open");
  }
  HNX_TRY(drive->Evict(blob));
  {
    MutexLock lock(mutex_);
    copies_[key].held = {};
    copies_[key].looked_at_end.reset();
  }
  Wake();
  return {};
}

std::uint64_t CopySet::MissingBytes() const {
  MutexLock lock(mutex_);
  std::uint64_t missing = 0;
  for (const auto& [key, copy] : copies_) {
    if (copy.drive != nullptr && copy.held.version < copy.version_wanted &&
        copy.bytes_on_disk < copy.bytes_wanted) {
      missing += copy.bytes_wanted - copy.bytes_on_disk;
    }
  }
  return missing;
}

std::vector<hyper::DriveKey> CopySet::Keys() const {
  MutexLock lock(mutex_);
  std::vector<hyper::DriveKey> keys;
  for (const auto& [key, copy] : copies_) {
    keys.push_back(key);
  }
  return keys;
}

Result<std::shared_ptr<hyper::RemoteDrive>> CopySet::DriveOf(const hyper::DriveKey& key) {
  {
    MutexLock lock(mutex_);
    if (copies_[key].drive != nullptr) {
      return copies_[key].drive;
    }
  }
  hyper::RemoteDriveOptions options;
  options.folder = folder_ / key.id();
  options.cache_bytes_max = kCacheBytesMax;
  HNX_ASSIGN_OR_RETURN(auto drive, peers_.OpenRemote(key, std::move(options)));
  drive->SetKeep(hyper::RemoteDrive::Keep::kEntries);
  const auto status = drive->Status();
  MutexLock lock(mutex_);
  copies_[key].drive = drive;
  copies_[key].bytes_on_disk = status.has_value() ? status->bytes_on_disk : 0;
  return drive;
}

Result<void> CopySet::CheckRoom(std::uint64_t bytes) const {
  HNX_ASSIGN_OR_RETURN(const std::uint64_t free, disk_.FreeBytes());
  if (free < bytes) {
    return ResourceExhausted(fmt::format(
        "{} bytes are free beyond the reserve: free some, or lower --disk-reserve", free));
  }
  return {};
}

Result<bool> CopySet::BringUp(const hyper::DriveKey& key) {
  HNX_ASSIGN_OR_RETURN(const auto drive, DriveOf(key));
  hyper::LiveVersion held;
  std::uint64_t content_end = 0;
  bool same_end = false;
  {
    MutexLock lock(mutex_);
    const Copy& copy = copies_[key];
    held = copy.held;
    content_end = copy.content_end;
    same_end = copy.looked_at_end == content_end;
  }
  if (drive->version() == 0) {
    return false;
  }
  HNX_ASSIGN_OR_RETURN(const std::uint64_t in_reach, drive->VersionInReach());
  if (held.version > 0 && in_reach <= held.version && held.nothing_else && same_end) {
    return false;
  }
  hyper::ReadLimits limits;
  limits.stall_max = kStallMax;
  limits.cancellation = cancellation_;
  std::optional<Clock::SteadyTime> turn_end;
  const auto admit = [&](std::uint64_t bytes) -> Result<void> {
    if (!turn_end) {
      turn_end = Clock::Real().Steady() + kTurnMax;
    } else if (Clock::Real().Steady() > *turn_end) {
      return Aborted("it is the next one's turn");
    }
    return CheckRoom(bytes);
  };
  const auto now = drive->FetchLive(
      limits, admit, content_end > 0 ? std::optional<std::uint64_t>(content_end) : std::nullopt);
  const auto status = drive->Status();
  MutexLock lock(mutex_);
  Copy& copy = copies_[key];
  copy.bytes_on_disk = status.has_value() ? status->bytes_on_disk : copy.bytes_on_disk;
  if (!now.has_value()) {
    return now.error();
  }
  copy.looked_at_end = content_end;
  if (now->version < held.version) {
    return false;  // the newer entries are out of reach now; what was whole stays so
  }
  copy.held = *now;
  return *now != held;
}

// The same trouble is told once.
void CopySet::Told(const hyper::DriveKey& key, const Result<bool>& outcome) {
  MutexLock lock(mutex_);
  Copy& copy = copies_[key];
  if (outcome.has_value()) {
    copy.last_trouble.clear();
    if (*outcome) {
      Log("copies")->info("the copy of shard {} is whole at version {}", key.id(),
                          copy.held.version);
    }
  } else if (outcome.error().code != ErrorCode::kAborted &&
             copy.last_trouble != outcome.error().message && !stopping()) {
    copy.last_trouble = outcome.error().message;
    Log("copies")->warn("copy of shard {}: {}; it goes on", key.id(), copy.last_trouble);
  }
}

milliseconds CopySet::RunOnce() {
  const auto begin = Clock::Real().Steady();
  const std::vector<hyper::DriveKey> keys = Keys();
  // All are served before the first one is looked through.
  for (const hyper::DriveKey& key : keys) {
    if (const auto drive = DriveOf(key); !drive.has_value()) {
      Told(key, drive.error());
    }
  }
  bool all_whole = true;
  for (const hyper::DriveKey& key : keys) {
    if (stopping()) {
      break;
    }
    const Result<bool> outcome = BringUp(key);
    Told(key, outcome);
    all_whole = all_whole && outcome.has_value();
    if (outcome.has_value() && *outcome) {
      on_held_();
    }
  }
  const auto taken = std::chrono::duration_cast<milliseconds>(Clock::Real().Steady() - begin);
  return all_whole ? std::clamp(taken * kPauseOfLooks, kRoundInterval, kTurnMax) : kRoundInterval;
}

}  // namespace hnx::worker
