#include "worker/metrics.h"

#include <string>

#include <gtest/gtest.h>

namespace hnx::worker {
namespace {

std::size_t SeriesOf(const std::string& text, const std::string& name) {
  std::size_t count = 0;
  for (std::size_t at = text.find("\n" + name + "{"); at != std::string::npos;
       at = text.find("\n" + name + "{", at + 1)) {
    ++count;
  }
  return count;
}

TEST(WorkerMetricsTest, WhateverUpstreamsDoTheNumberOfSeriesStaysBounded) {
  Metrics metrics;
  for (int i = 0; i < 100'000; ++i) {
    const std::string word = std::to_string(i);
    metrics.CountTransfer("host" + word, "xz", 10, std::chrono::seconds(1));
    metrics.CountFailed("http-" + word);
    metrics.CountRefused("reason-" + word);
  }
  const std::string text = metrics.registry().Serialize();
  EXPECT_EQ(SeriesOf(text, "hnx_worker_upstream_bytes_total"), kUpstreamSeriesMax + 1);
  EXPECT_EQ(SeriesOf(text, "hnx_worker_nars_failed_total"), kFailureReasonsMax + 1);
  EXPECT_EQ(SeriesOf(text, "hnx_worker_verification_failures_total"), kFailureReasonsMax + 1);
}

TEST(WorkerMetricsTest, KnowsSinceWhenTheCoordinatorIsSilent) {
  Metrics metrics;
  EXPECT_FALSE(metrics.SinceAnswer().has_value());
  metrics.CountSynchronize(false);
  EXPECT_FALSE(metrics.SinceAnswer().has_value());
  metrics.CountSynchronize(true);
  EXPECT_TRUE(metrics.SinceAnswer().has_value());
}

}  // namespace
}  // namespace hnx::worker
