#include "store_rig.h"

#include <algorithm>
#include <chrono>
#include <numeric>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/check.h"
#include "nix/hash.h"

namespace hnx::test {

using namespace coordinator;  // NOLINT(google-build-using-namespace): the tests' subject

namespace {

constexpr std::uint64_t kRoom = std::uint64_t{1} << 40;

Bytes Digest(std::string_view text) {
  const nix::Sha256Digest digest = nix::Sha256::Of(AsBytes(text));
  return Bytes(digest.begin(), digest.end());
}

coordinator::Sha256 HashOfNar(int nar) {
  coordinator::Sha256 hash{};
  const Bytes digest = Digest(fmt::format("nar {}", nar));
  std::copy(digest.begin(), digest.end(), hash.begin());
  return hash;
}

int NarOf(const FakeUpstream& upstream, int path) {
  const int shared = upstream[static_cast<std::size_t>(path)].nar;
  return shared < 0 ? path : shared;
}

std::string ContentOf(const FakeUpstream& upstream, int path) {
  std::string text = fmt::format("narinfo {} nar {} refs", path, NarOf(upstream, path));
  for (const int reference : upstream[static_cast<std::size_t>(path)].references) {
    text += fmt::format(" {}", reference);
  }
  return text;
}

int PathOfHash(const std::string& hash) {
  return std::stoi(hash.substr(24));
}

// The head after one more thing was appended; a function of all that was.
DriveHead Grow(const DriveHead& head, std::string_view what, std::uint64_t bytes) {
  DriveHead next = head;
  next.db_length += 1;
  next.content_length += 1;
  next.content_byte_length += bytes;
  next.db_tree_hash = Digest(std::string(AsText(head.db_tree_hash)) + std::string(what));
  next.content_tree_hash = next.db_tree_hash;
  return next;
}

template <class T>
T Must(Result<T> result) {
  if (!result.has_value()) {
    ADD_FAILURE() << result.error().ToString();
    std::abort();
  }
  if constexpr (!std::is_void_v<T>) {
    return *std::move(result);
  }
}

}  // namespace

std::string HashOf(int path) {
  return fmt::format("{:0>24}{:08}", "", path);
}

std::string FileOf(int nar) {
  return fmt::format("{:0>52}.nar.xz", nar);
}

StoreRig::StoreRig(std::string database_uri) : uri(std::move(database_uri)) {
  description = {
      .upstreams = {"http://upstream"}, .public_keys = {"k-1:abc="}, .cache_info = "x\n"};
  pool = std::make_unique<PgPool>(uri);
  releases = std::make_unique<PgReleaseStore>(*pool);
  control = std::make_unique<PgControlStore>(*pool);
  job_limits.job_nars_max = 4;
  FailurePolicyOptions policy;
  policy.transient.base = policy.transient.cap = std::chrono::milliseconds(1);
  policy.wrong_bytes_delay = policy.uncounted_delay = std::chrono::milliseconds(0);
  synchronizer = std::make_unique<PgSynchronizer>(*pool, job_limits, policy, 1);
  BecomeLeaderAnew();
}

void StoreRig::BecomeLeaderAnew() {
  if (leader) {
    leader->Resign();
  }
  leader = std::make_unique<PgLeader>(*pool, fmt::format("replica {}", ++replicas));
  // A restored database may have the row of a leader that has yet to run out.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  bool leads = Must(leader->Renew());
  while (!leads && std::chrono::steady_clock::now() < deadline) {
    leads = Must(leader->Renew());
  }
  EXPECT_TRUE(leads);
  walk = std::make_unique<PgWalkStore>(*pool, *leader);
  planner = std::make_unique<PgPlanStore>(*pool, *leader, PlanStoreOptions{.chunk_paths = 7});
  publisher = std::make_unique<PgPublishStore>(
      *pool, *leader, description, PublishLimits{.batch_paths_max = 5, .batch_wait_ms = 0});
  settler = std::make_unique<PgSettleStore>(*pool, *leader, description);
  reaper = std::make_unique<PgLeaseReaper>(*pool, *leader);
  lanes = std::make_unique<PgLaneStore>(*pool, *leader, 7);
  repairer = std::make_unique<PgLossRepairer>(*pool, *leader);
  RetireOptions retire;
  retire.run_interval = std::chrono::milliseconds(0);
  retire.batch_paths_max = 3;
  retire.batches_ahead_max = 2;
  retire.chunk_paths = 2;
  retirer = std::make_unique<PgRetireStore>(*pool, *leader, description, retire);
}

ReleaseId StoreRig::Submit(const FakeUpstream& upstream, const std::string& name, bool plan_only,
                           int priority) {
  std::vector<int> all(upstream.size());
  std::iota(all.begin(), all.end(), 0);
  return SubmitRoots(upstream, all, name, "r1", plan_only, priority);
}

ReleaseId StoreRig::SubmitRoots(const FakeUpstream& upstream, const std::vector<int>& paths,
                                const std::string& name, const std::string& release_name,
                                bool plan_only, int priority) {
  const NewRelease submission{.channel = name,
                              .upstream_url = "http://upstream",
                              .match = {},
                              .exclude = {},
                              .plan_only = plan_only,
                              .force = true,
                              .max_missing = 1,
                              .priority = priority,
                              .is_list = true};
  const ReleaseId release = Must(releases->Submit(submission)).release;
  std::vector<PathName> roots;
  for (const int path : paths) {
    roots.push_back({HashOf(path), upstream[static_cast<std::size_t>(path)].name});
  }
  Must(releases->AddListRoots(release, roots));
  const Submitted named = Must(releases->NameList(release, release_name, submission));
  if (!named.existed) {
    Walk(release, upstream);
  }
  return named.release;
}

void StoreRig::Walk(ReleaseId release, const FakeUpstream& upstream) {
  for (;;) {
    while (Must(walk->ExpandKnown(release, 3)) > 0) {
    }
    const Frontier frontier = Must(walk->NextFrontier(release, 0, 10, {}));
    if (frontier.paths.empty()) {
      break;
    }
    std::vector<VerifiedNarInfo> infos;
    std::vector<PathFailure> failures;
    for (const FrontierPath& path : frontier.paths) {
      const int number = PathOfHash(path.hash);
      const FakePath& fake = upstream[static_cast<std::size_t>(number)];
      if (fake.missing) {
        failures.push_back({.path = path.path,
                            .verdict = PathFailure::Verdict::kMissing,
                            .reason = "http-404",
                            .message = "gone"});
        continue;
      }
      const int nar = NarOf(upstream, number);
      VerifiedNarInfo info{.path = path.path,
                           .name = fake.name,
                           .content = ContentOf(upstream, number),
                           .url = "nar/" + FileOf(nar),
                           .file = FileOf(nar),
                           .compression = "xz",
                           .nar_hash = HashOfNar(nar),
                           .nar_size = 1000,
                           .file_hash = std::nullopt,
                           .file_size = 100,
                           .references = {}};
      for (const int reference : fake.references) {
        info.references.push_back(
            {HashOf(reference), upstream[static_cast<std::size_t>(reference)].name});
      }
      infos.push_back(std::move(info));
    }
    Must(walk->SaveWalkResults(release, infos, failures));
  }
  Must(walk->FinishWalk(release));
}

void StoreRig::Plan() {
  while (Must(planner->PlanStep()) || Must(lanes->RelaneStep())) {
  }
}

void StoreRig::Retire() {
  // A run that ends may begin the next one at once: a bound, and not an end.
  constexpr int kStepsMax = 200;
  for (int step = 0; step < kStepsMax && Must(retirer->Step()); ++step) {
  }
}

void StoreRig::Background() {
  bool more = true;
  while (more) {
    more = Must(planner->PlanStep());
    more = Must(planner->BlockStep()) || more;
    more = Must(lanes->RelaneStep()) || more;
    more = Must(repairer->RepairStep()) || more;
    more = Must(publisher->PlanBatch()) > 0 || more;
    Must(settler->MarkSettled());
    more = Must(settler->SettleOne()) || more;
  }
  Must(reaper->FoldCounters());
}

ReleaseView StoreRig::View(ReleaseId release) {
  return Must(releases->Get(release));
}

std::string StoreRig::StateOf(int path) {
  return Must(releases->Why(HashOf(path))).state;
}

// --- FakeWorker

FakeWorker::FakeWorker(StoreRig& rig, int number, const FakeUpstream& upstream)
    : nonce(static_cast<std::uint64_t>(number) * 1000 + 1),
      key(Digest(fmt::format("shard of {}", number))),
      rig_(rig),
      number_(number),
      upstream_(upstream) {}

WorkerReport FakeWorker::Report() {
  WorkerReport report{.worker_id = fmt::format("{:032x}", number_),
                      .worker_name = fmt::format("worker {}", number_),
                      .incarnation = incarnation,
                      .nonce = nonce,
                      .sequence = ++sequence,
                      .mirrors = true,
                      .disk_free_bytes = kRoom,
                      .capacity_bytes = jobs_.size() < 3 ? 1000u : 0u,
                      .jobs = {},
                      .drives = {},
                      .version = "1",
                      .lists_all_drives = true,
                      .unread_drives = {},
                      .failure_domain = failure_domain,
                      .peer_address = peer_address,
                      .copies = copies};
  for (const auto& [id, held] : jobs_) {
    report.jobs.push_back({.job_id = id, .attempt = held.job.attempt, .failures = held.failures});
  }
  if (!shows_shard) {
    return report;
  }
  DriveReport drive{
      .key = key, .content_key = Digest(AsText(key)), .head = head, .base = base, .entries = {}};
  for (const auto& [entry, after] : log_) {
    if (base && after.db_length > base->db_length) {
      drive.entries.push_back(entry);
    }
  }
  drive.cleared = to_report_cleared_;
  report.drives.push_back(std::move(drive));
  return report;
}

Result<DesiredState> FakeWorker::Call(bool lose_answer) {
  auto desired = rig_.synchronizer->Synchronize(Report());
  if (desired.has_value() && !lose_answer) {
    Obey(*desired);
  }
  return desired;
}

void FakeWorker::Obey(const DesiredState& desired) {
  has_answer = true;
  std::map<std::int64_t, HeldJob> jobs;
  for (const DesiredJob& job : desired.jobs) {
    auto found = jobs_.find(job.job_id);
    jobs[job.job_id] =
        found == jobs_.end() ? HeldJob{.job = job, .failures = {}, .done = {}} : found->second;
  }
  jobs_ = std::move(jobs);
  ASSERT_EQ(desired.drives.size(), shows_shard ? 1U : 0U);
  if (desired.drives.empty()) {
    return;
  }
  base = desired.drives[0].recorded;
  sealed = desired.drives[0].sealed;
  ASSERT_FALSE(desired.drives[0].cut_tail);
  for (const std::string& file : desired.drives[0].drop_files) {
    ShardEntry gone;
    gone.file = file;
    gone.deleted = true;
    head = Grow(head, "-" + file, 0);
    log_.emplace_back(gone, head);
    files_.erase(file);
  }
  ObeyRetirement(desired.drives[0]);
}

void FakeWorker::ObeyRetirement(const DesiredDrive& drive) {
  for (const std::string& file : drive.delete_files) {
    const auto unrecorded = std::find_if(log_.begin(), log_.end(), [&](const auto& item) {
      return item.first.file == file && !item.first.deleted &&
             item.second.db_length > base->db_length;
    });
    if (unrecorded != log_.end()) {
      continue;  // it was put again since
    }
    ShardEntry gone;
    gone.file = file;
    gone.deleted = true;
    head = Grow(head, "-" + file, 0);
    log_.emplace_back(gone, head);
    files_.erase(file);
  }
  to_report_cleared_.clear();
  for (const BlobPlace& blob : drive.clear_blobs) {
    for (const auto& [file, entry] : files_) {
      ASSERT_NE(entry.blob.block_offset, blob.block_offset) << file << " has an entry still";
    }
    cleared_.insert(blob.block_offset);
    to_report_cleared_.push_back(blob.block_offset);
  }
}

int FakeWorker::appended(const std::string& file) const {
  return static_cast<int>(std::count_if(log_.begin(), log_.end(), [&](const auto& item) {
    return item.first.file == file && !item.first.deleted;
  }));
}

void FakeWorker::Work(int nars) {
  if (!has_answer || sealed) {
    return;
  }
  for (auto& [id, held] : jobs_) {
    for (const NarUnit& nar : held.job.nars) {
      if (nars == 0) {
        return;
      }
      if (!held.done.insert(nar.nar_id).second) {
        continue;
      }
      --nars;
      const int number = std::stoi(nar.file.substr(0, 52));
      const FakePath& fake = upstream_[static_cast<std::size_t>(number)];
      static std::map<std::pair<std::string, int>, int> attempts;
      if (attempts[{rig_.uri, number}]++ < fake.nar_failures) {
        held.failures.push_back({.nar_id = nar.nar_id,
                                 .reason = "made-up",
                                 .message = "the test says so",
                                 .code = fake.nar_failure});
      } else {
        Append(nar);
      }
    }
  }
}

std::set<int> FakeWorker::Waiting() const {
  std::set<int> waiting;
  for (const auto& [id, held] : jobs_) {
    for (const NarUnit& nar : held.job.nars) {
      if (!held.done.contains(nar.nar_id)) {
        waiting.insert(std::stoi(nar.file.substr(0, 52)));
      }
    }
  }
  return waiting;
}

void FakeWorker::Append(const NarUnit& nar) {
  const ShardEntry entry{.file = nar.file,
                         .blob = {.byte_offset = head.content_byte_length,
                                  .block_offset = head.content_length,
                                  .block_length = 1,
                                  .byte_length = 100},
                         .nar_hash = nar.nar_hash,
                         .nar_size = nar.nar_size};
  head = Grow(head, nar.file, 100);
  log_.emplace_back(entry, head);
  files_[nar.file] = entry;
}

void FakeWorker::Restart() {
  ++incarnation;
  nonce += 17;
  sequence = 0;
  base.reset();
  jobs_.clear();
  has_answer = false;
}

void FakeWorker::LoseDisk() {
  Restart();
  key = Digest(fmt::format("shard of {} after {}", number_, incarnation));
  head = {};
  base = DriveHead{};  // this process makes it
  sealed = false;
  files_.clear();
  log_.clear();
}

// --- FakeIndex

FakeIndex::FakeIndex(StoreRig& rig, const FakeUpstream& upstream)
    : key(Digest("index")),
      worker_id(fmt::format("{:032x}", 0xfff)),
      rig_(&rig),
      upstream_(upstream) {}

WorkerReport FakeIndex::Report() {
  IndexStanding now = standing;
  now.known_db_length = std::max(now.known_db_length, announced_.db_length);
  now.known_content_length = std::max(now.known_content_length, announced_.content_length);
  if (base_ && base_->ShorterThan(announced_)) {
    now.published = published;
  }
  return {.worker_id = worker_id,
          .worker_name = "index",
          .incarnation = incarnation_,
          .nonce = 5,
          .sequence = ++sequence_,
          .indexes = true,
          .jobs = {},
          .drives = {{.key = key,
                      .content_key = Digest("index content"),
                      .head = head,
                      .base = base_,
                      .entries = {},
                      .is_index = true,
                      .publish_batch = batch,
                      .publish_plan = batch == 0 ? 0 : plan_,
                      .index = std::move(now)}},
          .draining = draining,
          .version = "1"};
}

void FakeIndex::Step(bool lose_answer) {
  const DesiredState desired = Must(rig_->synchronizer->Synchronize(Report()));
  if (lose_answer) {
    return;
  }
  ASSERT_EQ(desired.drives.size(), 1U) << "the index is refused";
  const DriveHead& recorded = desired.drives[0].recorded;
  if (moved_ && recorded.ShorterThan(announced_)) {
    ASSERT_FALSE(desired.publish || desired.drives[0].cut_tail)
        << "peers have seen length " << announced_.db_length;
    base_ = recorded;
    return;
  }
  ASSERT_FALSE(recorded.ShorterThan(announced_) && !volume_was_lost_)
      << "peers have seen length " << announced_.db_length << " of the index, it was to go back to "
      << recorded.db_length;
  announced_ = recorded;
  base_ = recorded;
  if (desired.drives[0].cut_tail) {
    CutTo(recorded);
  }
  if (desired.publish) {
    CutTo(desired.publish->base);
    Apply(desired.publish->batch);
    plan_ = desired.publish->plan;
  }
}

void FakeIndex::Restart() {
  ++incarnation_;
  sequence_ = 0;
  base_.reset();
  batch = 0;
}

void FakeIndex::RestoreVolume(std::size_t batches) {
  volume_was_lost_ = true;
  CutTo(versions_.at(batches).head);
  Restart();
}

void FakeIndex::MoveTo(StoreRig& rig) {
  rig_ = &rig;
  moved_ = true;
  Restart();
}

void FakeIndex::CutTo(const DriveHead& base) {
  while (versions_.size() > 1 && !versions_.back().head.SameAs(base)) {
    versions_.pop_back();
    batch = 0;
  }
  ASSERT_TRUE(versions_.back().head.SameAs(base)) << "the drive never had this head";
  head = versions_.back().head;
  files_ = versions_.back().files;
  links_ = versions_.back().links;
}

void FakeIndex::Apply(std::uint64_t number) {
  if (!moved_) {
    ASSERT_EQ(number, versions_.size()) << "batches are numbered without a hole";
  }
  std::string everything;
  std::string open;
  Must(rig_->publisher->ReadBatch(
      static_cast<std::int64_t>(number), [&](PublishStep step) -> Result<void> {
        const std::string data(AsText(step.data));
        everything += step.path + step.linkname + step.metadata + data + "\n";
        switch (step.kind) {
          case PublishStep::Kind::kPut:
            open = step.path;
            files_[open] = data;
            break;
          case PublishStep::Kind::kMore:
            files_[open] += data;
            break;
          case PublishStep::Kind::kLink:
            EXPECT_FALSE(links_.contains(step.path) && links_[step.path] == step.linkname &&
                         !moved_)
                << step.path << " is linked twice";
            links_[step.path] = step.linkname;
            break;
          case PublishStep::Kind::kRemove:
            files_.erase(step.path);
            links_.erase(step.path);
            break;
        }
        return {};
      }));
  head = Grow(head, everything, everything.size());
  batch = number;
  versions_.push_back({head, files_, links_});
  CheckClosure();
}

bool FakeIndex::Publishes(int path) const {
  return files_.contains("/" + HashOf(path) + ".narinfo");
}

void FakeIndex::CheckClosure() const {
  for (std::size_t path = 0; path < upstream_.size(); ++path) {
    const int number = static_cast<int>(path);
    if (!Publishes(number)) {
      continue;
    }
    EXPECT_EQ(files_.at("/" + HashOf(number) + ".narinfo"), ContentOf(upstream_, number));
    EXPECT_TRUE(links_.contains("/nar/" + FileOf(NarOf(upstream_, number))))
        << "narinfo " << path << " without its NAR after batch " << batch;
    for (const int reference : upstream_[path].references) {
      EXPECT_TRUE(Publishes(reference)) << "after batch " << batch << ", " << path
                                        << " is published without its reference " << reference;
    }
  }
}

std::string FakeIndex::File(const std::string& path) const {
  const auto found = files_.find(path);
  return found == files_.end() ? std::string() : found->second;
}

std::vector<std::string> ExpectedStates(const FakeUpstream& upstream) {
  std::vector<std::string> states(upstream.size(), "published");
  for (std::size_t path = 0; path < upstream.size(); ++path) {
    const FakePath& nar =
        upstream[static_cast<std::size_t>(NarOf(upstream, static_cast<int>(path)))];
    if (upstream[path].missing) {
      states[path] = "missing";
    } else if (nar.nar_failures >= 1 && nar.nar_failure == ErrorCode::kNotFound) {
      states[path] = "missing";
    } else if (nar.nar_failures >= 2 && nar.nar_failure == ErrorCode::kDataLoss) {
      states[path] = "set_aside";
    }
  }
  const std::vector<std::string> own = states;
  // Blocked: some other path below has failed and is not blocked itself. The causes are those whose
  // own closure has no other failure.
  const auto below = [&](std::size_t root) {
    std::set<int> seen;
    std::vector<int> todo(upstream[root].references);
    while (!todo.empty()) {
      const int path = todo.back();
      todo.pop_back();
      if (!seen.insert(path).second || upstream[static_cast<std::size_t>(path)].missing) {
        continue;
      }
      const auto& references = upstream[static_cast<std::size_t>(path)].references;
      todo.insert(todo.end(), references.begin(), references.end());
    }
    seen.erase(static_cast<int>(root));
    return seen;
  };
  for (std::size_t path = 0; path < upstream.size(); ++path) {
    if (upstream[path].missing) {
      continue;
    }
    for (const int other : below(path)) {
      if (own[static_cast<std::size_t>(other)] != "published") {
        states[path] = "blocked";
      }
    }
  }
  return states;
}

}  // namespace hnx::test
