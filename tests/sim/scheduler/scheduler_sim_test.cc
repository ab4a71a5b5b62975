// A whole mirror in one thread over the real database: random releases with random faults, workers
// that crash, answers that get lost, leases that run out, leaders that change, operators who pause,
// reorder and cancel. Whatever the order
// of events, every path comes to its one final state, and nothing is published before what it
// needs.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <optional>
#include <random>

#include <gtest/gtest.h>

#include "store_rig.h"
#include "support/postgres_fixture.h"

namespace hnx::test {
namespace {

constexpr int kStepsMax = 20'000;
constexpr int kPartPaths = 15;

std::uint64_t BaseSeed() {
  const char* seed = std::getenv("HNX_SIM_SEED");
  return seed == nullptr ? 20'261'122 : std::strtoull(seed, nullptr, 10);
}

FakeUpstream RandomUpstream(std::mt19937_64& random, int paths) {
  const auto below = [&](int limit) {
    return std::uniform_int_distribution<int>(0, limit - 1)(random);
  };
  FakeUpstream upstream(static_cast<std::size_t>(paths));
  for (int path = 0; path < paths; ++path) {
    FakePath& fake = upstream[static_cast<std::size_t>(path)];
    const int references = path == 0 ? 0 : below(std::min(path, 5) + 1);
    for (int i = 0; i < references; ++i) {
      // Drawn towards the bottom, as in real closures.
      const int reference = std::min(below(path), below(path));
      if (std::find(fake.references.begin(), fake.references.end(), reference) ==
          fake.references.end()) {
        fake.references.push_back(reference);
      }
    }
    switch (path < 5 ? 100 : below(30)) {
      case 0:
        fake.missing = true;
        fake.references.clear();
        break;
      case 1:
        fake.nar_failure = ErrorCode::kNotFound;
        fake.nar_failures = 1'000'000;
        break;
      case 2:
        fake.nar_failure = ErrorCode::kDataLoss;
        fake.nar_failures = 1'000'000;
        break;
      case 3:
      case 4:
        fake.nar_failure = ErrorCode::kUnavailable;
        fake.nar_failures = 2;
        break;
      case 5:
        fake.nar_failure = ErrorCode::kResourceExhausted;
        fake.nar_failures = 3;
        break;
      case 6: {
        const int shared = below(path);
        if (!upstream[static_cast<std::size_t>(shared)].missing &&
            upstream[static_cast<std::size_t>(shared)].nar < 0) {
          fake.nar = shared;
        }
        break;
      }
      default:
        break;
    }
  }
  // A cycle of three healthy paths on top of everything.
  const int top = paths;
  for (int i = 0; i < 3; ++i) {
    upstream.push_back({.references = {top + (i + 1) % 3, 0}});
  }
  return upstream;
}

struct Outcome {
  std::string manifest;
  std::vector<std::string> listing_hashes;
};

// The manifest without its dates.
std::string WithoutDates(std::string manifest) {
  for (const char* field : {"\"submittedAt\":", "\"settledAt\":"}) {
    const std::size_t begin = manifest.find(field);
    if (begin != std::string::npos) {
      manifest.erase(begin, manifest.find('\n', begin) - begin);
    }
  }
  return manifest;
}

class SchedulerSim {
 public:
  SchedulerSim(const FakeUpstream& upstream, std::uint64_t seed, bool disturbed)
      : upstream_(upstream),
        random_(seed),
        disturbed_(disturbed),
        rig_(PostgresFixture::Get().NewDatabase()),
        index_(rig_, upstream_) {
    for (int worker = 1; worker <= 3; ++worker) {
      workers_.push_back(std::make_unique<FakeWorker>(rig_, worker, upstream_));
    }
  }

  std::string Run() {
    const auto release = rig_.Submit(upstream_);
    if (disturbed_) {
      // Another submission shares paths, and is cancelled on the way.
      part_ = rig_.Submit(FakeUpstream(upstream_.begin(), upstream_.begin() + kPartPaths), "part");
    }
    for (int step = 0; step < kStepsMax; ++step) {
      Step();
      if (step % 20 == 0 && rig_.View(release).state == "settled") {
        Check(release);
        return WithoutDates(index_.File("/channels/paths/r1/manifest.json"));
      }
    }
    ADD_FAILURE() << "the release does not settle: " << rig_.View(release).paths_published << " of "
                  << rig_.View(release).paths_total << " are published";
    return {};
  }

 private:
  int Below(int limit) { return std::uniform_int_distribution<int>(0, limit - 1)(random_); }

