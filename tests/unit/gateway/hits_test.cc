// Counting what clients ask for, and telling the coordinator of it.
#include <gtest/gtest.h>

#include "gateway/hits/hit_counter.h"
#include "gateway/hits/hit_reporter.h"

namespace hnx::gateway {
namespace {

std::uint64_t CountOf(const std::vector<Hit>& hits, const std::string& hash) {
  std::uint64_t count = 0;
  for (const Hit& hit : hits) {
    count += hit.hash == hash ? hit.count : 0;
  }
  return count;
}

TEST(HitCounter, CountsEachPathAndBeginsAnewWhenTheCountsAreTaken) {
  http::MetricsRegistry metrics;
  HitCounter counter(metrics);
  counter.Count("a");
  counter.Count("b");
  counter.Count("a");
  const auto hits = counter.Take(10);
  EXPECT_EQ(hits.size(), 2U);
  EXPECT_EQ(CountOf(hits, "a"), 2U);
  EXPECT_TRUE(counter.Take(10).empty());
}

TEST(HitCounter, GivesNoMoreThanWasAskedForAndKeepsTheRest) {
  http::MetricsRegistry metrics;
  HitCounter counter(metrics);
  for (int path = 0; path < 10; ++path) {
    counter.Count(std::to_string(path));
  }
  EXPECT_EQ(counter.Take(7).size(), 7U);
  EXPECT_EQ(counter.Take(7).size(), 3U);
}

TEST(HitCounter, IsBoundedAndSaysHowManyRequestsItDidNotCount) {
  http::MetricsRegistry metrics;
  HitCounter counter(metrics, 32);
  for (int path = 0; path < 1000; ++path) {
    counter.Count(std::to_string(path));
  }
  const std::size_t counted = counter.Take(1000).size();
  EXPECT_LE(counted, 32U);
  EXPECT_NE(metrics.Serialize().find("hnx_gateway_hits_uncounted_total " +
                                     std::to_string(1000 - counted)),
            std::string::npos);
}

class HitReporterTest : public testing::Test {
 protected:
  Result<void> Send(const HitReport& report) {
    reports_.push_back(report);
    return outcome_;
  }

  http::MetricsRegistry metrics_;
  HitCounter counter_{metrics_};
  Result<void> outcome_;
  std::vector<HitReport> reports_;
  HitReporter reporter_{counter_, MakeGatewayId(),
                        [this](const HitReport& report) { return Send(report); }};
};

TEST_F(HitReporterTest, SaysNothingWhenNothingWasAskedFor) {
  reporter_.RunOnce();
  EXPECT_TRUE(reports_.empty());
}

TEST_F(HitReporterTest, NumbersItsReports) {
  for (int report = 0; report < 2; ++report) {
    counter_.Count("a");
    reporter_.RunOnce();
  }
  ASSERT_EQ(reports_.size(), 2U);
  EXPECT_EQ(reports_[0].gateway.size(), 32U);
  EXPECT_EQ(reports_[0].gateway, reports_[1].gateway);
  EXPECT_EQ(reports_[0].sequence, 1U);
  EXPECT_EQ(reports_[1].sequence, 2U);
}

TEST_F(HitReporterTest, RepeatsOneThatWasNotAnsweredUnderItsNumber) {
  counter_.Count("a");
  outcome_ = Unavailable("nobody is there");
  reporter_.RunOnce();
  counter_.Count("a");
  outcome_ = {};
  reporter_.RunOnce();
  ASSERT_EQ(reports_.size(), 3U);
  EXPECT_EQ(reports_[1].sequence, 1U);
  EXPECT_EQ(CountOf(reports_[1].hits, "a"), 1U) << "what came since is another report";
  EXPECT_EQ(reports_[2].sequence, 2U);
}

TEST_F(HitReporterTest, GivesUpOneThatIsRefused) {
  counter_.Count("a");
  outcome_ = InvalidArgument("no");
  reporter_.RunOnce();
  reporter_.RunOnce();
  EXPECT_EQ(reports_.size(), 1U);
}

TEST_F(HitReporterTest, SendsAsManyReportsAsItTakes) {
  for (std::size_t path = 0; path < kHitsPerReport + 1; ++path) {
    counter_.Count(std::to_string(path));
  }
  reporter_.RunOnce();
  ASSERT_EQ(reports_.size(), 2U);
  EXPECT_EQ(reports_[0].hits.size() + reports_[1].hits.size(), kHitsPerReport + 1);
}

TEST(HitSender, RefusesWhatIsNoAddress) {
  EXPECT_FALSE(MakeHitSender({"nowhere"}).has_value());
  EXPECT_FALSE(MakeHitSender({}).has_value());
  EXPECT_TRUE(MakeHitSender({"127.0.0.1:7070", "[::1]:7070"}).has_value());
}

}  // namespace
}  // namespace hnx::gateway
