#include "nix/reject_reason.h"

#include <set>

#include <gtest/gtest.h>

namespace hnx::nix {
namespace {

TEST(RejectReasonTest, SurvivesAnnotation) {
  const Error error =
      Reject(ErrorCode::kDataLoss, RejectReason::kNarHashMismatch, "verify NAR: not the same");
  EXPECT_EQ(ReasonOf(error), RejectReason::kNarHashMismatch);
  EXPECT_EQ(ReasonOf(error.Annotate("fetch [1/2] nar/x.nar.xz")), RejectReason::kNarHashMismatch);
}

TEST(RejectReasonTest, IsAbsentFromOtherErrors) {
  EXPECT_EQ(ReasonOf(Unavailable("connect [::1]: refused")), std::nullopt);
  EXPECT_EQ(ReasonOf(Unavailable("[")), std::nullopt);
  EXPECT_EQ(ReasonOf(Unavailable("")), std::nullopt);
}

TEST(RejectReasonTest, HasOneWordForEachReason) {
  std::set<std::string_view> words;
  for (int i = 0; i <= static_cast<int>(RejectReason::kCacheInfoInvalid); ++i) {
    const auto reason = static_cast<RejectReason>(i);
    const std::string_view word = RejectReasonName(reason);
    EXPECT_NE(word, "unknown") << i;
    EXPECT_TRUE(words.insert(word).second) << word;
    EXPECT_EQ(RejectReasonFromName(word), reason);
  }
}

TEST(RejectReasonTest, RetriesWhatMayHaveBeenDamagedOnItsWay) {
  EXPECT_EQ(RetriesMax(RejectReason::kStreamTruncated), 3);
  EXPECT_EQ(RetriesMax(RejectReason::kNotANarInfo), 3);
  EXPECT_EQ(RetriesMax(RejectReason::kStreamCorrupt), 1);
  EXPECT_EQ(RetriesMax(RejectReason::kNarHashMismatch), 1);
  EXPECT_EQ(RetriesMax(RejectReason::kSignatureInvalid), 0);
  EXPECT_EQ(RetriesMax(RejectReason::kUrlRefused), 0);
}

}  // namespace
}  // namespace hnx::nix
