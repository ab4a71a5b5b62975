#include "coordinator/domain/drive_fence.h"

#include <gtest/gtest.h>

namespace hnx::coordinator {
namespace {

DriveHead Head(std::uint64_t length, int history = 0) {
  return {.db_length = length,
          .db_tree_hash = Bytes(32, std::byte(history)),
          .content_length = length,
          .content_tree_hash = Bytes(32, std::byte(history)),
          .content_byte_length = length * 10};
}

DriveVerdict Decide(const DriveHead& recorded, const DriveHead& reported,
                    std::optional<DriveHead> base, bool same_process = true) {
  return DecideDrive({.head = recorded, .moved_by_this_process = same_process},
                     {.head = reported, .base = std::move(base)})
      .verdict;
}

TEST(DriveFenceTest, AcceptsGrowthFromTheRecordedHead) {
  EXPECT_EQ(Decide(Head(3), Head(5), Head(3)), DriveVerdict::kAccept);
  EXPECT_EQ(Decide({}, Head(5), DriveHead{}), DriveVerdict::kAccept);
}

TEST(DriveFenceTest, NeverGoesBack) {
  EXPECT_EQ(Decide(Head(5), Head(4), Head(4)), DriveVerdict::kSeal);
  EXPECT_EQ(Decide(Head(5), {}, std::nullopt), DriveVerdict::kSeal);
}

TEST(DriveFenceTest, NeverGoesSideways) {
  EXPECT_EQ(Decide(Head(5, 1), Head(5, 2), Head(5, 2)), DriveVerdict::kSeal);
  EXPECT_EQ(Decide(Head(5, 1), Head(7, 2), Head(5, 2)), DriveVerdict::kSeal);
}

TEST(DriveFenceTest, TellsTheRecordedHeadToWhoDoesNotKnowIt) {
  EXPECT_EQ(Decide(Head(5), Head(7), std::nullopt), DriveVerdict::kResync);
  EXPECT_EQ(Decide(Head(5), Head(7), Head(3)), DriveVerdict::kResync) << "the answer got lost";
}

TEST(DriveFenceTest, TheLoserOfARaceCutsItsTail) {
  EXPECT_EQ(Decide(Head(5), Head(7), Head(3), /*same_process=*/false), DriveVerdict::kCutTail);
}

TEST(DriveFenceTest, ADatabaseFromAnOlderCopyCutsNothing) {
  EXPECT_EQ(Decide(Head(3), Head(7), Head(5), /*same_process=*/false), DriveVerdict::kResync);
}

}  // namespace
}  // namespace hnx::coordinator
