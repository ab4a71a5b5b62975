#include "base/bytes.h"

#include <gtest/gtest.h>

namespace hnx {
namespace {

TEST(BytesTest, LittleEndianNumbersPutTheSmallestByteFirst) {
  std::array<std::byte, 8> out = {};
  StoreLe64(0x0102030405060708, out);
  EXPECT_EQ(out[0], std::byte{8});
  EXPECT_EQ(out[7], std::byte{1});
  EXPECT_EQ(LoadLe64(out), 0x0102030405060708U);
  EXPECT_EQ(LoadLe32(out), 0x05060708U);
}

TEST(BytesDeathTest, LoadingPastTheEndIsABug) {
  const Bytes three(3);
  EXPECT_DEATH((void)LoadLe32(three), "CHECK failed");
}

TEST(BytesTest, TextAndBytesViewTheSameMemory) {
  const std::string text = "abc";
  EXPECT_EQ(static_cast<const void*>(AsBytes(text).data()), static_cast<const void*>(text.data()));
  EXPECT_EQ(AsText(AsBytes(text)), text);
}

}  // namespace
}  // namespace hnx
