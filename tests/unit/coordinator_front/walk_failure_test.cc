#include "coordinator/walk/walk_failure.h"

#include <gtest/gtest.h>

#include "nix/reject_reason.h"

namespace hnx::coordinator {
namespace {

using Verdict = PathFailure::Verdict;

class WalkFailureTest : public ::testing::Test {
 protected:
  static FrontierPath After(int attempts) { return {7, std::string(32, 'a'), "name", attempts}; }
  PathFailure Transfer(int status, int attempts, bool counted = true) {
    http::HttpFailure failure = http::ClassifyStatus(status);
    failure.message = "GET x";
    return DecideTransferFailure(options_, After(attempts), failure, counted, random_);
  }
  PathFailure Refusal(nix::RejectReason reason, int attempts) {
    return DecideRefusal(options_, After(attempts),
                         nix::Reject(ErrorCode::kInvalidArgument, reason, "bad \x1b\xff bytes"),
                         random_);
  }

  WalkFailureOptions options_;
  std::mt19937_64 random_{1};
};

TEST_F(WalkFailureTest, H1AnAbsentNarInfoIsMissingAtOnce) {
  for (const int status : {404, 410}) {
    const PathFailure failure = Transfer(status, 0);
    EXPECT_EQ(failure.verdict, Verdict::kMissing);
    EXPECT_EQ(failure.reason, "http-" + std::to_string(status));
  }
}

TEST_F(WalkFailureTest, H5TransientFailuresAreTriedAgainAndCountedToALimit) {
  EXPECT_EQ(Transfer(502, 0).verdict, Verdict::kLater);
  EXPECT_EQ(Transfer(502, 0).attempts, 1);
  EXPECT_EQ(Transfer(502, options_.transient.attempts_max - 1).verdict, Verdict::kSetAside);
}

TEST_F(WalkFailureTest, H4ThrottlingIsForgivenLonger) {
  EXPECT_EQ(Transfer(429, options_.transient.attempts_max - 1).verdict, Verdict::kLater);
  EXPECT_EQ(Transfer(503, options_.throttled_attempts_max - 1).verdict, Verdict::kSetAside);
}

TEST_F(WalkFailureTest, AnOutageNeverCounts) {
  const PathFailure failure = Transfer(502, options_.transient.attempts_max + 100, false);
  EXPECT_EQ(failure.verdict, Verdict::kLater);
  EXPECT_EQ(failure.attempts, options_.transient.attempts_max + 100);
}

TEST_F(WalkFailureTest, ARefusalIsTriedTwiceMoreWithGrowingWaits) {
  EXPECT_EQ(Refusal(nix::RejectReason::kSignatureInvalid, 0).verdict, Verdict::kLater);
  EXPECT_EQ(Refusal(nix::RejectReason::kSignatureInvalid, 1).verdict, Verdict::kLater);
  const PathFailure last = Refusal(nix::RejectReason::kSignatureInvalid, 2);
  EXPECT_EQ(last.verdict, Verdict::kSetAside);
  EXPECT_EQ(last.reason, "signature-invalid");
  EXPECT_EQ(last.attempts, 3);
}

TEST_F(WalkFailureTest, MessagesCarryNoForeignControlBytes) {
  const std::string message = Refusal(nix::RejectReason::kNarInfoSyntax, 0).message;
  for (const char c : message) {
    EXPECT_TRUE(c >= ' ' && c <= '~') << message;
  }
}

}  // namespace
}  // namespace hnx::coordinator
