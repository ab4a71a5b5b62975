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
  budget_options.replica = fmt::format("replica {}", replicas);
  budget_options.chunk_paths = 7;
  budget = std::make_unique<PgBudgetStore>(*pool, *leader, budget_options);
}

void StoreRig::SetBudget(std::uint64_t bytes) {
  budget_options.bytes = bytes;
  budget = std::make_unique<PgBudgetStore>(*pool, *leader, budget_options);
  Choose();
}

void StoreRig::Choose() {
  while (Must(budget->Step())) {
  }
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
  for (std::span<const PathName> left = roots; !left.empty();) {
    const std::size_t batch = std::min(left.size(), root_batch);
    Must(releases->AddListRoots(release, left.first(batch)));
    left = left.subspan(batch);
  }
  const Submitted named = Must(releases->NameList(release, release_name, submission));
  if (!named.existed) {
    Walk(release, upstream);
  }
  return named.release;
}

void StoreRig::Walk(ReleaseId release, const FakeUpstream& upstream) {
  for (;;) {
    while (Must(walk->ExpandKnown(release, expand_limit)) > 0) {
    }
    const Frontier frontier = Must(walk->NextFrontier(release, 0, frontier_limit, {}));
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
                           .file_size = upstream[static_cast<std::size_t>(nar)].file_size,
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
    more = Must(budget->Step()) || more;
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

}  // namespace hnx::test
