#include "gateway/source_refresher.h"

#include <gtest/gtest.h>

#include "fake_mirror.h"

namespace hnx::gateway {
namespace {

class SourceRefresherTest : public ::testing::Test {
 protected:
  FakeMirror mirror_;
  FakeClock clock_;
  http::MetricsRegistry metrics_;
  SourceRefresher refresher_{mirror_, std::chrono::milliseconds(100), metrics_, clock_};
};

TEST_F(SourceRefresherTest, IsReadyAfterTheFirstRefreshThatWorks) {
  mirror_.broken = true;
  EXPECT_FALSE(refresher_.Ready());
  refresher_.RunOnce();
  EXPECT_EQ(refresher_.Ready().error().message, "tree node does not verify");
  mirror_.broken = false;
  refresher_.RunOnce();
  EXPECT_TRUE(refresher_.Ready());
}

TEST_F(SourceRefresherTest, StaysReadyThroughShortTroubleOnly) {
  refresher_.RunOnce();
  mirror_.broken = true;
  refresher_.RunOnce();
  EXPECT_TRUE(refresher_.Ready());
  clock_.Advance(kStaleAfter + std::chrono::seconds(1));
  EXPECT_FALSE(refresher_.Ready());
}

TEST_F(SourceRefresherTest, CountsItsErrorsAndTellsItsAge) {
  EXPECT_NE(metrics_.Serialize().find("hnx_gateway_index_age_seconds -1"), std::string::npos);
  refresher_.RunOnce();
  clock_.Advance(std::chrono::seconds(5));
  mirror_.broken = true;
  refresher_.RunOnce();
  const auto text = metrics_.Serialize();
  EXPECT_NE(text.find("hnx_gateway_refresh_errors_total 1"), std::string::npos) << text;
  EXPECT_NE(text.find("hnx_gateway_refresh_age_seconds 5"), std::string::npos) << text;
  EXPECT_NE(text.find("hnx_gateway_index_version 1"), std::string::npos) << text;
}

TEST_F(SourceRefresherTest, StartsAndStops) {
  refresher_.Start();
  refresher_.Stop();
  refresher_.Stop();
}

}  // namespace
}  // namespace hnx::gateway
