// What a peer says it has, against a plain set of numbers.
#include "hyper/replication/remote_blocks.h"

#include <random>
#include <set>

#include <gtest/gtest.h>

namespace hnx::hyper {
namespace {

BlockRange Range(std::uint64_t begin, std::uint64_t end) {
  return {BlockIndex(begin), BlockIndex(end)};
}

TEST(RemoteBlocksTest, AgreesWithASetUnderRandomRangesAndWords) {
  std::mt19937_64 chance(20261122);
  constexpr std::uint64_t kBlocks = 3 * RemoteBlocks::kBitsPerPage;
  for (int round = 0; round < 20; ++round) {
    RemoteBlocks blocks;
    std::vector<bool> model(kBlocks);
    for (int step = 0; step < 60; ++step) {
      const std::uint64_t begin = chance() % 4 == 0 ? 0 : chance() % kBlocks;
      const std::uint64_t length = 1 + chance() % (chance() % 2 == 0 ? 100 : kBlocks - begin);
      const std::uint64_t end = std::min(begin + length, kBlocks);
      if (chance() % 5 == 0) {
        const std::uint64_t start = begin - begin % 32;
        std::vector<std::uint32_t> words(std::min<std::uint64_t>(8, (kBlocks - start) / 32));
        for (std::size_t i = 0; i < words.size(); ++i) {
          words[i] = static_cast<std::uint32_t>(chance());
          for (std::size_t bit = 0; bit < 32; ++bit) {
            model[start + i * 32 + bit] = (words[i] >> bit & 1) != 0;
          }
        }
        blocks.SetWords(BlockIndex(start), words);
      } else {
        const bool present = chance() % 3 != 0;
        blocks.Set(Range(begin, end), present);
        std::fill(model.begin() + static_cast<std::ptrdiff_t>(begin),
                  model.begin() + static_cast<std::ptrdiff_t>(end), present);
      }
    }
    for (std::uint64_t i = 0; i < kBlocks; ++i) {
      ASSERT_EQ(blocks.Has(BlockIndex(i)), model[i]) << "round " << round << " block " << i;
    }
    for (int look = 0; look < 200; ++look) {
      const std::uint64_t from = chance() % kBlocks;
      std::uint64_t expected = from;
      while (expected < kBlocks && !model[expected]) {
        ++expected;
      }
      ASSERT_EQ(blocks.NextPresent(Range(from, kBlocks)).value(), expected);
    }
    const auto gap = std::find(model.begin(), model.end(), false);
    EXPECT_EQ(blocks.contiguous_length(),
              static_cast<std::uint64_t>(std::distance(model.begin(), gap)));
  }
}

TEST(RemoteBlocksTest, BitsThatAPeerWasAskedForDoNotShortenItsRun) {
  RemoteBlocks blocks;
  blocks.Set(Range(0, 100), true);
  blocks.SetWords(BlockIndex(0),
                  std::vector<std::uint32_t>{0xffff'ffff, 0xffff'ffff, 0xffff'ffff, 0xf});
  EXPECT_EQ(blocks.contiguous_length(), 100U);
}

TEST(RemoteBlocksTest, AHostilePeerCannotMakeItGrow) {
  RemoteBlocks blocks;
  for (std::uint64_t i = 0; i < 4 * kRemotePagesMax; ++i) {
    blocks.Set(Range(1 + i * RemoteBlocks::kBitsPerPage, 2 + i * RemoteBlocks::kBitsPerPage), true);
  }
  EXPECT_EQ(blocks.page_count(), kRemotePagesMax);
  blocks.Set(Range(1, std::uint64_t{1} << 48), true);
  EXPECT_EQ(blocks.page_count(), kRemotePagesMax);
  blocks.Set(Range(0, std::uint64_t{1} << 48), true);
  EXPECT_EQ(blocks.page_count(), 0U) << "all of it is one number";
  EXPECT_TRUE(blocks.Has(BlockIndex((std::uint64_t{1} << 48) - 1)));
}

}  // namespace
}  // namespace hnx::hyper
