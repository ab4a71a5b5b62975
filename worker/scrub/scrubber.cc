#include "worker/scrub/scrubber.h"

#include <algorithm>
#include <utility>

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "worker/scrub/drive_scrub.h"
#include "worker/sync/messages.h"

namespace hnx::worker {
namespace {

namespace pb = hypercore_nixos::v1;
using std::chrono::milliseconds;

constexpr milliseconds kReportInterval{2'000};
constexpr milliseconds kSaveInterval{10'000};
constexpr milliseconds kIdleCallMax{10'000};
// A drive that could not be gone through (the coordinator is away, a disk fails) has its turn
// again.
constexpr milliseconds kTroublePause{10'000};
constexpr std::size_t kReportedDrivesMax = 256;
constexpr std::size_t kReportedLossesMax = 100;
constexpr int kNice = 10;

// Others come first, at the processor and at the disk.
void StepBack() {
  (void)::setpriority(PRIO_PROCESS, 0, kNice);  // of this thread
  constexpr int kOfProcess = 1;                 // IOPRIO_WHO_PROCESS
  constexpr int kIdleClass = 3 << 13;           // IOPRIO_CLASS_IDLE
  (void)::syscall(SYS_ioprio_set, kOfProcess, 0, kIdleClass);
}

pb::ScrubbedKind KindOf(const ScrubbedDrive& drive) {
  switch (drive.kind) {
    case ScrubbedDrive::Kind::kShard:
      return pb::SCRUBBED_KIND_SHARD;
    case ScrubbedDrive::Kind::kCopy:
      return pb::SCRUBBED_KIND_COPY;
    default:
      return pb::SCRUBBED_KIND_INDEX;
  }
}

// What is allocated below the folder, about.
std::uint64_t BytesBelow(const std::filesystem::path& folder) {
  std::uint64_t bytes = 0;
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    std::error_code ignored;
    if (at->is_regular_file(ignored)) {
      const std::uint64_t size = at->file_size(ignored);
      bytes += ignored ? 0 : size;
    }
  }
  return bytes;
}

}  // namespace

Scrubber::Scrubber(ScrubberOptions options, ScrubParts parts,
                   std::function<std::vector<ScrubbedDrive>()> drives, const Clock& clock)
    : LoopService("hnx-scrub"),
      options_(std::move(options)),
      parts_(std::move(parts)),
      drives_(std::move(drives)),
      clock_(clock),
      state_(options_.state_file) {}

Scrubber::~Scrubber() {
  Cancel();
  Stop();
}

std::int64_t Scrubber::NowMs() const {
  return clock_.Wall().time_since_epoch().count();
}

double Scrubber::OldestSeconds() const {
  MutexLock lock(mutex_);
  return oldest_ms_ == 0 ? 0 : static_cast<double>(NowMs() - oldest_ms_) / 1000;
}

void Scrubber::NoteDrives(const std::vector<ScrubbedDrive>& drives) {
  std::map<std::string, DriveScrubState> there;
  std::int64_t oldest = 0;
  for (const ScrubbedDrive& drive : drives) {
    DriveScrubState& state = there[drive.key.id()];
    const auto known = state_.drives().find(drive.key.id());
    if (known != state_.drives().end()) {
      state = known->second;
    } else {
      state.seen_ms = NowMs();
    }
    const std::int64_t since = std::max(state.seen_ms, state.whole_ms);
    oldest = oldest == 0 ? since : std::min(oldest, since);
  }
  const bool changed = there.size() != state_.drives().size() ||
                       !std::equal(there.begin(), there.end(), state_.drives().begin(),
                                   [](const auto& a, const auto& b) { return a.first == b.first; });
  state_.drives() = std::move(there);
  if (changed) {
    Save();
  }
  MutexLock lock(mutex_);
  oldest_ms_ = oldest;
}

// Listed until it has heard of a whole round that answers it; 0: nobody asks.
std::uint64_t Scrubber::AskOf(const ScrubbedDrive& drive) const {
  const std::string key = ToString(drive.key.bytes());
  const auto asked = asked_.find(key);
  const bool answered = std::any_of(unreported_.begin(), unreported_.end(),
                                    [&](const pb::DriveScrub& one) { return one.key() == key; });
  return asked == asked_.end() || answered ? 0 : asked->second;
}

std::optional<Scrubber::Next> Scrubber::Choose(const std::vector<ScrubbedDrive>& drives) const {
  std::optional<Next> chosen;
  int best = 0;
  std::int64_t best_since = 0;
  for (const ScrubbedDrive& drive : drives) {
    const auto pause = not_before_.find(drive.key.id());
    if (pause != not_before_.end() && clock_.Steady() < pause->second) {
      continue;
    }
    const DriveScrubState& state = state_.drives().at(drive.key.id());
    const std::uint64_t ask = AskOf(drive);
    const std::int64_t since = std::max(state.seen_ms, state.whole_ms);
    const bool old = options_.interval.count() > 0 && NowMs() - since >= options_.interval.count();
    // What is asked for first, then what was begun, then what is old, the oldest first.
    const int rank = ask > 0 ? 3 : state.round ? 2 : old ? 1 : 0;
    if (rank > best || (rank == best && rank > 0 && since < best_since)) {
      best = rank;
      best_since = since;
      chosen = Next{drive, ask};
    }
  }
  return chosen;
}

milliseconds Scrubber::RunOnce() {
  if (!std::exchange(loaded_, true)) {
    StepBack();
    state_.Load();
  }
  const std::vector<ScrubbedDrive> drives = drives_();
  NoteDrives(drives);
  Report(nullptr, nullptr, false);
  const std::optional<Next> next = Choose(drives);
  if (!next || stopping() || parts_.pace.cancelled()) {
    return std::clamp(next_call_, kReportInterval, kIdleCallMax);
  }
  Scrub(*next);
  return milliseconds(0);
}

void Scrubber::Scrub(const Next& next) {
  const std::string id = next.drive.key.id();
  DriveScrubState& state = state_.drives().at(id);
  // A round that was begun before somebody asked does not answer: what it has checked may have been
  // damaged since.
  if (state.round && next.ask > 0 && state.round->ask != next.ask) {
    state.round.reset();
  }
  if (!state.round) {
    state.round.emplace();
    state.round->ask = next.ask;
    Log("scrub")->info("scrubs drive {}", id);
  }
  ScrubRound& round = *state.round;
  losses_.clear();
  DriveScrub* running = nullptr;
  DriveScrub scrub(parts_, next.drive, round, [&]() -> Result<void> {
    for (GivenUp& loss : running->TakeGivenUp()) {
      losses_.push_back(std::move(loss));
    }
    return OnProgress(next.drive, round);
  });
  running = &scrub;
  const Result<void> done = scrub.Run();
  for (GivenUp& loss : scrub.TakeGivenUp()) {
    losses_.push_back(std::move(loss));
  }
  if (done.has_value()) {
    Finish(next.drive, round);
    return;
  }
  Save();
  if (done.error().code == ErrorCode::kCancelled) {
    return;
  }
  if (!std::exchange(told_trouble_, true)) {
    Log("scrub")->warn("drive {}: {}; its scrub goes on later", id, done.error().message);
  }
  not_before_[id] = clock_.Steady() + kTroublePause;
}

Result<void> Scrubber::OnProgress(const ScrubbedDrive& drive, ScrubRound& round) {
  if (stopping()) {
    return Error{ErrorCode::kCancelled, "the worker stops"};
  }
  const auto now = clock_.Steady();
  if (now - saved_ >= kSaveInterval) {
    Save();
  }
  if (now - reported_ >= kReportInterval) {
    Report(&drive, &round, false);
  }
  return {};
}

void Scrubber::Finish(const ScrubbedDrive& drive, const ScrubRound& round) {
  const std::string id = drive.key.id();
  const ScrubCounts& counts = round.counts;
  Log("scrub")->info(
      "drive {} is scrubbed: {} blocks, {} NARs, {} damaged, {} repaired, {} given up", id,
      counts.blocks, counts.nars, counts.damaged, counts.repaired, counts.given_up);
  told_trouble_ = false;
  not_before_.erase(id);
  while (losses_.size() > kReportedLossesMax && Report(&drive, &round, false)) {
  }
  Report(&drive, &round, true);
  DriveScrubState& state = state_.drives().at(id);
  state.whole_ms = NowMs();
  state.round.reset();
  Save();
}

void Scrubber::Save() {
  saved_ = clock_.Steady();
  if (const auto saved = state_.Save(); !saved.has_value()) {
    Log("scrub")->warn("{}; after a restart rounds begin anew", saved.error().message);
  }
}

void Scrubber::AddTo(pb::ScrubReport& report, const ScrubbedDrive& drive, const ScrubRound& round,
                     bool whole) const {
  pb::DriveScrub& message = *report.add_drives();
  message.set_key(ToString(drive.key.bytes()));
  message.set_kind(KindOf(drive));
  message.set_ask(round.ask);
  message.set_whole(whole);
  message.set_blocks(round.counts.blocks);
  message.set_nars(round.counts.nars);
  message.set_bytes(round.counts.bytes);
  // Blocks once, and the NARs that they are.
  const std::uint64_t twice = drive.kind == ScrubbedDrive::Kind::kIndex ? 1 : 2;
  message.set_bytes_total(whole ? round.counts.bytes : twice * BytesBelow(drive.folder));
  message.set_damaged(round.counts.damaged);
  message.set_repaired(round.counts.repaired);
  message.set_given_up(round.counts.given_up);
  for (std::size_t i = 0; i < std::min(losses_.size(), kReportedLossesMax); ++i) {
    pb::ScrubLoss& loss = *message.add_given_up_files();
    loss.set_file(losses_[i].file);
    loss.set_message(CleanText(losses_[i].message));
  }
}

bool Scrubber::Report(const ScrubbedDrive* drive, const ScrubRound* round, bool whole) {
  reported_ = clock_.Steady();
  pb::ScrubReport report;
  report.set_worker_id(parts_.worker_id);
  report.set_incarnation(options_.incarnation);
  if (drive != nullptr) {
    AddTo(report, *drive, *round, whole);
  }
  std::vector<pb::DriveScrub> left;
  for (const pb::DriveScrub& one : unreported_) {
    const bool again = drive != nullptr && one.key() == report.drives(0).key();
    if (again || report.drives_size() >= static_cast<int>(kReportedDrivesMax)) {
      left.push_back(one);
    } else {
      *report.add_drives() = one;
    }
  }
  const auto orders = parts_.coordinator.ReportScrub(report);
  if (!orders.has_value()) {
    if (whole) {
      std::erase_if(unreported_,
                    [&](const pb::DriveScrub& one) { return one.key() == report.drives(0).key(); });
      unreported_.push_back(report.drives(0));
      losses_.clear();
    }
    next_call_ = kReportInterval;
    return false;
  }
  unreported_ = std::move(left);
  if (drive != nullptr) {
    const auto told = std::min(losses_.size(), kReportedLossesMax);
    losses_.erase(losses_.begin(), losses_.begin() + static_cast<std::ptrdiff_t>(told));
  }
  asked_.clear();
  for (const pb::ScrubOrder& order : orders->now()) {
    asked_[order.key()] = order.ask();
  }
  next_call_ = milliseconds(orders->next_call_ms());
  return true;
}

}  // namespace hnx::worker
