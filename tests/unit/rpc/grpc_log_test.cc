#include "rpc/grpc_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hnx::rpc {
namespace {

using testing::Optional;

class GrpcLogLimitTest : public testing::Test {
 protected:
  std::optional<std::uint64_t> At(Clock::SteadyTime::duration time, int line = 1) {
    return limit_.Admit("a.cc", line, Clock::SteadyTime(time));
  }

  GrpcLogLimit limit_;
};

TEST_F(GrpcLogLimitTest, WritesOneLineOfAPlaceInAnIntervalAndCountsTheOthers) {
  EXPECT_THAT(At(std::chrono::seconds(0)), Optional(0U));
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(At(std::chrono::milliseconds(i)), std::nullopt);
  }
  EXPECT_EQ(At(kGrpcLogInterval - std::chrono::milliseconds(1)), std::nullopt);
  EXPECT_THAT(At(kGrpcLogInterval), Optional(1001U));
  EXPECT_EQ(At(kGrpcLogInterval), std::nullopt);
  EXPECT_THAT(At(2 * kGrpcLogInterval), Optional(1U));
}

TEST_F(GrpcLogLimitTest, TellsPlacesApart) {
  EXPECT_THAT(At(std::chrono::seconds(0), 1), Optional(0U));
  EXPECT_THAT(At(std::chrono::seconds(0), 2), Optional(0U));
  EXPECT_THAT(limit_.Admit("b.cc", 1, Clock::SteadyTime()), Optional(0U));
}

TEST_F(GrpcLogLimitTest, TellsApartSoManyPlacesAndNoMore) {
  std::size_t written = 0;
  for (int line = 0; line < 10'000; ++line) {
    written += At(std::chrono::seconds(0), line) ? 1 : 0;
  }
  EXPECT_EQ(written, kGrpcLogPlacesMax);
  EXPECT_EQ(At(std::chrono::seconds(1), 5), std::nullopt) << "a known place is known";
  EXPECT_THAT(At(kGrpcLogInterval, 20'000), Optional(10'000 - kGrpcLogPlacesMax));
}

TEST(GrpcLogTextTest, IsOneShortPrintableLine) {
  EXPECT_EQ(GrpcLogText("src/core/tsi/x.cc", 7, "a\nb\x1b[31m\xff"), "x.cc:7: a?b?[31m?");
  EXPECT_EQ(GrpcLogText("x.cc", 7, std::string(100'000, 'a')).size(),
            kGrpcLogMessageBytesMax + std::string("x.cc:7: ").size());
  EXPECT_EQ(GrpcLogText("", 0, ""), ":0: ");
}

}  // namespace
}  // namespace hnx::rpc
