#include "http/metrics.h"

#include <string>

#include <gtest/gtest.h>

namespace hnx::http {
namespace {

std::size_t Occurrences(const std::string& text, const std::string& word) {
  std::size_t count = 0;
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    ++count;
  }
  return count;
}

TEST(MetricsTest, LabelsFromOutsideMakeABoundedNumberOfSeries) {
  MetricsRegistry registry;
  MetricCounters counters(registry, "test_things_total", "Things", 10);
  MetricHistograms histograms(registry, "test_seconds", "Seconds", {1, 2}, 10);
  for (int i = 0; i < 1'000; ++i) {
    counters.Add({{"host", "h" + std::to_string(i)}, {"codec", "xz"}}, 2);
    histograms.Observe({{"host", "h" + std::to_string(i)}}, 1);
  }
  counters.Add({{"host", "h3"}, {"codec", "xz"}});
  const std::string text = registry.Serialize();
  EXPECT_EQ(Occurrences(text, "\ntest_things_total{"), 11U);
  EXPECT_EQ(Occurrences(text, "\ntest_seconds_count{"), 11U);
  // None is lost: those that have no series of their own count together.
  EXPECT_NE(text.find("test_things_total{codec=\"other\",host=\"other\"} 1980"), std::string::npos);
  EXPECT_NE(text.find("test_things_total{codec=\"xz\",host=\"h3\"} 3"), std::string::npos);
}

TEST(MetricsTest, SeriesOfAReaderComeAndGo) {
  MetricsRegistry registry;
  std::vector<MetricGauges> shown = {{.name = "test_depth",
                                      .help = "Depth",
                                      .samples = {{{{"a", "x\"\n"}}, 1}, {{{"a", "y"}}, 2}}}};
  registry.GaugesFunction([&shown] { return shown; });
  std::string text = registry.Serialize();
  EXPECT_NE(text.find("# TYPE test_depth gauge"), std::string::npos) << text;
  EXPECT_NE(text.find("test_depth{a=\"x\\\"\\n\"} 1"), std::string::npos) << text;
  shown[0].samples.resize(1);
  text = registry.Serialize();
  EXPECT_EQ(text.find("a=\"y\""), std::string::npos) << text;
}

TEST(MetricsTest, ACounterThatIsReadNeverGoesBack) {
  MetricsRegistry registry;
  double value = 5;
  registry.CounterFunction("test_bytes_total", "Bytes", [&value] { return value; });
  EXPECT_NE(registry.Serialize().find("test_bytes_total 5"), std::string::npos);
  value = 3;
  EXPECT_NE(registry.Serialize().find("test_bytes_total 5"), std::string::npos);
  value = 8;
  EXPECT_NE(registry.Serialize().find("test_bytes_total 8"), std::string::npos);
}

}  // namespace
}  // namespace hnx::http
