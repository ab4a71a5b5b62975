// Two index workers on one key: whatever dies, comes back, gets lost, comes late or is restored
// from an older copy, no length of the index is ever announced with two trees, and the work gets
// done.
#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "fence_world.h"
#include "support/postgres_fixture.h"

namespace hnx::test {
namespace {

namespace fs = std::filesystem;

// Twenty interleavings follow each other in one world, each from where the last one left it.
constexpr int kWorlds = 50;
constexpr int kInterleavingsEach = 20;
constexpr int kStepsEach = 8;
constexpr int kStepsToTheEndMax = 60;

std::uint64_t BaseSeed() {
  const char* seed = std::getenv("HNX_SIM_SEED");
  return seed == nullptr ? 20'261'127 : std::strtoull(seed, nullptr, 10);
}

// In memory where there is such a folder: nothing here is about the disk.
fs::path Scratch() {
  const fs::path base = fs::exists("/dev/shm") ? "/dev/shm" : fs::temp_directory_path();
  std::string pattern = (base / "hnx-fence-XXXXXX").string();
  return ::mkdtemp(pattern.data());
}

class IndexFenceSim : public testing::Test {
 protected:
  ~IndexFenceSim() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  void Step() {
    FenceWorker& worker = *world_.workers[static_cast<std::size_t>(world_.Below(2))];
    const int dice = world_.Below(100);
    if (dice < 6) {
      world_.PlanBatch();
    } else if (dice < 10) {
      world_.Silence(worker);
    } else if (!worker.running()) {
      if (dice < 15) {
        worker.LoseDisk();
      } else if (dice < 25) {
        worker.RestoreDisk();
      } else {
        worker.Start();
      }
    } else if (dice < 17) {
      worker.Die();
      if (world_.Below(2) == 0) {
        worker.RememberDisk();
      }
    } else if (dice < 42) {
      worker.Report(world_.Below(5) == 0);
    } else if (dice < 68) {
      worker.Hear();
    } else {
      worker.Work(world_.Below(6) == 0 ? std::optional(world_.Below(3)) : std::nullopt);
    }
  }

  // A coordinator that stops, comes back with an older database, and workers that are started
  // again.
  void RestoreDatabase() {
    for (const auto& worker : world_.workers) {
      worker->Die();
    }
    world_.RestoreDatabase();
    // Work that the real history never had.
    world_.PlanBatch();
  }

  // Only one of the two goes on, and nothing more goes wrong.
  void Finish() {
    FenceWorker& last = *world_.workers[static_cast<std::size_t>(world_.Below(2))];
    for (const auto& worker : world_.workers) {
      worker->Die();
    }
    world_.SilenceAll();
    for (int i = 0; i < kStepsToTheEndMax; ++i) {
      if (!last.running()) {
        if (i > 0) {
          // An operator reads why, and gives it a disk from the holders, and his word.
          last.LoseDisk();
          world_.SilenceAll();  // a new disk is a new worker, and the old one is gone
        }
        last.Start(i > 0);
      }
      last.Report(false);
      if (!last.running()) {
        continue;
      }
      last.Hear();
      last.Work();
      if (world_.AllPublished()) {
        return;
      }
    }
    // A head was taken over, and the one disk that had it was lost before anybody was told of it:
    // nothing is forked, and nothing goes on (docs/RECOVERY.md).
    if (last.refusal().find("it was taken over from its holders") != std::string::npos) {
      ++stuck_;
      return;
    }
    ADD_FAILURE() << "the work did not come to its end: " << last.refusal();
  }

  int stuck_ = 0;
  const fs::path folder_ = Scratch();
  FenceWorld world_{PostgresFixture::Get().NewDatabase(), folder_ / "world"};
};

TEST_F(IndexFenceSim, AThousandInterleavingsMakeNoFork) {
  const std::uint64_t base = BaseSeed();
  fmt::print("seed {}: HNX_SIM_SEED={} makes the same run\n", base, base);
  int interleavings = 0;
  int restored = 0;
  for (int run = 0; run < kWorlds; ++run) {
    const std::uint64_t seed = base + static_cast<std::uint64_t>(run);
    SCOPED_TRACE(fmt::format("world {} (HNX_SIM_SEED={} begins with it)", run, seed));
    world_.Begin(seed);
    world_.PlanBatch();
    world_.PlanBatch();
    for (int i = 0; i < kInterleavingsEach; ++i, ++interleavings) {
      if (run % 3 == 0 && i == kInterleavingsEach / 3) {
        world_.BackUpDatabase();
      }
      if (run % 3 == 0 && i == kInterleavingsEach * 2 / 3) {
        RestoreDatabase();
        ++restored;
      }
      for (int step = 0; step < kStepsEach; ++step) {
        Step();
      }
      ASSERT_EQ(world_.forks, std::vector<std::string>()) << "interleaving " << i;
    }
    Finish();
    ASSERT_EQ(world_.forks, std::vector<std::string>());
    ASSERT_FALSE(HasFailure());
    // The log alone gives the same index, wherever nothing of it was taken over.
    if (const auto head = world_.HeadByTheLog()) {
      const hyper::DriveHead recorded = world_.RecordedHead();
      ASSERT_EQ(head->db_length, recorded.db_length);
      ASSERT_EQ(head->db_tree_hash, recorded.db_tree_hash);
      ASSERT_EQ(head->content_length, recorded.content_length);
      ASSERT_EQ(head->content_tree_hash, recorded.content_tree_hash);
    }
  }
  fmt::print(
      "{} interleavings of {} steps in {} worlds: {} heads announced, {} databases restored, {} "
      "times "
      "the longer index was taken over ({} of them lost at once), {} forks\n",
      interleavings, kStepsEach, kWorlds, world_.announced, restored, world_.adoptions, stuck_,
      world_.forks.size());
  EXPECT_EQ(interleavings, 1'000);
  EXPECT_LT(stuck_, restored) << "nothing ever goes on after a database was restored";
  EXPECT_GT(world_.announced, kWorlds * 3) << "too little happened";
  EXPECT_GT(world_.adoptions, 0) << "no restored database was ever behind its index";
}

// The check can fail.
TEST(Announcements, TwoTreesAtOneLengthAreAFork) {
  Announcements announcements;
  hyper::SignedDriveHead head;
  head.db.length = 3;
  head.content.length = 2;
  EXPECT_EQ(announcements.Add(head), "");
  EXPECT_EQ(announcements.Add(head), "") << "the same once more";
  head.content.tree_hash.bytes[0] = std::byte{1};
  EXPECT_NE(announcements.Add(head), "");
  EXPECT_EQ(announcements.count(), 2U);
}

}  // namespace
}  // namespace hnx::test
