#include "base/hex.h"

#include <gtest/gtest.h>

namespace hnx {
namespace {

TEST(HexTest, EitherCaseDecodesAndLowerCaseIsWritten) {
  EXPECT_EQ(EncodeHex(DecodeHex("00fFaB").value()), "00ffab");
}

TEST(HexTest, OddLengthAndForeignCharactersAreRefused) {
  EXPECT_FALSE(DecodeHex("abc").has_value());
  EXPECT_FALSE(DecodeHex("0g").has_value());
  EXPECT_FALSE(DecodeHex(" 0").has_value());
}

}  // namespace
}  // namespace hnx
