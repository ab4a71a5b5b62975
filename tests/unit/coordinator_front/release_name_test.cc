#include "coordinator/channel/release_name.h"

#include <gtest/gtest.h>

namespace hnx::coordinator {
namespace {

TEST(ReleaseNameTest, OrdersByVersionAndNotByText) {
  const std::vector<std::string> ascending{
      "nixos-25.11.9999.0123456789ab",      "nixos-26.05pre900000.0123456789ab",
      "nixos-26.05.999.0123456789ab",       "nixos-26.05.1000.0123456789ab",
      "nixos-26.11pre1234567.0123456789ab", "nixos-26.11pre1234568.0000000000ab"};
  for (std::size_t i = 0; i + 1 < ascending.size(); ++i) {
    EXPECT_TRUE(CompareReleaseNames(ascending[i], ascending[i + 1]) < 0) << ascending[i];
    EXPECT_TRUE(CompareReleaseNames(ascending[i + 1], ascending[i]) > 0) << ascending[i];
  }
}

TEST(ReleaseNameTest, TheCommitSaysNothingAboutAge) {
  EXPECT_TRUE(CompareReleaseNames("nixos-26.05.1.aaaaaaaaaaaa", "nixos-26.05.1.bbbbbbbbbbbb") == 0);
  EXPECT_TRUE(CompareReleaseNames("nixpkgs-26.05.007", "nixpkgs-26.05.7") == 0);
}

TEST(ReleaseNameTest, TakesOnlyPlainNames) {
  EXPECT_TRUE(IsSafeName("nixos-unstable"));
  EXPECT_TRUE(IsSafeName("packages.json.br"));
  EXPECT_TRUE(IsSafeName(std::string(kReleaseNameLengthMax, 'a')));
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string("a/b"), std::string("-a"),
        std::string("a b"), std::string("a\0b", 3), std::string("a%2fb"), std::string("ä"),
        std::string(kReleaseNameLengthMax + 1, 'a')}) {
    EXPECT_FALSE(IsSafeName(name)) << name;
  }
}

}  // namespace
}  // namespace hnx::coordinator
