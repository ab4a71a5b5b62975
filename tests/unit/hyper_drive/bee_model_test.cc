// Random operations on a Hyperbee and on a std::map give the same, at every version; and what
// JavaScript's get would answer is the same again.
#include <algorithm>
#include <random>

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "hyper/bee/bee_bulk.h"
#include "memory_bee.h"

namespace hnx::hyper {
namespace {

// Every test prints its seed by SCOPED_TRACE.
struct Randomness {
  explicit Randomness(unsigned seed) : engine(seed) {}
  std::size_t Below(std::size_t limit) {
    return std::uniform_int_distribution<std::size_t>(0, limit - 1)(engine);
  }
  std::string Key(std::size_t key_count) { return fmt::format("k{:05}", Below(key_count)); }
  std::mt19937 engine;
};

// A few operations; keys from a small set, so that overwriting and deleting are frequent.
void Apply(Randomness& random, std::size_t operations, std::size_t key_count, unsigned percent_puts,
           BeeBatch& batch, Model& model) {
  for (std::size_t i = 0; i < operations; ++i) {
    const std::string key = random.Key(key_count);
    if (random.Below(100) < percent_puts) {
      const std::string value = fmt::format("v{}", random.Below(1'000'000));
      ASSERT_TRUE(batch.Put(AsBytes(key), AsBytes(value)).has_value());
      model[key] = value;
    } else {
      const auto found = batch.Del(AsBytes(key));
      ASSERT_TRUE(found.has_value()) << found.error().ToString();
      EXPECT_EQ(*found, model.erase(key) == 1);
    }
  }
}

void ExpectSame(const MemoryBee& bee, const Model& model, std::size_t key_count) {
  ASSERT_EQ(bee.BrokenRule(), "");
  ASSERT_EQ(bee.List(), Items(model));
  for (std::size_t i = 0; i < key_count; ++i) {
    const std::string key = fmt::format("k{:05}", i);
    const auto found = model.find(key);
    const auto expected = found == model.end() ? std::nullopt : std::optional(found->second);
    ASSERT_EQ(bee.Get(key), expected) << key;
    ASSERT_EQ(bee.GetLikeJavaScript(key), expected) << key << " by JavaScript's rules";
  }
}

class BeeModelTest : public testing::TestWithParam<unsigned> {};

TEST_P(BeeModelTest, SingleOperations) {
  SCOPED_TRACE(GetParam());
  Randomness random(GetParam());
  MemoryBee bee;
  Model model;
  constexpr std::size_t kKeys = 300;
  for (int i = 0; i < 1'500; ++i) {
    BeeBatch batch = bee.Batch();
    // Grows, then shrinks to almost nothing, then grows again.
    const unsigned percent_puts = i < 500 ? 80 : (i < 1'100 ? 15 : 60);
    Apply(random, 1, kKeys, percent_puts, batch, model);
    bee.Append(std::move(batch).Encode());
    if (i % 50 == 0) {
      ExpectSame(bee, model, kKeys);
    }
  }
  ExpectSame(bee, model, kKeys);
}

TEST_P(BeeModelTest, BatchesOfEverySize) {
  SCOPED_TRACE(GetParam());
  Randomness random(GetParam());
  MemoryBee bee;
  Model model;
  constexpr std::size_t kKeys = 2'000;
  for (int round = 0; round < 24; ++round) {
    BeeBatch batch = bee.Batch();
    const std::size_t size = std::size_t{1} << random.Below(11);
    Apply(random, size, kKeys, round % 6 == 5 ? 10 : 70, batch, model);
    bee.Append(std::move(batch).Encode());
    ExpectSame(bee, model, kKeys);
  }
}

TEST_P(BeeModelTest, RangesInBothDirections) {
  SCOPED_TRACE(GetParam());
  Randomness random(GetParam());
  MemoryBee bee;
  Model model;
  BeeBatch batch = bee.Batch();
  Apply(random, 3'000, 1'000, 75, batch, model);
  bee.Append(std::move(batch).Encode());
  for (int i = 0; i < 200; ++i) {
    const std::string low = random.Key(1'100);
    const std::string high = random.Key(1'100);
    BeeRangeOptions options;
    const bool gt = random.Below(2) == 0;
    const bool lt = random.Below(2) == 0;
    const bool open_below = random.Below(5) == 0;
    const bool open_above = random.Below(5) == 0;
    if (!open_below) {
      (gt ? options.gt : options.gte) = ToBytes(low);
    }
    if (!open_above) {
      (lt ? options.lt : options.lte) = ToBytes(high);
    }
    options.reverse = random.Below(2) == 0;
    if (random.Below(2) == 0) {
      options.limit = random.Below(40);
    }
    std::vector<std::pair<std::string, std::string>> expected;
    for (const auto& [key, value] : model) {
      if ((open_below || (gt ? key > low : key >= low)) &&
          (open_above || (lt ? key < high : key <= high))) {
        expected.emplace_back(key, value);
      }
    }
    if (options.reverse) {
      std::reverse(expected.begin(), expected.end());
    }
    if (options.limit && expected.size() > *options.limit) {
      expected.resize(*options.limit);
    }
    ASSERT_EQ(bee.List(options), expected) << low << " to " << high;
  }
}

TEST_P(BeeModelTest, GoesOnFromABulkLoad) {
  SCOPED_TRACE(GetParam());
  Randomness random(GetParam());
  MemoryBee bee;
  Model model;
  constexpr std::size_t kKeys = 1'500;
  const std::size_t count = 1 + random.Below(kKeys);
  for (std::size_t i = 0; i < count; ++i) {
    model[fmt::format("k{:05}", i)] = "loaded";
  }
  BeeBulkLoad load(1, model.size());
  bee.blocks().push_back(EncodeBeeHeader({}));
  for (const auto& [key, value] : model) {
    auto block = load.Add(AsBytes(key), AsBytes(value));
    ASSERT_TRUE(block.has_value());
    bee.blocks().push_back(*std::move(block));
  }
  ASSERT_TRUE(load.complete());
  ExpectSame(bee, model, kKeys);
  BeeBatch batch = bee.Batch();
  Apply(random, 700, kKeys, 40, batch, model);
  bee.Append(std::move(batch).Encode());
  ExpectSame(bee, model, kKeys);
}

TEST_P(BeeModelTest, SameTreeAndOperationsGiveSameBytesWhateverTheCache) {
  SCOPED_TRACE(GetParam());
  MemoryBee cached;
  MemoryBee uncached(0);
  for (MemoryBee* bee : {&cached, &uncached}) {
    Randomness random(GetParam());
    Model model;
    for (int round = 0; round < 8; ++round) {
      BeeBatch batch = bee->Batch();
      Apply(random, 120, 400, 65, batch, model);
      bee->Append(std::move(batch).Encode());
    }
  }
  EXPECT_EQ(cached.blocks(), uncached.blocks());
}

INSTANTIATE_TEST_SUITE_P(Seeds, BeeModelTest, testing::Range(1U, 9U));

TEST(BeeBulkLoadTest, KeepsTheRulesAtEveryCount) {
  for (std::size_t count = 0; count <= 400; ++count) {
    MemoryBee bee;
    Model model;
    bee.blocks().push_back(EncodeBeeHeader({}));
    BeeBulkLoad load(1, count);
    for (std::size_t i = 0; i < count; ++i) {
      const std::string key = fmt::format("k{:05}", i);
      model[key] = "v";
      auto block = load.Add(AsBytes(key), AsBytes("v"));
      ASSERT_TRUE(block.has_value());
      bee.blocks().push_back(*std::move(block));
    }
    ASSERT_EQ(bee.BrokenRule(), "") << count;
    ASSERT_EQ(bee.List(), Items(model)) << count;
  }
}

TEST(BeeBulkLoadTest, RefusesKeysOutOfOrderAndTooMany) {
  BeeBulkLoad load(1, 2);
  ASSERT_TRUE(load.Add(AsBytes("b"), {}).has_value());
  EXPECT_EQ(load.Add(AsBytes("b"), {}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(load.Add(AsBytes("a"), {}).error().code, ErrorCode::kInvalidArgument);
  ASSERT_TRUE(load.Add(AsBytes("c"), {}).has_value());
  EXPECT_EQ(load.Add(AsBytes("d"), {}).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace hnx::hyper
