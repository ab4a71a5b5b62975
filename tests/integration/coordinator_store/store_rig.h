// StoreRig: the whole coordinator over a real database, without threads: tests say which service
// makes its next step. FakeWorker and FakeIndex are what the protocol expects of workers, in
// memory (fake_worker.cc, fake_index.cc).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "coordinator/store/pg_budget_store.h"
#include "coordinator/store/pg_control_store.h"
#include "coordinator/store/pg_lane_store.h"
#include "coordinator/store/pg_lease_reaper.h"
#include "coordinator/store/pg_loss_repairer.h"
#include "coordinator/store/pg_plan_store.h"
#include "coordinator/store/pg_publish_store.h"
#include "coordinator/store/pg_release_store.h"
#include "coordinator/store/pg_retire_store.h"
#include "coordinator/store/pg_settle_store.h"
#include "coordinator/store/pg_synchronizer.h"
#include "coordinator/store/pg_walk_store.h"
#include "fake_upstream.h"

namespace hnx::test {

struct StoreRig {
  explicit StoreRig(std::string database_uri);

  // Submits all paths as a list and walks them. The release.
  coordinator::ReleaseId Submit(const FakeUpstream& upstream, const std::string& name = "paths",
                                bool plan_only = false, int priority = 0);
  // Only these of its paths, as one release of a list.
  coordinator::ReleaseId SubmitRoots(const FakeUpstream& upstream, const std::vector<int>& paths,
                                     const std::string& name, const std::string& release_name,
                                     bool plan_only = false, int priority = 0);
  // Walks what is in the release's frontier.
  void Walk(coordinator::ReleaseId release, const FakeUpstream& upstream);
  // Plans until there is nothing to plan.
  void Plan();
  // All background services, until none has anything to do.
  void Background();
  // Takes steps of retirement, until there is nothing to do at once.
  void Retire();
  // A new process takes over.
  void BecomeLeaderAnew();
  // Has a coordinator started with this --budget; 0: with none. What it holds is chosen anew.
  void SetBudget(std::uint64_t bytes);
  // Chooses what the budget holds, until there is nothing to do at once.
  void Choose();
  coordinator::ReleaseView View(coordinator::ReleaseId release);
  std::string StateOf(int path);

  std::string uri;
  std::unique_ptr<coordinator::PgPool> pool;
  std::unique_ptr<coordinator::PgLeader> leader;
  coordinator::IndexDescription description;
  std::unique_ptr<coordinator::PgWalkStore> walk;
  std::unique_ptr<coordinator::PgReleaseStore> releases;
  std::unique_ptr<coordinator::PgPlanStore> planner;
  std::unique_ptr<coordinator::PgPublishStore> publisher;
  std::unique_ptr<coordinator::PgSettleStore> settler;
  std::unique_ptr<coordinator::PgLeaseReaper> reaper;
  std::unique_ptr<coordinator::PgLaneStore> lanes;
  std::unique_ptr<coordinator::PgControlStore> control;
  std::unique_ptr<coordinator::PgRetireStore> retirer;
  std::unique_ptr<coordinator::PgBudgetStore> budget;
  std::unique_ptr<coordinator::PgLossRepairer> repairer;
  std::unique_ptr<coordinator::PgSynchronizer> synchronizer;
  coordinator::JobLimits job_limits;
  coordinator::BudgetOptions budget_options;
  int replicas = 0;
  // Of one step of a walk.
  std::size_t expand_limit = 3;
  std::size_t frontier_limit = 10;
  std::size_t root_batch = 5'000;
};

// A worker that keeps its data directory over restarts.
class FakeWorker {
 public:
  FakeWorker(StoreRig& rig, int number, const FakeUpstream& upstream);

