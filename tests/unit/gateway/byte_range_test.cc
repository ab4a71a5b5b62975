#include "gateway/substituter/byte_range.h"

#include <gtest/gtest.h>

namespace hnx::gateway {
namespace {

void ExpectPart(std::string_view header, std::uint64_t first, std::uint64_t length) {
  const auto answer = EvaluateRange(header, 10);
  EXPECT_EQ(answer.verdict, RangeVerdict::kPart) << header;
  EXPECT_EQ(answer.first, first) << header;
  EXPECT_EQ(answer.length, length) << header;
}

TEST(EvaluateRange, G3TakesSingleRanges) {
  ExpectPart("bytes=0-0", 0, 1);
  ExpectPart("bytes=5-", 5, 5);
  ExpectPart("bytes=2-4", 2, 3);
}

TEST(EvaluateRange, G3CutsAtTheEnd) {
  ExpectPart("bytes=5-100", 5, 5);
  ExpectPart("bytes=9-18446744073709551615", 9, 1);
  ExpectPart("bytes=9-99999999999999999999999", 9, 1);
}

TEST(EvaluateRange, G3TakesSuffixes) {
  ExpectPart("bytes=-3", 7, 3);
  ExpectPart("bytes=-10", 0, 10);
  ExpectPart("bytes=-999", 0, 10);
}

TEST(EvaluateRange, G3CannotSatisfyWhatLiesBehindTheEnd) {
  for (const char* header :
       {"bytes=10-", "bytes=10-20", "bytes=99999999999999999999-", "bytes=-0"}) {
    EXPECT_EQ(EvaluateRange(header, 10).verdict, RangeVerdict::kUnsatisfiable) << header;
  }
  EXPECT_EQ(EvaluateRange("bytes=0-", 0).verdict, RangeVerdict::kUnsatisfiable);
  EXPECT_EQ(EvaluateRange("bytes=-5", 0).verdict, RangeVerdict::kUnsatisfiable);
}

TEST(EvaluateRange, G3SendsTheWholeForWhatItDoesNotSpeak) {
  for (const char* header :
       {"", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=1-a", "bytes=5-2", "bytes=0-1,3-4",
        "bytes=0-1,", "lines=0-1", "bytes=+1-2", "bytes=1--2", "bytes= 1 - 2", "0-1"}) {
    const auto answer = EvaluateRange(header, 10);
    EXPECT_EQ(answer.verdict, RangeVerdict::kWhole) << header;
    EXPECT_EQ(answer.length, 10U) << header;
  }
}

}  // namespace
}  // namespace hnx::gateway
