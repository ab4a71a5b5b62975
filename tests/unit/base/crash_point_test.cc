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

TEST(CrashPointDeathTest, OfSeveralPointsWhicheverComesFirstIsTheOne) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        ::setenv("HNX_CRASH_AT", "never.passed,second.pass:2,other.point", 1);
        CrashPoint("second.pass");
        (void)std::fputs("first pass survived\n", stderr);
        CrashPoint("other.point");
        std::exit(0);  // not reached
      },
      ::testing::KilledBySignal(SIGKILL), "first pass survived");
}

TEST(CrashPointTest, NothingHappensWhenNothingIsAskedFor) {
  CrashPoint("any.point");
}

}  // namespace
}  // namespace hnx
