#include "base/crash_point.h"

#include <csignal>
#include <cstdlib>

#include <gtest/gtest.h>

namespace hnx {
namespace {

TEST(CrashPointDeathTest, TheNamedPointDiesByKillAtItsCountAndNoOther) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        ::setenv("HNX_CRASH_AT", "second.pass:2", 1);
        CrashPoint("other.point");
        CrashPoint("second.pass");
        (void)std::fputs("first pass survived\n", stderr);
        CrashPoint("second.pass");
      },
      ::testing::KilledBySignal(SIGKILL), "first pass survived");
}

TEST(CrashPointTest, NothingHappensWhenNothingIsAskedFor) {
  CrashPoint("any.point");
}

}  // namespace
}  // namespace hnx
