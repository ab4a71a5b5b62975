#include "coordinator/channel/root_filter.h"

#include <gtest/gtest.h>

namespace hnx::coordinator {
namespace {

constexpr const char* kHello = "1b9p07z77phvv2hf6gm9f28syp39f1ag-hello-2.12";

TEST(RootFilterTest, WantsEverythingByItself) {
  EXPECT_TRUE(RootFilter::Create({}, {})->Wants(kHello));
}

TEST(RootFilterTest, AnyMatchWillDoAndAnyExclusionEndsIt) {
  EXPECT_TRUE(RootFilter::Create({"-bash-", "-hello-[0-9]"}, {})->Wants(kHello));
  EXPECT_FALSE(RootFilter::Create({"-bash-"}, {})->Wants(kHello));
  EXPECT_FALSE(RootFilter::Create({"hello"}, {"2\\.12$"})->Wants(kHello));
  EXPECT_TRUE(RootFilter::Create({}, {"-bash-"})->Wants(kHello));
}

TEST(RootFilterTest, RefusesPatternsThatCannotBeRead) {
  for (const char* pattern : {"(", "[a", "a{2,1}", "*"}) {
    const auto filter = RootFilter::Create({pattern}, {});
    ASSERT_FALSE(filter.has_value()) << pattern;
    EXPECT_NE(filter.error().message.find(pattern), std::string::npos);
  }
  EXPECT_FALSE(RootFilter::Create({std::string(kRootPatternLengthMax + 1, 'a')}, {}).has_value());
  EXPECT_FALSE(
      RootFilter::Create(std::vector<std::string>(kRootPatternsMax + 1, "a"), {}).has_value());
}

}  // namespace
}  // namespace hnx::coordinator
