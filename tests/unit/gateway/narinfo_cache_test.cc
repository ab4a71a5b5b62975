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
  cache_.Put("a", 7, "\"e\"", Text("x"));
  ASSERT_NE(cache_.Find("a", 7).answer, nullptr);
  EXPECT_EQ(cache_.Find("a", 7).answer->body(), "x");
  EXPECT_EQ(cache_.Find("b", 7).answer, nullptr);
}

TEST_F(NarInfoCacheTest, SaysWhenAnEntryIsOfAnotherVersionUntilItIsConfirmed) {
  cache_.Put("a", 7, "\"e\"", Text("x"));
  EXPECT_EQ(cache_.Find("a", 7).etag, "");
  EXPECT_EQ(cache_.Find("a", 8).etag, "\"e\"");
  cache_.Confirm("a", 8);
  EXPECT_EQ(cache_.Find("a", 8).etag, "");
  cache_.Confirm("b", 8);  // not there: nothing happens
  EXPECT_EQ(cache_.Find("b", 8).answer, nullptr);
}

TEST_F(NarInfoCacheTest, ForgetsWhatIsTooOld) {
  cache_.Put("a", 7, "\"e\"", Text("x"));
  clock_.Advance(kNarInfoAgeMax);
  cache_.Confirm("a", 8);  // does not make it younger
  cache_.Confirm("a", 7);
  EXPECT_NE(cache_.Find("a", 7).answer, nullptr);
  clock_.Advance(std::chrono::milliseconds(1));
  EXPECT_EQ(cache_.Find("a", 7).answer, nullptr);
}

TEST_F(NarInfoCacheTest, StaysWithinItsBudgetAndKeepsWhatIsUsed) {
  cache_.Put("kept", 1, "\"e\"", Text("x"));
  for (int i = 0; i < 5000; ++i) {
    cache_.Put(std::to_string(i), 1, "\"e\"", Text(std::string(1000, 'x')));
    ASSERT_NE(cache_.Find("kept", 1).answer, nullptr) << i;
  }
  EXPECT_LE(cache_.size_bytes(), std::uint64_t{1} << 20);
  EXPECT_EQ(cache_.Find("0", 1).answer, nullptr);
}

TEST_F(NarInfoCacheTest, APutTwiceCountsOnce) {
  cache_.Put("a", 1, "\"e\"", Text("x"));
  const auto size = cache_.size_bytes();
  cache_.Put("a", 1, "\"e\"", Text("y"));
  EXPECT_EQ(cache_.size_bytes(), size);
  EXPECT_EQ(cache_.Find("a", 1).answer->body(), "y");
}

TEST_F(NarInfoCacheTest, AnAnswerInUseOutlivesItsPlaceInTheCache) {
  cache_.Put("a", 1, "\"e\"", Text("x"));
  const auto answer = cache_.Find("a", 1).answer;
  cache_.Clear();
  EXPECT_EQ(answer->body(), "x");
  EXPECT_EQ(cache_.Find("a", 1).answer, nullptr);
}

}  // namespace
}  // namespace hnx::gateway
