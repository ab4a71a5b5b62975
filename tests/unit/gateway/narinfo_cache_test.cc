#include "gateway/substituter/narinfo_cache.h"

#include <gtest/gtest.h>

namespace hnx::gateway {
namespace {

NarInfoCache::Answer Text(const std::string& body) {
  return std::make_shared<const http::PreparedResponse>(200, std::vector<http::HttpHeader>{}, body);
}

class NarInfoCacheTest : public ::testing::Test {
 protected:
  FakeClock clock_;
  NarInfoCache cache_{std::uint64_t{1} << 20, clock_};
};

TEST_F(NarInfoCacheTest, RemembersAnAnswerForItsVersion) {
  cache_.Put("a", 7, Text("x"));
  ASSERT_NE(cache_.Find("a", 7), nullptr);
  EXPECT_EQ(cache_.Find("a", 7)->body(), "x");
  EXPECT_EQ(cache_.Find("b", 7), nullptr);
}

TEST_F(NarInfoCacheTest, ForgetsWhatWasResolvedForAnotherVersion) {
  cache_.Put("a", 7, Text("x"));
  EXPECT_EQ(cache_.Find("a", 8), nullptr);
  EXPECT_EQ(cache_.size_bytes(), 0U);
}

TEST_F(NarInfoCacheTest, ForgetsWhatIsTooOld) {
  cache_.Put("a", 7, Text("x"));
  clock_.Advance(kNarInfoAgeMax);
  EXPECT_NE(cache_.Find("a", 7), nullptr);
  clock_.Advance(std::chrono::milliseconds(1));
  EXPECT_EQ(cache_.Find("a", 7), nullptr);
}

TEST_F(NarInfoCacheTest, StaysWithinItsBudgetAndKeepsWhatIsUsed) {
  cache_.Put("kept", 1, Text("x"));
  for (int i = 0; i < 5000; ++i) {
    cache_.Put(std::to_string(i), 1, Text(std::string(1000, 'x')));
    ASSERT_NE(cache_.Find("kept", 1), nullptr) << i;
  }
  EXPECT_LE(cache_.size_bytes(), std::uint64_t{1} << 20);
  EXPECT_EQ(cache_.Find("0", 1), nullptr);
}

TEST_F(NarInfoCacheTest, APutTwiceCountsOnce) {
  cache_.Put("a", 1, Text("x"));
  const auto size = cache_.size_bytes();
  cache_.Put("a", 1, Text("y"));
  EXPECT_EQ(cache_.size_bytes(), size);
  EXPECT_EQ(cache_.Find("a", 1)->body(), "y");
}

TEST_F(NarInfoCacheTest, AnAnswerInUseOutlivesItsPlaceInTheCache) {
  cache_.Put("a", 1, Text("x"));
  const auto answer = cache_.Find("a", 1);
  cache_.Clear();
  EXPECT_EQ(answer->body(), "x");
  EXPECT_EQ(cache_.Find("a", 1), nullptr);
}

}  // namespace
}  // namespace hnx::gateway
