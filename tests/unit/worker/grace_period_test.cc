#include "worker/grace_period.h"

#include <future>

#include <gtest/gtest.h>

namespace hnx::worker {
namespace {

using std::chrono::milliseconds;

TEST(GracePeriodTest, IsOverWhenItsTimeHasCome) {
  std::promise<void> over;
  const GracePeriod period(milliseconds(1), [&] { over.set_value(); });
  EXPECT_EQ(over.get_future().wait_for(std::chrono::seconds(60)), std::future_status::ready);
}

TEST(GracePeriodTest, OneThatIsKeptIsNeverOver) {
  bool over = false;
  {
    const GracePeriod period(std::chrono::hours(1), [&] { over = true; });
  }
  EXPECT_FALSE(over);
}

}  // namespace
}  // namespace hnx::worker
