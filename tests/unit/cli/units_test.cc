#include "cli/units.h"

#include <gtest/gtest.h>

namespace hnx::cli {
namespace {

using std::chrono::milliseconds;

TEST(ByteSizeTest, ReadsWhatPeopleWrite) {
  EXPECT_EQ(*ParseByteSize("0"), 0U);
  EXPECT_EQ(*ParseByteSize("4096"), 4096U);
  EXPECT_EQ(*ParseByteSize("64MiB"), 64U << 20U);
  EXPECT_EQ(*ParseByteSize("64mib"), 64U << 20U);
  EXPECT_EQ(*ParseByteSize("64M"), 64U << 20U);
  EXPECT_EQ(*ParseByteSize("1.5 GiB"), 3U << 29U);
  EXPECT_EQ(*ParseByteSize("10MB"), 10'000'000U);
  EXPECT_EQ(*ParseByteSize("18446744073709551615"), UINT64_MAX);
}

TEST(ByteSizeTest, RefusesWhatItWouldHaveToGuess) {
  for (const char* text : {"", "MiB", "-1", "1,5GiB", "12 parsecs", "1e9", "1.2.3K", "0x10", " 1",
                           "99999999999999999999999", "99999999PiB", "nan", "inf"}) {
    EXPECT_FALSE(ParseByteSize(text).has_value()) << text;
  }
}

TEST(DurationTest, ReadsWhatPeopleWrite) {
  EXPECT_EQ(*ParseDuration("0"), milliseconds(0));
  EXPECT_EQ(*ParseDuration("250ms"), milliseconds(250));
  EXPECT_EQ(*ParseDuration("1.5m"), milliseconds(90'000));
  EXPECT_EQ(*ParseDuration("1h30m"), milliseconds(5'400'000));
  EXPECT_EQ(*ParseDuration("7d"), milliseconds(604'800'000));
}

TEST(DurationTest, RefusesNumbersWithoutAUnit) {
  for (const char* text :
       {"", "30", "s", "-1s", "1h30", "1 s", "5y", "1e99d", "99999999999999999d"}) {
    EXPECT_FALSE(ParseDuration(text).has_value()) << text;
  }
}

TEST(FormatTest, WritesForPeople) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(1023), "1023 B");
  EXPECT_EQ(FormatBytes(1536), "1.5 KiB");
  EXPECT_EQ(FormatBytes(UINT64_MAX), "16384.0 PiB");
  EXPECT_EQ(FormatByteRate(-1), "0 B/s");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1000), "1,000");
  EXPECT_EQ(FormatCount(1234567), "1,234,567");
  EXPECT_EQ(FormatDuration(milliseconds(350)), "350 ms");
  EXPECT_EQ(FormatDuration(milliseconds(1500)), "1.5s");
  EXPECT_EQ(FormatDuration(milliseconds(80'000)), "1m 20s");
  EXPECT_EQ(FormatDuration(milliseconds(7'500'000)), "2h 05m");
  EXPECT_EQ(FormatDuration(milliseconds(-5)), "0 ms");
}

}  // namespace
}  // namespace hnx::cli
