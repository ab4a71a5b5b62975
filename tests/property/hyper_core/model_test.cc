// A core against a plain vector, through random operations: what it says after each of them is what
// the vector says.
#include <random>

#include <gtest/gtest.h>

#include "hyper/core/core_reader.h"
#include "hyper/core/hypercore.h"
#include "tests/property/hyper_core/core_workload.h"

namespace hnx::hyper {
namespace {

TEST(CoreModelTest, HoldsWhatWasAppendedAndNotCleared) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 20; ++round) {
    CoreWorkload workload;
    workload.RunRandom(random, 100);
    auto files = std::make_shared<MemoryCoreFiles>();
    MemoryCoreStorage replay(files);
    for (const RecordedChange& change : workload.journal()) {
      switch (change.kind) {
        case RecordedChange::Kind::kWrite:
          ASSERT_TRUE(replay.Write(change.file, change.offset, change.bytes).has_value());
          break;
        case RecordedChange::Kind::kTruncate:
          ASSERT_TRUE(replay.Truncate(change.file, change.offset).has_value());
          break;
        case RecordedChange::Kind::kPunchHole:
          ASSERT_TRUE(replay.PunchHole(change.file, change.offset, change.length).has_value());
          break;
        case RecordedChange::Kind::kSync:
          break;
      }
    }
    const CoreState& state = workload.steps().back().state;
    // A reader sees the same, and changes nothing.
    auto reader = CoreReader::Open(std::make_unique<MemoryCoreStorage>(files));
    ASSERT_TRUE(reader.has_value()) << reader.error().ToString();
    EXPECT_EQ((*reader)->head(), state.head);
    for (std::uint64_t i = 0; i < state.blocks.size(); ++i) {
      const Result<Bytes> block = (*reader)->Get(BlockIndex(i));
      ASSERT_EQ(block.has_value(), state.blocks[i].has_value()) << "block " << i;
      if (block) {
        EXPECT_EQ(*block, *state.blocks[i]) << "block " << i;
      }
    }
    auto core = Hypercore::Open(std::make_unique<MemoryCoreStorage>(files));
    ASSERT_TRUE(core.has_value()) << core.error().ToString();
    EXPECT_EQ(Differs(**core, state), std::nullopt);
  }
}

}  // namespace
}  // namespace hnx::hyper
