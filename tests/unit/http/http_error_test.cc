#include "http/http_error.h"

#include <gtest/gtest.h>

namespace hnx::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// 2026-11-22 12:00:00 UTC
constexpr Clock::WallTime kNow{milliseconds{1'795'348'800'000}};

TEST(ClassifyStatus, H1SaysMissingWithAuthority) {
  for (const int status : {404, 410}) {
    EXPECT_EQ(ClassifyStatus(status).code, ErrorCode::kNotFound) << status;
    EXPECT_EQ(ClassifyStatus(status).advice, UpstreamAdvice::kGoOn) << status;
  }
}

TEST(ClassifyStatus, H2TakesForbiddenAsTransientUnlessTheCacheIsABareBucket) {
  EXPECT_EQ(ClassifyStatus(403).code, ErrorCode::kUnavailable);
  EXPECT_EQ(ClassifyStatus(403, {.forbidden_means_missing = true}).code, ErrorCode::kNotFound);
}

TEST(ClassifyStatus, H3StopsAskingWhenTheUpstreamRefusesUs) {
  for (const int status : {400, 401, 407, 418, 451}) {
    EXPECT_EQ(ClassifyStatus(status).code, ErrorCode::kFailedPrecondition) << status;
    EXPECT_EQ(ClassifyStatus(status).advice, UpstreamAdvice::kStop) << status;
  }
}

TEST(ClassifyStatus, H4SlowsDownForThrottling) {
  for (const int status : {429, 503}) {
    EXPECT_EQ(ClassifyStatus(status).code, ErrorCode::kUnavailable) << status;
    EXPECT_EQ(ClassifyStatus(status).advice, UpstreamAdvice::kSlowDown) << status;
  }
}

TEST(ClassifyStatus, H5RetriesServerErrors) {
  for (const int status : {408, 500, 502, 504, 520, 522, 524, 599}) {
    EXPECT_EQ(ClassifyStatus(status).code, ErrorCode::kUnavailable) << status;
    EXPECT_EQ(ClassifyStatus(status).reason, HttpReason::kServerError) << status;
  }
}

TEST(ClassifyStatus, H6GivesUpOnAnUpstreamThatLacksTheProtocol) {
  for (const int status : {501, 505, 511}) {
    EXPECT_EQ(ClassifyStatus(status).advice, UpstreamAdvice::kStop) << status;
  }
}

TEST(ClassifyStatus, H7RejectsStatusesThatAnswerNothing) {
  for (const int status : {201, 204, 206, 300, 304, 406, 422, 600, 999}) {
    EXPECT_EQ(ClassifyStatus(status).code, ErrorCode::kInvalidArgument) << status;
    EXPECT_EQ(ClassifyStatus(status).reason, HttpReason::kUnexpectedStatus) << status;
  }
}

TEST(ParseRetryAfter, H4TakesSeconds) {
  EXPECT_EQ(ParseRetryAfter("120", kNow), seconds(120));
  EXPECT_EQ(ParseRetryAfter(" 0 ", kNow), seconds(0));
}

TEST(ParseRetryAfter, H4TakesDates) {
  EXPECT_EQ(ParseRetryAfter("Sun, 22 Nov 2026 12:02:00 GMT", kNow), seconds(120));
  EXPECT_EQ(ParseRetryAfter("Sun, 22 Nov 2020 12:02:00 GMT", kNow), seconds(0));
}

TEST(ParseRetryAfter, H4ClampsAbsurdWaits) {
  EXPECT_EQ(ParseRetryAfter("1000000000", kNow), kRetryAfterMax);
  EXPECT_EQ(ParseRetryAfter("99999999999999999999999999", kNow), kRetryAfterMax);
  EXPECT_EQ(ParseRetryAfter("Sun, 22 Nov 2099 12:02:00 GMT", kNow), kRetryAfterMax);
}

TEST(ParseRetryAfter, H4IgnoresGarbage) {
  for (const char* value :
       {"", "   ", "-5", "soon", "1.5", "0x10", "12 seconds", ":", "Foo, 99:99"}) {
    EXPECT_EQ(ParseRetryAfter(value, kNow), std::nullopt) << value;
  }
}

TEST(HttpReasonName, IsAWordOfItsOwnForEachReason) {
  EXPECT_EQ(HttpReasonName(HttpReason::kMissing), "missing");
  EXPECT_EQ(HttpReasonName(HttpReason::kHandler), "handler");
}

}  // namespace
}  // namespace hnx::http