  coordinator::WorkerReport Report();
  // Sends the report; what comes back is obeyed unless `lose_answer`.
  Result<coordinator::DesiredState> Call(bool lose_answer = false);
  // Works on `nars` NARs of its jobs.
  void Work(int nars);
  // Calls and works until nothing is left of a small mirror.
  void WorkOff();
  // The process dies: what is durable stays.
  void Restart();
  // It dies, and comes back under its old identity with an empty disk.
  void LoseDisk();
  // All files in the shard, also copies.
  const std::map<std::string, coordinator::ShardEntry>& files() const { return files_; }
  std::size_t jobs() const { return jobs_.size(); }
  // Numbers of the NARs in its jobs that it has not come to.
  std::set<int> Waiting() const;
  // Blobs that were cleared, by their block.
  const std::set<std::uint64_t>& cleared() const { return cleared_; }
  // Of blobs that are not cleared.
  std::uint64_t bytes_on_disk() const;
  // How often a file was appended.
  int appended(const std::string& file) const;

  std::uint64_t incarnation = 1;
  std::uint64_t nonce;
  std::uint64_t sequence = 0;
  coordinator::DriveHead head;
  std::optional<coordinator::DriveHead> base;
  bool has_answer = false;
  bool sealed = false;
  Bytes key;
  bool shows_shard = true;  // false: its report names no drive
  // As a holder of copies.
  std::string failure_domain;
  std::string peer_address;
  std::vector<coordinator::CopyReport> copies;

 private:
  void Obey(const coordinator::DesiredState& desired);
  void ObeyRetirement(const coordinator::DesiredDrive& drive);
  void Append(const coordinator::NarUnit& nar);

  StoreRig& rig_;
  const int number_;
  const FakeUpstream& upstream_;
  std::map<std::string, coordinator::ShardEntry> files_;
  // Every entry in the order of the drive, with the head after it.
  std::vector<std::pair<coordinator::ShardEntry, coordinator::DriveHead>> log_;
  struct HeldJob {
    coordinator::DesiredJob job;
    std::vector<coordinator::NarFailureReport> failures;
    std::set<std::int64_t> done;
  };
  std::map<std::int64_t, HeldJob> jobs_;
  std::set<std::uint64_t> cleared_;
  std::vector<std::uint64_t> to_report_cleared_;
};

// The index worker: applies batches and checks, after each, that what is published is closed under
// References and that every narinfo's NAR is linked.
class FakeIndex {
 public:
  FakeIndex(StoreRig& rig, const FakeUpstream& upstream);

  coordinator::WorkerReport Report();
  // One call, and the batch it was given, if any.
  void Step(bool lose_answer = false);
  // Steps, with the background services in between, until nothing is left of a small mirror.
  void PublishAll();
  // Comes back with its drive and no memory of which batch was the last.
  void Restart();
  // Its volume comes back as it was after this many batches.
  void RestoreVolume(std::size_t batches);
  // Its worker is started again, and finds a coordinator on another database.
  void MoveTo(StoreRig& rig);

  const std::map<std::string, std::string>& files() const { return files_; }
  const std::map<std::string, std::string>& links() const { return links_; }
  bool Publishes(int path) const;
  std::string File(const std::string& path) const;
  std::uint64_t batch = 0;
  coordinator::DriveHead head;
  Bytes key;
  // What the worker knows beyond its drive; the known lengths are those that were ever accepted,
  // and `published` is sent when it is asked for.
  coordinator::IndexStanding standing;
  coordinator::PublishedIndex published;
  std::string worker_id;
  bool draining = false;

 private:
  // The drive after a batch.
  struct Version {
    coordinator::DriveHead head;
    std::map<std::string, std::string> files;
    std::map<std::string, std::string> links;
  };

  void Apply(std::uint64_t number);
  void CutTo(const coordinator::DriveHead& base);
  void CheckClosure() const;

  StoreRig* rig_;
  const FakeUpstream& upstream_;
  bool moved_ = false;                // to a database whose log is not that of the drive
  std::vector<Version> versions_{1};  // the last one is what the drive holds
  coordinator::DriveHead announced_;  // what was ever called recorded: no less may follow
  bool volume_was_lost_ = false;
  std::uint64_t incarnation_ = 1;
  std::uint64_t sequence_ = 0;
  std::uint64_t plan_ = 0;  // of `batch`
  std::optional<coordinator::DriveHead> base_;
  std::map<std::string, std::string> files_;
  std::map<std::string, std::string> links_;
};

}  // namespace hnx::test
