#include "coordinator/walk/path_round.h"

#include <gtest/gtest.h>

namespace hnx::coordinator {
namespace {

using Verdict = PathFailure::Verdict;

class PathRoundTest : public ::testing::Test {
 protected:
  PathFailure Decided(Verdict verdict, const std::string& reason, int attempts = 1) {
    PathFailure failure;
    failure.verdict = verdict;
    failure.reason = reason;
    failure.message = "says " + reason;
    failure.attempts = attempts;
    failure.retry_in = std::chrono::milliseconds(verdict == Verdict::kLater ? 70 : 0);
    return failure;
  }
  void Note(PathRound& round, std::size_t place, const PathFailure& failure) {
    ASSERT_EQ(round.Next(upstreams_), place);
    round.Note(place, upstreams_[place], failure, true);
  }

  std::vector<RoundUpstream> upstreams_{{11, "http://a", true}, {12, "http://b", true}};
  const FrontierPath fresh_{7, std::string(32, 'a'), "name", 0};
};

TEST_F(PathRoundTest, AsksInTheOrderOfPreference) {
  PathRound round(fresh_);
  Note(round, 0, Decided(Verdict::kMissing, "http-404"));
  EXPECT_EQ(round.Next(upstreams_), 1U);
}

TEST_F(PathRoundTest, WhatAllLackIsMissing) {
  PathRound round(fresh_);
  Note(round, 0, Decided(Verdict::kMissing, "http-404"));
  Note(round, 1, Decided(Verdict::kMissing, "http-410"));
  EXPECT_FALSE(round.Next(upstreams_));
  const auto end = round.End(upstreams_);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->verdict, Verdict::kMissing);
  EXPECT_EQ(end->reason, "http-410");
}

TEST_F(PathRoundTest, WhatOneLacksWhileTheOtherIsAwayWaitsForThat) {
  upstreams_[0].askable = false;
  PathRound round(fresh_);
  Note(round, 1, Decided(Verdict::kMissing, "http-404"));
  EXPECT_FALSE(round.Next(upstreams_));
  const auto end = round.End(upstreams_);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->verdict, Verdict::kLater);
  EXPECT_EQ(end->ruled_out, std::vector<UpstreamId>{12});
  EXPECT_EQ(end->attempts, 0) << "nothing of it has failed";
  EXPECT_TRUE(end->refused_reason.empty());
}

TEST_F(PathRoundTest, NobodyIsAskedTwiceForWhatHeLacks) {
  FrontierPath known = fresh_;
  known.ruled_out = {11};
  PathRound round(known);
  Note(round, 1, Decided(Verdict::kLater, "http-502"));
  EXPECT_FALSE(round.Next(upstreams_));
  const auto end = round.End(upstreams_);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->verdict, Verdict::kLater);
  EXPECT_EQ(end->attempts, 1);
  EXPECT_EQ(end->retry_in.count(), 70);
  EXPECT_EQ(end->ruled_out, std::vector<UpstreamId>{11});
}

TEST_F(PathRoundTest, ARefusalIsTheReasonThoughTheOthersLackIt) {
  PathRound round(fresh_);
  Note(round, 0, Decided(Verdict::kSetAside, "signature-invalid", 3));
  Note(round, 1, Decided(Verdict::kMissing, "http-404"));
  const auto end = round.End(upstreams_);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->verdict, Verdict::kSetAside);
  EXPECT_EQ(end->reason, "signature-invalid");
  EXPECT_EQ(end->message, "http://a: says signature-invalid");
  EXPECT_EQ(end->attempts, 3);
}

TEST_F(PathRoundTest, ARefusalThatIsOldIsRememberedUntilTheOtherHasAnswered) {
  PathRound first(fresh_);
  Note(first, 0, Decided(Verdict::kSetAside, "signature-invalid"));
  upstreams_[1].askable = false;
  const auto waits = first.End(upstreams_);
  ASSERT_TRUE(waits);
  EXPECT_EQ(waits->verdict, Verdict::kLater);
  EXPECT_EQ(waits->refused_reason, "signature-invalid");
  FrontierPath later = fresh_;
  later.ruled_out = waits->ruled_out;
  later.reason = waits->refused_reason;
  later.message = waits->refused_message;
  upstreams_[1].askable = true;
  PathRound second(later);
  Note(second, 1, Decided(Verdict::kMissing, "http-404"));
  const auto end = second.End(upstreams_);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->verdict, Verdict::kSetAside);
  EXPECT_EQ(end->reason, "signature-invalid");
}

TEST_F(PathRoundTest, WhoeverWasAwayHasAllItsAttemptsWhenTheOtherIsRuledOut) {
  FrontierPath known = fresh_;
  known.attempts = 2;
  PathRound round(known);
  upstreams_[1].askable = false;
  Note(round, 0, Decided(Verdict::kSetAside, "signature-invalid", 3));
  const auto waits = round.End(upstreams_);
  ASSERT_TRUE(waits);
  EXPECT_EQ(waits->verdict, Verdict::kLater);
  EXPECT_EQ(waits->attempts, 0);
}

TEST_F(PathRoundTest, WhenNobodyCanBeAskedThePathStaysAsItIs) {
  upstreams_[0].askable = upstreams_[1].askable = false;
  const PathRound round(fresh_);
  EXPECT_FALSE(round.Next(upstreams_));
  EXPECT_FALSE(round.End(upstreams_));
}

TEST_F(PathRoundTest, WhatWasOnlyAtAnUpstreamThatIsNotConfiguredAnyMoreIsMissing) {
  FrontierPath known = fresh_;
  known.ruled_out = {12, 11};
  const PathRound round(known);
  EXPECT_FALSE(round.Next(upstreams_));
  const auto end = round.End(upstreams_);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->verdict, Verdict::kMissing);
}

}  // namespace
}  // namespace hnx::coordinator
