#include "corestore7/store_keys.h"

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/hex.h"

namespace hnx::corestore7 {
namespace {

std::string Hex(std::uint64_t value) {
  Bytes key;
  AppendIndexUint(key, value);
  return EncodeHex(key);
}

TEST(StoreKeysTest, ANumberTakesAsFewBytesAsItsRangeAllows) {
  EXPECT_EQ(Hex(0), "00");
  EXPECT_EQ(Hex(0xfb), "fb");
  EXPECT_EQ(Hex(0xfc), "fc00fc");
  EXPECT_EQ(Hex(0xffff), "fcffff");
  EXPECT_EQ(Hex(0x10000), "fd00010000");
  EXPECT_EQ(Hex(0xffffffff), "fdffffffff");
  EXPECT_EQ(Hex(0x100000000), "fe0000000100000000");
  EXPECT_EQ(Hex(0x1fffffffffffff), "fe001fffffffffffff");
}

TEST(StoreKeysTest, ByteOrderIsNumberOrder) {
  std::vector<std::uint64_t> numbers;
  for (const std::uint64_t border :
       {std::uint64_t{0xfb}, std::uint64_t{0xff}, std::uint64_t{0xffff}, std::uint64_t{0xffffffff},
        std::uint64_t{1} << 48}) {
    for (int i = -2; i <= 2; ++i) {
      numbers.push_back(border + static_cast<std::uint64_t>(i));
    }
  }
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  for (std::size_t i = 1; i < numbers.size(); ++i) {
    Bytes low;
    Bytes high;
    AppendIndexUint(low, numbers[i - 1]);
    AppendIndexUint(high, numbers[i]);
    EXPECT_TRUE(low < high) << numbers[i - 1] << " and " << numbers[i];
  }
}

// Keys of a store that JavaScript made (hypercore-storage 3.3.1).
TEST(StoreKeysTest, KeysAreThoseOfJavaScript) {
  hyper::DiscoveryKey key;
  key.bytes.fill(std::byte{0x2c});
  EXPECT_EQ(EncodeHex(StoreHeadKey()), "00");
  EXPECT_EQ(EncodeHex(CoreRecordKey(key)), "01" + key.ToHex());
  EXPECT_EQ(EncodeHex(AuthKey(1)), "030100");
  EXPECT_EQ(EncodeHex(HeadKey(1)), "040100");
  EXPECT_EQ(EncodeHex(HintsKey(1)), "040102");
  EXPECT_EQ(EncodeHex(BlockKey(0, hyper::BlockIndex(1))), "04000301");
  EXPECT_EQ(EncodeHex(NodeKey(1, hyper::TreeIndex(6))), "04010406");
  EXPECT_EQ(EncodeHex(PageKey(0, 0)), "0400050000");
  EXPECT_EQ(EncodeHex(BlockKey(300, hyper::BlockIndex(70'000))), "04fc012c03fd00011170");
}

}  // namespace
}  // namespace hnx::corestore7
