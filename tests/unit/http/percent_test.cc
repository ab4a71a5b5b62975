#include "http/percent.h"

#include <gtest/gtest.h>

namespace hnx::http {
namespace {

TEST(PercentDecode, DecodesWhatUrlsMayNotHoldAndLeavesThePlus) {
  EXPECT_EQ(PercentDecode("a%20b%2Bc+d=").value(), "a b+c+d=");
  EXPECT_EQ(PercentDecode("").value(), "");
  EXPECT_EQ(PercentDecode("%e2%82%ac").value(), "\xe2\x82\xac");
}

TEST(PercentDecode, RefusesWhatIsMalformed) {
  for (const char* text : {"%", "a%2", "%zz", "100%", "%2%20"}) {
    EXPECT_FALSE(PercentDecode(text).has_value()) << text;
  }
  EXPECT_FALSE(PercentDecode(std::string(100'000, 'a')).has_value());
}

}  // namespace
}  // namespace hnx::http
