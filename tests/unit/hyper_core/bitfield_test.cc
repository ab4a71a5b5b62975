#include "hyper/core/bitfield.h"

#include <random>

#include <gtest/gtest.h>

#include "tests/unit/hyper_core/core_fixture.h"

namespace hnx::hyper {
namespace {

BlockRange Range(std::uint64_t begin, std::uint64_t end) {
  return {BlockIndex(begin), BlockIndex(end)};
}

TEST(BitfieldTest, AnswersAsAVectorOfBitsDoes) {
  constexpr std::uint64_t kBits = 3 * Bitfield::kBitsPerPage + 100;
  MemoryCoreStorage storage;
  Bitfield bits(storage);
  std::vector<bool> model(kBits);
  std::mt19937_64 random(3);
  for (int round = 0; round < 400; ++round) {
    const std::uint64_t begin = random() % kBits;
    const std::uint64_t end = begin + random() % std::min<std::uint64_t>(kBits - begin, 5000);
    const bool value = random() % 2 == 0;
    bits.Set(Range(begin, end), value);
    std::fill(model.begin() + static_cast<std::ptrdiff_t>(begin),
              model.begin() + static_cast<std::ptrdiff_t>(end), value);
    if (round % 37 == 0) {
      Must(bits.WritePending());
      bits.Flushed();
    }
    const std::uint64_t from = random() % kBits;
    const std::uint64_t to = from + random() % (kBits - from);
    for (const bool wanted : {true, false}) {
      const auto first = model.begin() + static_cast<std::ptrdiff_t>(from);
      const auto last = model.begin() + static_cast<std::ptrdiff_t>(to);
      const auto found = std::find(first, last, wanted);
      ASSERT_EQ(Must(bits.Find(wanted, Range(from, to))).value(),
                from + static_cast<std::uint64_t>(found - first));
    }
    ASSERT_EQ(Must(bits.Has(BlockIndex(from))), model[from]);
  }
}

TEST(BitfieldTest, WritesWholePagesLeastSignificantBitFirst) {
  auto files = std::make_shared<MemoryCoreFiles>();
  MemoryCoreStorage storage(files);
  Bitfield bits(storage);
  bits.Set(Range(9, 10), true);
  Must(bits.WritePending());
  EXPECT_EQ(files->of(CoreFile::kBitfield).size(), 4096U);
  EXPECT_EQ(files->of(CoreFile::kBitfield)[1], std::byte{0x02});
}

}  // namespace
}  // namespace hnx::hyper