  void Step() {
    FakeWorker& worker = *workers_[static_cast<std::size_t>(Below(3))];
    switch (Below(disturbed_ ? 27 : 18)) {
      case 0:
      case 1:
      case 2:
        rig_.Background();
        break;
      case 3:
      case 4:
      case 5:
      case 6:
        index_.Step();
        break;
      case 18:
        worker.Restart();
        break;
      case 19:
        (void)worker.Call(/*lose_answer=*/true);
        break;
      case 20:
        Sql(rig_.uri, "UPDATE job SET expires_at = clock_timestamp() - interval '1 second'");
        (void)rig_.reaper->Reap();
        break;
      case 21:
        rig_.BecomeLeaderAnew();
        break;
      case 22:
        index_.Step(/*lose_answer=*/true);
        break;
      case 23:
        index_.Restart();
        break;
      case 24:
        PauseOrResume();
        break;
      case 25:
        EXPECT_TRUE(rig_.control->SetPriority(part_, Below(3) - 1).has_value());
        break;
      case 26:
        if (Below(10) == 0) {
          (void)rig_.control->Cancel(part_, "the test says so");  // unless it is over
        }
        break;
      default:
        worker.Work(Below(4));
        EXPECT_TRUE(worker.Call().has_value());
    }
  }

  // What is paused now is let go before anything else is paused.
  void PauseOrResume() {
    using coordinator::PauseTarget;
    if (paused_) {
      EXPECT_TRUE(rig_.control->Resume(*paused_).has_value());
      paused_.reset();
      return;
    }
    const std::array<PauseTarget, 4> targets{
        PauseTarget{}, PauseTarget{.kind = PauseTarget::Kind::kRelease, .release = part_},
        PauseTarget{.kind = PauseTarget::Kind::kUpstream, .name = "upstream"},
        PauseTarget{.kind = PauseTarget::Kind::kWorker, .name = "worker 1"}};
    const PauseTarget& target = targets[static_cast<std::size_t>(Below(4))];
    // A release that is over, or a worker that has not come, cannot be paused.
    if (rig_.control->Pause(target, "the test says so").has_value()) {
      paused_ = target;
    }
  }

  void Check(coordinator::ReleaseId release) {
    const auto expected = ExpectedStates(upstream_);
    for (std::size_t path = 0; path < upstream_.size(); ++path) {
      EXPECT_EQ(rig_.StateOf(static_cast<int>(path)), expected[path]) << "path " << path;
      EXPECT_EQ(index_.Publishes(static_cast<int>(path)), expected[path] == "published");
    }
    const auto view = rig_.View(release);
    EXPECT_EQ(view.paths_total, upstream_.size());
    EXPECT_EQ(view.paths_published + view.paths_missing + view.paths_set_aside + view.paths_blocked,
              upstream_.size());
    EXPECT_EQ(view.paths_published,
              static_cast<std::uint64_t>(
                  std::count(expected.begin(), expected.end(), std::string("published"))));
    EXPECT_EQ(index_.File("/channels/paths/latest"), "r1\n");
    EXPECT_EQ(Sql(rig_.uri, "SELECT count(*) FROM nar WHERE state = 'leased'"), "0");
    // Every linked NAR lies where the link says.
    for (const auto& [path, linkname] : index_.links()) {
      const std::string file = path.substr(5);
      EXPECT_TRUE(std::any_of(workers_.begin(), workers_.end(), [&](const auto& worker) {
        return worker->files().contains(file);
      })) << path;
    }
    DropCopies();
  }

  // Copies that expired leases left behind go, until each NAR is in exactly one shard.
  void DropCopies() {
    for (int round = 0; round < 6; ++round) {
      for (auto& worker : workers_) {
        EXPECT_TRUE(worker->Call().has_value());
      }
    }
    for (const auto& [path, linkname] : index_.links()) {
      const std::string file = path.substr(5);
      EXPECT_EQ(std::count_if(workers_.begin(), workers_.end(),
                              [&](const auto& worker) { return worker->files().contains(file); }),
                1)
          << path;
    }
  }

  const FakeUpstream& upstream_;
  std::mt19937_64 random_;
  const bool disturbed_;
  StoreRig rig_;
  FakeIndex index_;
  std::vector<std::unique_ptr<FakeWorker>> workers_;
  coordinator::ReleaseId part_ = 0;
  std::optional<coordinator::PauseTarget> paused_;
};

TEST(SchedulerSimTest, EveryPathComesToItsOneFinalStateWhateverHappensOnTheWay) {
  for (int round = 0; round < 4; ++round) {
    const std::uint64_t seed = BaseSeed() + static_cast<std::uint64_t>(round);
    SCOPED_TRACE(testing::Message() << "HNX_SIM_SEED=" << seed);
    std::mt19937_64 random(seed);
    const FakeUpstream upstream = RandomUpstream(random, 40);
    const std::string quiet = SchedulerSim(upstream, seed, false).Run();
    const std::string stormy = SchedulerSim(upstream, seed + 1'000, true).Run();
    ASSERT_FALSE(quiet.empty());
    EXPECT_EQ(quiet, stormy) << "the manifest tells of the order of events";
    if (HasFailure()) {
      return;
    }
  }
}

TEST(SchedulerSimTest, AReleaseWithoutFaultsIsPublishedWhole) {
  std::mt19937_64 random(BaseSeed());
  FakeUpstream upstream = RandomUpstream(random, 60);
  for (FakePath& path : upstream) {
    path.missing = false;
    path.nar_failures = 0;
  }
  const std::string manifest = SchedulerSim(upstream, BaseSeed(), true).Run();
  EXPECT_NE(manifest.find("\"unpublished\":[]"), std::string::npos) << manifest;
}

}  // namespace
}  // namespace hnx::test
