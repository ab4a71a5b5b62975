#include "coordinator/domain/failure_policy.h"

#include <gtest/gtest.h>

namespace hnx::coordinator {
namespace {

using std::chrono::milliseconds;

NarDecision Decide(const NarFailureFacts& facts) {
  std::mt19937_64 random(1);
  return DecideNarFailure({}, facts, random);
}

// What docs/STATE_MACHINE.md says of each class.
TEST(FailurePolicyTest, EachClassOfFailureHasItsOwnEnd) {
  const FailurePolicyOptions options;
  struct Case {
    const char* what;
    ErrorCode code;
    const char* reason;
    FailureClass failure;
    NarVerdict first;
    int attempts_max;  // the last one sets it aside; 0: it never does
  };
  const Case cases[] = {
      {"404", ErrorCode::kNotFound, "http-404", FailureClass::kAbsent, NarVerdict::kMissing, 0},
      {"429", ErrorCode::kUnavailable, "http-429", FailureClass::kThrottled, NarVerdict::kRetry,
       options.throttled_attempts_max},
      {"503", ErrorCode::kUnavailable, "http-503", FailureClass::kThrottled, NarVerdict::kRetry,
       options.throttled_attempts_max},
      {"500", ErrorCode::kUnavailable, "http-500", FailureClass::kPassing, NarVerdict::kRetry,
       options.transient.attempts_max},
      {"time-out", ErrorCode::kDeadlineExceeded, "too-slow", FailureClass::kPassing,
       NarVerdict::kRetry, options.transient.attempts_max},
      {"connection", ErrorCode::kUnavailable, "connect", FailureClass::kPassing, NarVerdict::kRetry,
       options.transient.attempts_max},
      {"hash mismatch", ErrorCode::kDataLoss, "nar-hash-mismatch", FailureClass::kWrongBytes,
       NarVerdict::kRetry, options.wrong_bytes_attempts_max},
      {"bad grammar", ErrorCode::kInvalidArgument, "nar-grammar", FailureClass::kWrongBytes,
       NarVerdict::kRetry, options.wrong_bytes_attempts_max},
      {"disk full", ErrorCode::kResourceExhausted, "disk-full", FailureClass::kWorker,
       NarVerdict::kRelease, 0},
      {"cancelled", ErrorCode::kCancelled, "cancelled", FailureClass::kWorker, NarVerdict::kRelease,
       0},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.what);
    EXPECT_EQ(ClassifyFailure(c.code, c.reason), c.failure);
    EXPECT_EQ(Decide({.code = c.code, .reason = c.reason}).verdict, c.first);
    if (c.attempts_max == 0) {
      EXPECT_EQ(Decide({.code = c.code, .reason = c.reason, .attempts_before = 1'000}).verdict,
                c.first);
      continue;
    }
    EXPECT_EQ(
        Decide({.code = c.code, .reason = c.reason, .attempts_before = c.attempts_max - 2}).verdict,
        NarVerdict::kRetry);
    EXPECT_EQ(
        Decide({.code = c.code, .reason = c.reason, .attempts_before = c.attempts_max - 1}).verdict,
        NarVerdict::kSetAside);
  }
}

TEST(FailurePolicyTest, WaitsGrowAreJitteredAndHaveACap) {
  const RetryPolicy policy = FailurePolicyOptions{}.transient;
  std::mt19937_64 random(5);
  for (int attempt = 1; attempt < 9; ++attempt) {
    const milliseconds ceiling = std::min(policy.cap, policy.base * (1 << (attempt - 1)));
    milliseconds shortest = policy.cap;
    milliseconds longest{0};
    for (int draw = 0; draw < 200; ++draw) {
      const milliseconds wait = DecideNarFailure({},
                                                 {.code = ErrorCode::kUnavailable,
                                                  .reason = "http-502",
                                                  .attempts_before = attempt - 1},
                                                 random)
                                    .delay;
      shortest = std::min(shortest, wait);
      longest = std::max(longest, wait);
    }
    EXPECT_GE(shortest, ceiling / 2) << "attempt " << attempt;
    EXPECT_LE(longest, ceiling) << "attempt " << attempt;
    EXPECT_LT(shortest, longest) << "attempt " << attempt << ": no jitter";
  }
}

TEST(FailurePolicyTest, AnOutageSetsNoNarAside) {
  for (const char* reason : {"http-500", "http-429", "too-slow"}) {
    const NarDecision decision = Decide({.code = ErrorCode::kUnavailable,
                                         .reason = reason,
                                         .attempts_before = 1'000,
                                         .host_in_trouble = true});
    EXPECT_EQ(decision.verdict, NarVerdict::kRelease) << reason;
    EXPECT_GT(decision.delay.count(), 0) << reason;
  }
  EXPECT_EQ(
      Decide({.code = ErrorCode::kDataLoss, .attempts_before = 1, .host_in_trouble = true}).verdict,
      NarVerdict::kSetAside)
      << "wrong bytes are the NAR's own";
}

TEST(FailurePolicyTest, RetryAfterPausesTheUpstreamAndTheNarButNotForEver) {
  const NarDecision asked = Decide({.code = ErrorCode::kUnavailable,
                                    .reason = "http-429",
                                    .retry_after = std::chrono::seconds(7)});
  EXPECT_EQ(asked.pause_upstream, std::chrono::seconds(7));
  EXPECT_GE(asked.delay, std::chrono::seconds(7));
  EXPECT_EQ(Decide({.code = ErrorCode::kUnavailable, .retry_after = std::chrono::hours(1'000)})
                .pause_upstream,
            FailurePolicyOptions{}.transient.retry_after_cap);
}

}  // namespace
}  // namespace hnx::coordinator
